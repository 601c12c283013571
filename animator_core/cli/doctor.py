"""``doctor``: checks the installation and prints findings with their remedies."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from animator_core.cli import arguments
from animator_core.config import PROJECT_ROOT, Config, load_config
from animator_core.diagnostics.doctor import examine
from animator_core.diagnostics.finding import FAILURE, OK, WARNING, Finding
from animator_core.diagnostics.report import write_report
from animator_core.errors import AnimatorError
from animator_core.output_files import require_writable

_MARKS = {OK: "ok  ", WARNING: "note", FAILURE: "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument(
        "--report",
        type=Path,
        nargs="?",
        const=PROJECT_ROOT / "output" / "report.zip",
        metavar="FILE.zip",
        help="bundle findings, versions, settings and this filter's lines of OBS's log for a bug report, without the"
        " names of people, folders and characters (default: output/report.zip)",
    )


def run(options: argparse.Namespace) -> int:
    """Print every finding; return 1 if any is a failure. Raises AnimatorError if the report cannot be written."""
    if options.report is not None:
        if options.report == PROJECT_ROOT / "output" / "report.zip":
            options.report.parent.mkdir(exist_ok=True)
        require_writable([options.report])
    findings = []
    for finding in examine(options.config):
        findings.append(finding)
        if not options.json:
            print(format_finding(finding), flush=True)
    failures = sum(finding.state == FAILURE for finding in findings)
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        print(f"\n{failures} of {len(findings)} checks failed" if failures else "\nNo check failed")
    if options.report is not None:
        _write_report(options, findings)
    return 1 if failures else 0


def _write_report(options: argparse.Namespace, findings: Sequence[Finding]) -> None:
    try:
        characters = load_config(options.config).character.images_path
    except AnimatorError:
        characters = Config().character.images_path
    try:
        names = write_report(options.report, findings, config_path=options.config, characters=characters)
    except OSError as exc:
        raise AnimatorError(f"cannot write {options.report}: {exc.strerror}", "choose another folder") from exc
    print(f"{options.report}: {', '.join(names)}. Look through it before you attach it", file=sys.stderr)


def format_finding(finding: Finding) -> str:
    """Return a finding as a line, and its remedy as a second one."""
    line = f"{_MARKS[finding.state]}  {finding.name}: {finding.detail}"
    return f"{line}\n      → {finding.remedy}" if finding.remedy else line

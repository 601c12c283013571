"""``doctor``: checks the installation and prints findings with their remedies."""

from __future__ import annotations

import argparse
import dataclasses
import json

from animator_core.cli import arguments
from animator_core.diagnostics.doctor import examine
from animator_core.diagnostics.finding import FAILURE, OK, WARNING, Finding

_MARKS = {OK: "ok  ", WARNING: "note", FAILURE: "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace) -> int:
    """Print every finding; return 1 if any is a failure."""
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
    return 1 if failures else 0


def format_finding(finding: Finding) -> str:
    """Return a finding as a line, and its remedy as a second one."""
    line = f"{_MARKS[finding.state]}  {finding.name}: {finding.detail}"
    return f"{line}\n      → {finding.remedy}" if finding.remedy else line

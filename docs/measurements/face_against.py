"""Runs a measurement of faces on another revision's product, motion included, with this tree's measuring."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).parents[2]
_MEASUREMENTS = Path("docs/measurements")


def rows_of(revision: str, module: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the rows that `docs.measurements.MODULE` writes as JSON on a revision, with the same options."""
    with tempfile.TemporaryDirectory() as folder:
        tree = older_tree(revision, Path(folder) / "tree")
        output = Path(folder) / "rows.json"
        run(tree, module, arguments_of(options, output))
        rows: list[dict[str, Any]] = json.loads(output.read_text())
        return rows


def older_tree(revision: str, folder: Path) -> Path:
    """Unpack a revision into ``folder``, with this tree's models and measuring of faces, and return the folder."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", revision], cwd=_REPOSITORY, check=True, capture_output=True)
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)
    for path in (_REPOSITORY / _MEASUREMENTS).glob("face_*.py"):
        shutil.copy(path, folder / _MEASUREMENTS)
    for name in ("assets/models", "cache"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (_REPOSITORY / name).mkdir(exist_ok=True)
        (folder / name).symlink_to(_REPOSITORY / name)
    return folder


def run(tree: Path, module: str, arguments: list[str]) -> None:
    command = [sys.executable, "-m", f"docs.measurements.{module}", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    subprocess.run(command, cwd=tree, check=True, env=environment, stdout=subprocess.DEVNULL)


def arguments_of(options: argparse.Namespace, output: Path) -> list[str]:
    """Return the command line of ``options`` for another tree: without --against, and with absolute paths."""
    arguments = [str(path.resolve()) for path in options.clips]
    for name, value in vars(options).items():
        if name in ("clips", "against", "json") or value in (None, False, []):
            continue
        flag = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [] if value is True else [value]
        arguments += [flag, *(str(Path(each).resolve()) if Path(str(each)).exists() else str(each) for each in values)]
    return [*arguments, "--json", str(output)]

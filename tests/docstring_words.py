"""Prints how often docstrings say "what" and "where": ``python tests/docstring_words.py [FOLDER ...]``.

Counts every docstring of the Python files below the folders, by default animator_core and obs_plugin. Each "where"
counts, also one of a place: a bound for those that stand for "if".
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def docstrings(source: str) -> Iterator[str]:
    """Yield every docstring of a module's source, and the texts below its attributes."""
    for node in ast.walk(ast.parse(source)):
        for each in getattr(node, "body", ()) if isinstance(node, _DOCUMENTED) else ():
            if (
                isinstance(each, ast.Expr)
                and isinstance(each.value, ast.Constant)
                and isinstance(each.value.value, str)
            ):
                yield each.value.value


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def main(folders: Sequence[str]) -> None:
    """Print a line for every folder, and one for all of them."""
    found = {
        folder: "\n".join(
            text for path in sorted((PROJECT / folder).rglob("*.py")) for text in docstrings(path.read_text("utf-8"))
        )
        for folder in folders or ("animator_core", "obs_plugin")
    }
    for name, text in {**found, "together": "\n".join(found.values())}.items():
        words = len(re.findall(r"[A-Za-z']+", text))
        shares = (
            f'"{each}" {1000 * len(re.findall(each, text, re.I)) / max(words, 1):.1f}'
            for each in (r"\bwhat\b", r"\bwhere\b")
        )
        print(f"{name}: {words} words; in 1,000: {', '.join(shares)}".replace(r"\b", ""))


if __name__ == "__main__":
    main(sys.argv[1:])

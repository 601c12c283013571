"""Rules of style that no linter has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
SOURCES = [path for part in ("animator_core", "obs_plugin") for path in sorted((PROJECT / part).rglob("*.py"))]
TREES = {path: ast.parse(path.read_text("utf-8")) for path in SOURCES}
MOST_POSITIONAL = 3
COMPILED = ("njit", "jit", "compiled", "triton", "intrinsic")
"""Decorators of functions that Numba or Triton compile: their calls take positions."""


def definitions() -> Iterator[tuple[str, bool]]:
    """Yield each class and function by its name, and whether its calls may take any number of positions."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                yield node.name, False
            elif isinstance(node, ast.FunctionDef):
                decorators = " ".join(ast.unparse(each) for each in node.decorator_list)
                yield node.name, bool(node.args.vararg) or any(name in decorators for name in COMPILED)


DEFINITIONS = list(definitions())
# Loggers have a method of the name of one of our functions.
OURS = {name for name, _ in DEFINITIONS} - {name for name, is_free in DEFINITIONS if is_free} - {"warning"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_call_has_more_than_three_positional_arguments(path: Path) -> None:
    for call in (node for node in ast.walk(TREES[path]) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name in OURS:
            assert len(call.args) <= MOST_POSITIONAL, f"line {call.lineno}: {name}"

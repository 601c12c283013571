"""Errors carry their remedy apart from their message, everywhere."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from animator_core import errors
from animator_core.errors import AnimatorError, CharacterError, ModelError

PROJECT = Path(__file__).resolve().parents[1]
SOURCES = [
    PROJECT / "install.py",
    *(path for part in ("animator_core", "obs_plugin") for path in (PROJECT / part).rglob("*.py")),
]
ERRORS = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, AnimatorError)}


def test_an_error_as_text_is_its_message_and_its_remedy() -> None:
    error = CharacterError("a.png has 4x4 pixels; too few", "use a larger one")
    assert (error.message, error.remedy) == ("a.png has 4x4 pixels; too few", "use a larger one")
    assert str(error) == "a.png has 4x4 pixels; too few; use a larger one"
    assert str(AnimatorError("the animator is closed")) == "the animator is closed"


def test_an_error_names_the_file_it_is_about() -> None:
    error = ModelError("key a is missing", "get it anew").about("b.pth")
    assert type(error) is ModelError
    assert (error.message, error.remedy) == ("b.pth: key a is missing", "get it anew")


def test_a_kept_error_holds_no_frames() -> None:
    with pytest.raises(ModelError) as caught:
        raise ModelError("no memory", "close other programs")
    kept = caught.value.without_traceback()
    assert kept.__traceback__ is None
    assert (type(kept), kept.message, kept.remedy) == (ModelError, "no memory", "close other programs")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_remedy_hides_in_a_message_and_none_is_cut_out_of_a_text(path: Path) -> None:
    for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        texts = [
            each.value
            for argument in call.args[:1]
            for each in ast.walk(argument)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        if name in {*ERRORS, "InstallError", "IndexAway"}:
            assert not any("; " in text for text in texts[-1:]), f"line {call.lineno}"
        if name in {"partition", "rpartition", "split", "rsplit"}:
            assert not any(text.startswith(";") for text in texts), f"line {call.lineno}"

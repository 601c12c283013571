"""The plugin's texts: complete in every language, and never a reason to fail."""

from __future__ import annotations

import ast
import ctypes
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_obs_panel import Desk

from obs_plugin import hotkeys, texts

PLUGIN = Path(__file__).resolve().parents[2] / "obs_plugin"
FILES = sorted(texts.FOLDER.glob("*.ini"))
ENGLISH, _ = texts.read(texts.FOLDER / "en-US.ini")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    yield
    texts.use("en-US")


def test_german_is_there_beside_english() -> None:
    assert {"de-DE", "en-US"} <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_language_has_the_same_keys_and_placeholders(path: Path) -> None:
    found, faults = texts.read(path)
    assert not faults and found.keys() == ENGLISH.keys()
    for key, words in found.items():
        placeholders = [sorted(re.findall(r"\{\w+\}", each)) for each in (words, ENGLISH[key])]
        assert placeholders[0] == placeholders[1], key
        assert words.strip() or key == "Wording.Disk", key


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_obs_itself_reads_the_same_texts(path: Path) -> None:
    try:
        libobs = ctypes.CDLL("libobs.so.0")
    except OSError:
        pytest.skip("libobs is not installed")
    libobs.text_lookup_create.restype = ctypes.c_void_p
    libobs.text_lookup_create.argtypes = [ctypes.c_char_p]
    libobs.text_lookup_getstr.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)]
    libobs.text_lookup_getstr.restype = ctypes.c_bool
    lookup, words = libobs.text_lookup_create(str(path).encode()), ctypes.c_char_p()
    for key, ours in texts.read(path)[0].items():
        assert libobs.text_lookup_getstr(lookup, key.encode(), ctypes.byref(words)), key
        assert (words.value or b"").decode() == ours


def patterns() -> Iterator[str]:
    """Yield a pattern for each text key in the code: literal, or with anything where the code puts something in."""
    for path in PLUGIN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.escape(node.value)
                # Of a problem the code has the name only.
                yield rf"(Problem|Worker)\.{re.escape(node.value)}(\.Remedy)?"
            elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                start = str(node.values[0].value)
                if start in ("State.", "Renderer.", "Hotkey.", "Emote.", "Expression."):
                    yield re.escape(start) + r"\w+"


def test_every_text_is_used(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.open()
    widgets = list(desk.lib.walk(desk.panel))
    names = {each["name"].replace(":", ".") for each in widgets}
    values = {f"{each['name']}.{value}" for each in widgets for _, value in each.get("items", ())}
    panel = {f"Panel.{name}{end}" for name in names | values for end in ("", ".Tip")}
    hotkey = {f"{each.text_key}{end}" for each in hotkeys.HOTKEYS for end in ("", ".Named")}
    code = re.compile("|".join(f"(?:{each})" for each in sorted(set(patterns()))))
    unused = [key for key in ENGLISH if key not in panel | hotkey and not code.fullmatch(key)]
    assert not unused


def test_every_key_in_the_code_has_a_text() -> None:
    called = []
    for path in PLUGIN.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            function = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            key = getattr(node.args[0], "value", "") if function in ("text", "told") else ""
            if isinstance(key, str) and key[:1].isupper():
                called += [key] if function == "text" else [f"Problem.{key}", f"Problem.{key}.Remedy"]
    assert len(called) > 40 and not set(called) - set(ENGLISH)
    assert not {each.text_key for each in hotkeys.HOTKEYS} - set(ENGLISH)


def test_in_a_german_obs_panel_and_hotkeys_are_german(tmp_path: Path) -> None:
    texts.use("de-DE")
    desk = Desk(tmp_path)
    desk.report()
    desk.open()
    assert desk.texts()[0].startswith("Live · 30 fps · 40 ms\nDarstellung: Verformung")
    assert "▾ Figur: 1 a (Standard)" in desk.texts()
    desk.press("movement")
    assert "Meine Bewegungen spiegeln" in desk.texts() and "Head movement" not in desk.texts()
    assert hotkeys.HOTKEYS[0].describe() == "Stream Motion Animator: Nächste Figur"


def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    for name, content in files.items():
        (folder / f"{name.replace('_', '-')}.ini").write_text(content, encoding="utf-8")
    monkeypatch.setattr(texts, "FOLDER", folder)
    monkeypatch.setattr(texts, "_english", {})


def test_what_a_language_lacks_is_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_folder(tmp_path, monkeypatch, en_US='A="one {n}"\nB="two"', de_DE='A="eins {n}"')
    texts.use("de-AT")
    assert (texts.text("A", n=3), texts.text("B"), texts.text("Gone")) == ("eins 3", "two", "Gone")
    texts.use("fr-FR")
    assert texts.text("A", n="{m}") == "one {m}"


def test_a_broken_line_is_named_and_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    in_folder(tmp_path, monkeypatch, en_US='A="one"\nB="two"', de_DE='# Kommentar\nA="eins\nB="a\\"b\\nc"\nB="x"\n')
    texts.use("de-DE")
    assert (texts.text("A"), texts.text("B")) == ("one", 'a"b\nc')
    assert "de-DE.ini, line 2: expected Key" in caplog.text and "line 4: the key B is there twice" in caplog.text


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_an_unreadable_file_is_named_and_its_texts_are_english(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, content: Any
) -> None:
    in_folder(tmp_path, monkeypatch, en_US='A="one"')
    path = tmp_path / "de-DE.ini"
    path.mkdir() if content is None else path.write_bytes(content)
    texts.use("de-DE")
    assert texts.text("A") == "one" and "de-DE.ini cannot be read" in caplog.text

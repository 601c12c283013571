"""All texts that a user sees, in OBS's language: one file per language in OBS's own format, ``Key="Text"``.

A key that a language lacks is taken from English. Nothing here ever raises: a text may be asked for by any callback.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
import re
from pathlib import Path
from typing import Dict

from animator_core.ipc.emote_names import display_name

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).resolve().parent / "locale"
ENGLISH = "en-US"

_LINE = re.compile(r'([\w.\-]+)\s*=\s*"((?:[^"\\]|\\.)*)"$')
_ESCAPE = re.compile(r'\\([ntr"])')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"'}
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_Texts = Dict[str, str]

_texts: _Texts = {}
_english: _Texts = {}
_language = ENGLISH


def read(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the texts of a file by key, and what is wrong with it, line by line; escapes as in OBS."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        return {}, [f"{path.name} cannot be read: {exc}"]
    found: dict[str, str] = {}
    faults = []
    for number, line in enumerate(content.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            faults.append(f'{path.name}, line {number}: expected Key="Text", found {line[:60]}')
        elif match[1] in found:
            faults.append(f"{path.name}, line {number}: the key {match[1]} is there twice; the first one counts")
        else:
            found[match[1]] = _ESCAPE.sub(lambda escape: _ESCAPES[escape[1]], match[2])
    return found, faults


def use(language: str) -> None:
    """Take all texts from now on in a language of OBS such as ``de-DE``; faults of its file are logged."""
    global _texts, _language
    _language = _file_name(language)
    _texts = {**_load_english(), **(_load(_language) if _language != ENGLISH else {})}


def text(key: str, /, **values: object) -> str:
    """Return the text of a key with its placeholders ``{name}`` filled in; the key itself if there is no such text."""
    template = (_texts or _load_english()).get(key, key)
    return _PLACEHOLDER.sub(lambda found: str(values.get(found[1], found[0])), template)


def emote_name(emote: str) -> str:
    """Return the name of an emote: the streamer's own ones are called as their files."""
    key = f"Emote.{emote}"
    return text(key) if has(key) else display_name(emote)


def expression_name(expression: str) -> str:
    """Return the name of an expression: one that streamers made up is called as its file."""
    key = f"Expression.{expression or 'own'}"
    return text(key) if has(key) else display_name(expression)


def has(key: str) -> bool:
    """Return whether there is a text for a key."""
    return key in (_texts or _load_english())


def label_picture() -> Path:
    """Return the picture with the word for "animated" in the language in use."""
    path = FOLDER / f"{_language}.label.png"
    return path if path.exists() else FOLDER / f"{ENGLISH}.label.png"


def _file_name(language: str) -> str:
    """Return the name of the file of a language, else of one from another country, else of English."""
    names = sorted(path.stem for path in FOLDER.glob("*.ini"))
    alike = (name for name in names if name.split("-")[0] == language.split("-")[0])
    return language if language in names else next(alike, ENGLISH)


def _load_english() -> _Texts:
    if not _english:
        _english.update(_load(ENGLISH))
    return _english


def _load(name: str) -> _Texts:
    found, faults = read(FOLDER / f"{name}.ini")
    for fault in faults:
        logger.warning("locale/%s. Put the Stream Motion Animator folder there anew, or mend that line", fault)
    return found

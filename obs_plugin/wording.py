"""Words any message for the panel: whole sentences without disk paths and commands."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import re

_PATH = re.compile(r"(?<![\w:/\\.])(?:[A-Za-z]:[\\/]|[\\/])[^\s;,'\"()]*[^\s;,'\"().:]")
_COMMAND = re.compile(r"`|(?<!\w)--\w|\bpip\b|\bpython3? -m\b")
_FILE = re.compile(r".*[\\/]|.*\.[A-Za-z]\w{1,9}:?$")
_ELSE = "See README.md in the Stream Motion Animator folder"


def sentences(message: str, remedy: str, folder: str) -> str:
    """Return ``message`` and ``remedy`` as sentences.

    folder: the installation's; a path in it is told relative to it, any other by its last part. Nobody has a command
    line inside OBS: a remedy that needs one is left out, or replaced by a reference to the README.
    """
    remedy = _without_commands(remedy)
    return " ".join(_sentence(_without_paths(part, folder)) for part in (message, remedy) if part.strip())


def _without_paths(text: str, folder: str) -> str:
    if folder:
        text = re.sub(re.escape(folder.rstrip("/\\")) + r"(?:[\\/]|(?=\W|$))", "", text)
    return _PATH.sub(lambda found: re.split(r"[\\/]", found.group().rstrip("/\\"))[-1] or "the disk", text)


def _without_commands(remedy: str) -> str:
    if not _COMMAND.search(remedy):
        return remedy
    alternatives = (each for each in re.split(r",\s+or\s+", remedy) if each)
    kept = [each for each in alternatives if not _COMMAND.search(each)]
    return ", or ".join(kept) or _ELSE


def _sentence(text: str) -> str:
    text = text.strip().replace("`", "'")
    if _FILE.match(text.split()[0]):
        text = f"The file {text}"
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?…" else ".")

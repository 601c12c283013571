"""Words any message for the panel: whole sentences without disk paths and commands."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import re

from obs_plugin.texts import text

_PATH = re.compile(r"(?<![\w:/\\.])(?:[A-Za-z]:[\\/]|[\\/])[^\s;,'\"()]*[^\s;,'\"().:]")
_COMMAND = re.compile(r"`|(?<!\w)--\w|\bpip\b|\bpython3? -m\b")
_FILE = re.compile(r".*[\\/]|.*\.[A-Za-z]\w{1,9}:?$")


def sentences(message: str, remedy: str, folder: str) -> str:
    """Return ``message`` and ``remedy`` as sentences.

    folder: the installation's; a path in it is told relative to it, any other by its last part. Nobody has a command
    line inside OBS: a remedy that needs one is left out, or replaced by a reference to the README.
    """
    remedy = _without_commands(remedy)
    return " ".join(_sentence(_without_paths(part, folder)) for part in (message, remedy) if part.strip())


def file_as_subject(name: str) -> str:
    """Return a file's name as the beginning of a sentence."""
    return text("Wording.File", name=name)


def _without_paths(words: str, folder: str) -> str:
    if folder:
        words = re.sub(re.escape(folder.rstrip("/\\")) + r"(?:[\\/]|(?=\W|$))", "", words)
    return _PATH.sub(lambda found: re.split(r"[\\/]", found.group().rstrip("/\\"))[-1] or text("Wording.Disk"), words)


def _without_commands(remedy: str) -> str:
    if not _COMMAND.search(remedy):
        return remedy
    alternatives = (each for each in re.split(r",\s+or\s+", remedy) if each)
    kept = [each for each in alternatives if not _COMMAND.search(each)]
    return ", or ".join(kept) or text("Wording.Elsewhere")


def _sentence(words: str) -> str:
    words = words.strip().replace("`", "'")
    if _FILE.match(words.split()[0]):
        words = file_as_subject(words)
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?…" else ".")

"""Writes the section ``remote`` of a settings file, and leaves everything else in it as it is."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path

from animator_core.atomic_file import written_atomically
from animator_core.config import load_config
from animator_core.errors import AnimatorError

_SECTION = re.compile(r"^remote:[^\n]*\n((?:[ \t]+[^\n]*\n|[ \t]*\n)*)", re.MULTILINE)


def write_remote(path: Path, values: Mapping[str, str]) -> None:
    """Set keys of ``remote`` in a YAML file, with their comments kept; raises AnimatorError if it cannot be written."""
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        text = before if before.endswith("\n") or not before else before + "\n"
        if not _SECTION.search(text):
            text += "\nremote:\n"
        for key, value in values.items():
            text = _SECTION.sub(functools.partial(_with_value, key=key, value=value), text, count=1)
        with written_atomically(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
            load_config(unfinished)
    except OSError as exc:
        raise AnimatorError(f"{path} cannot be written ({exc.strerror})", "check its permissions") from exc


def _with_value(found: re.Match[str], key: str, value: str) -> str:
    """Return the section with one value set."""
    section = found[0]
    line = re.compile(rf"^([ \t]+){key}:[ \t]*(?:'[^'\n]*'|\"[^\"\n]*\"|[^#\s]*)(?=\s|$)", re.MULTILINE)
    written = f"{key}: {json.dumps(value)}"
    if line.search(section):
        return line.sub(lambda match: match[1] + written, section, count=1)
    first, _, rest = section.partition("\n")
    return f"{first}\n  {written}\n{rest}"

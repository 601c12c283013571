"""Which emotes there are, and how they are called: the YAML files of two folders.

OBS's side lists them for its hotkeys and buttons, the worker reads them. Standard library only.
"""

from __future__ import annotations

import os

from animator_core.ipc.character_names import as_text, natural_key, system_path

SUFFIX = ".yaml"
OWN_FOLDER = "own"
"""In the folder of the shipped emotes: the user's, of which one takes the place of a shipped one of its name."""
LONGEST_NAME = 40


def list_emotes(folder: str) -> dict[str, str]:
    """Return the path of each emote by its name, in order; folder: that of the shipped ones, which need not exist."""
    found: dict[str, str] = {}
    for each in (folder, f"{folder}/{OWN_FOLDER}"):
        try:
            names = [as_text(name) for name in os.listdir(system_path(each))]
        except OSError:
            continue
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix == SUFFIX and is_name(stem):
                found[stem] = f"{each}/{name}"
    return {name: found[name] for name in sorted(found, key=natural_key)}


def is_name(name: str) -> bool:
    """Return whether an emote may have this name: letters, digits, _ and -, in small letters, as hotkeys take it."""
    return 0 < len(name) <= LONGEST_NAME and all(
        letter.isascii() and (letter.isdigit() or letter.islower() or letter in "_-") for letter in name
    )


def display_name(name: str) -> str:
    """Return how an emote is called in the panel: ``wink_left`` is "Wink left"."""
    return name.replace("_", " ").replace("-", " ").strip().capitalize() or name

"""The hotkeys: their names, and the action of each on every filter."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from dataclasses import dataclass
from typing import Callable

from animator_core.ipc.face_settings import PRESETS
from obs_plugin.character_list import NUMBERS
from obs_plugin.session import Session

_LONGEST_NAME = 40
"""In characters; OBS's list of hotkeys is as wide as its longest text."""


@dataclass(frozen=True)
class Hotkey:
    """A hotkey: the name it is saved under, the text in Settings → Hotkeys, and its action on a press."""

    name: str
    description: str
    press: Callable[[Session], None]


def _step(places: int) -> Callable[[Session], None]:
    return lambda session: session.step(places)


def _select(number: int) -> Callable[[Session], None]:
    return lambda session: session.select_number(number)


def _calibrate(session: Session) -> None:
    for instance in session.filters():
        session.act(instance, "calibrate")


def _toggle_freeze(session: Session) -> None:
    session.freeze(session.filters())


def _toggle_hidden(session: Session) -> None:
    session.hide(session.filters())


def _take_preset(name: str) -> Callable[[Session], None]:
    def press(session: Session) -> None:
        for instance in session.filters():
            session.change_face(instance, PRESETS[name])

    return press


def _hotkey(name: str, description: str, press: Callable[[Session], None]) -> Hotkey:
    return Hotkey(f"stream_motion_animator.{name}", f"Stream Motion Animator: {description}", press)


HOTKEYS = (
    _hotkey("next_character", "Next character", _step(1)),
    _hotkey("previous_character", "Previous character", _step(-1)),
    *(_hotkey(f"character_{number}", f"Character {number}", _select(number)) for number in range(1, NUMBERS + 1)),
    _hotkey("calibrate", "Calibrate: this is my neutral face", _calibrate),
    _hotkey("freeze", "Freeze the character, or let it move again", _toggle_freeze),
    *(_hotkey(f"preset_{name}", f"{name.capitalize()} movements", _take_preset(name)) for name in PRESETS),
    _hotkey("show_hide", "Show or hide the character", _toggle_hidden),
)


def descriptions(session: Session) -> dict[str, str]:
    """Return the text of each numbered hotkey with the name of its character, by the hotkey's name."""
    names = {entry.file: entry.display_name for entry in session.characters()}
    texts = {}
    for number, file in enumerate(session.roster.numbers, 1):
        name = names.get(file, "")[:_LONGEST_NAME]
        hotkey = _hotkey(f"character_{number}", f"Character {number}" + (f": {name}" if name else ""), _select(number))
        texts[hotkey.name] = hotkey.description
    return texts

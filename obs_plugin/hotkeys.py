"""The hotkeys: their names, and what each does to every filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from obs_plugin.session import Session


@dataclass(frozen=True)
class Hotkey:
    """A hotkey: the name it is saved under, the text in Settings → Hotkeys, and its action on a press."""

    name: str
    description: str
    press: Callable[[Session], None]


def _step(places: int) -> Callable[[Session], None]:
    return lambda session: session.select_character(places, is_step=True)


def _select(place: int) -> Callable[[Session], None]:
    return lambda session: session.select_character(place, is_step=False)


def _calibrate(session: Session) -> None:
    for instance in session.filters():
        session.calibrate(instance)


def _toggle_freeze(session: Session) -> None:
    instances = session.filters()
    is_frozen = not any(instance.is_frozen for instance in instances)
    for instance in instances:
        session.set_frozen(instance, is_frozen)


def _toggle_hidden(session: Session) -> None:
    instances = session.filters()
    is_hidden = not any(instance.is_hidden for instance in instances)
    for instance in instances:
        instance.is_hidden = is_hidden


def _hotkey(name: str, description: str, press: Callable[[Session], None]) -> Hotkey:
    return Hotkey(f"stream_motion_animator.{name}", f"Stream Motion Animator: {description}", press)


HOTKEYS = (
    _hotkey("next_character", "next character", _step(1)),
    _hotkey("previous_character", "previous character", _step(-1)),
    *(_hotkey(f"character_{place + 1}", f"character {place + 1}", _select(place)) for place in range(9)),
    _hotkey("calibrate", "calibrate, this is my neutral face", _calibrate),
    _hotkey("freeze", "freeze or go on", _toggle_freeze),
    _hotkey("show_hide", "show or hide the character", _toggle_hidden),
)

"""The hotkeys: their names, and the action of each on every filter."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from dataclasses import dataclass
from typing import Callable, Iterable

from animator_core.ipc.face_settings import PRESETS
from animator_core.ipc.protocol import BY_FACE
from obs_plugin.character_list import NUMBERS
from obs_plugin.session import Session
from obs_plugin.texts import emote_name, text

_EXPRESSIONS = 6
"""Count of the numbered hotkeys of expressions."""
_LONGEST_NAME = 40
"""In characters; OBS's list of hotkeys is as wide as its longest text."""


@dataclass(frozen=True)
class Hotkey:
    """A hotkey: the name it is saved under, the key of its text in Settings → Hotkeys, and its action on a press.

    number: of the character that it chooses, 0 for none. emote: the one that it plays, "" for none.
    expression: the number of the one that it shows, 0 for none.
    """

    name: str
    text_key: str
    press: Callable[[Session], None]
    number: int = 0
    emote: str = ""
    expression: int = 0

    def describe(self, character: str = "") -> str:
        """Return the text, with the name of the character that it chooses."""
        if self.emote:
            return f"Stream Motion Animator: {text(self.text_key, name=emote_name(self.emote))}"
        if self.expression:
            return f"Stream Motion Animator: {text(self.text_key, number=self.expression)}"
        key = f"{self.text_key}.Named" if character else self.text_key
        return f"Stream Motion Animator: {text(key, number=self.number, name=character[:_LONGEST_NAME])}"


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


def _play(emote: str) -> Callable[[Session], None]:
    return lambda session: session.play(emote)


def _express(expression: str) -> Callable[[Session], None]:
    return lambda session: session.express(expression)


def _express_number(number: int) -> Callable[[Session], None]:
    return lambda session: session.express_number(number)


def _take_preset(name: str) -> Callable[[Session], None]:
    def press(session: Session) -> None:
        for instance in session.filters():
            session.change_settings(instance, PRESETS[name])

    return press


def _hotkey(name: str, press: Callable[[Session], None]) -> Hotkey:
    return Hotkey(f"stream_motion_animator.{name}", f"Hotkey.{name}", press)


def _numbered(number: int) -> Hotkey:
    return Hotkey(f"stream_motion_animator.character_{number}", "Hotkey.character", _select(number), number=number)


def _expressing(number: int) -> Hotkey:
    name, press = f"stream_motion_animator.expression_{number}", _express_number(number)
    return Hotkey(name, "Hotkey.expression", press, expression=number)


def _of_emote(emote: str) -> Hotkey:
    return Hotkey(f"stream_motion_animator.emote_{emote}", "Hotkey.emote", _play(emote), emote=emote)


HOTKEYS = (
    _hotkey("next_character", _step(1)),
    _hotkey("previous_character", _step(-1)),
    *(_numbered(number) for number in range(1, NUMBERS + 1)),
    _hotkey("calibrate", _calibrate),
    _hotkey("freeze", _toggle_freeze),
    *(_hotkey(f"preset_{name}", _take_preset(name)) for name in PRESETS),
    _hotkey("show_hide", _toggle_hidden),
    _hotkey("expression_own", _express("")),
    *(_expressing(number) for number in range(1, _EXPRESSIONS + 1)),
    _hotkey("expression_by_face", _express(BY_FACE)),
)


def all_hotkeys(emotes: Iterable[str]) -> tuple[Hotkey, ...]:
    """Return the hotkeys, one for each of these emotes behind the others."""
    return *HOTKEYS, *map(_of_emote, emotes)


def descriptions(session: Session | None, hotkeys: Iterable[Hotkey]) -> dict[str, str]:
    """Return the text of each hotkey, a numbered one's with the name of its character, by the hotkey's name."""
    names = {entry.file: entry.display_name for entry in session.characters()} if session is not None else {}
    files = dict(enumerate(session.roster.numbers, 1)) if session is not None else {}
    return {each.name: each.describe(names.get(files.get(each.number, ""), "")) for each in hotkeys}

"""The content and the state of a filter's panel."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import enum
import time
from dataclasses import dataclass, field

from animator_core.ipc.protocol import CharacterEntry
from obs_plugin.microphones import Microphone
from obs_plugin.properties import FilterSettings
from obs_plugin.status_line import StatusLine

_REFRESH_SECONDS = 0.9
"""The worker sends its numbers once a second."""


class Section(enum.Enum):
    """The unfolded section of the panel; the value is the name of the button that unfolds it."""

    NONE = ""
    CHARACTERS = "characters"
    ADDING = "adding"
    EMOTES = "emotes"
    MOVEMENT = "movement"
    PICTURE = "picture"
    SOUND = "sound"
    TROUBLE = "trouble"

    @property
    def rests(self) -> bool:
        """Whether it has lists or sliders, so that the panel must not be made anew under a hand."""
        return self not in (Section.NONE, Section.CHARACTERS, Section.EMOTES, Section.SOUND)


@dataclass(frozen=True)
class PanelView:
    """The content of a panel.

    settings: the present ones, of which the filter itself hears one tick later. numbers: the file of each numbered
    hotkey, from 1. current: the character in use, if it is known. emotes: names of the files. expressions: those of the
    character. renderer: the one in use, "" before the worker says it. folder: the installation's, relative to which
    paths are told. is_reset_armed: whether the next press resets. microphones: of OBS. delay_ms: from a camera frame to
    the picture made of it, 0 before that is known.
    """

    status_line: StatusLine
    characters: tuple[CharacterEntry, ...] = ()
    numbers: tuple[str, ...] = ()
    current: CharacterEntry | None = None
    emotes: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    added: str = ""
    settings: FilterSettings = field(default_factory=FilterSettings)
    renderer: str = ""
    section: Section = Section.NONE
    folder: str = ""
    is_reset_armed: bool = False
    microphones: tuple[Microphone, ...] = ()
    delay_ms: int = 0

    @property
    def setting(self) -> str:
        """The character's file name in the settings, "" for the default."""
        return self.settings.character


@dataclass
class PanelState:
    """Whether a filter's panel is open, and the line that it shows.

    added: how the adding of a picture goes, or "". is_outdated: whether the characters have changed since.
    is_reset_armed: whether the next press of its button resets the settings.
    """

    section: Section = Section.NONE
    open_count: int = 0
    shown: StatusLine | None = None
    shown_at: float = 0.0
    is_outdated: bool = False
    added: str = ""
    is_reset_armed: bool = False

    def note_closed(self) -> None:
        """Note that OBS destroyed a panel; after the last one the next opens folded."""
        self.open_count -= 1
        if not self.open_count:
            self.section, self.is_reset_armed = Section.NONE, False

    def note_shown(self, line: StatusLine) -> None:
        self.shown, self.shown_at, self.is_outdated = line, time.monotonic(), False

    def toggle(self, section: Section) -> None:
        """Unfold a section, which folds any other, or fold it."""
        self.section = Section.NONE if self.section is section else section

    def needs_reload(self, line: StatusLine) -> bool:
        """Return whether an open panel is wrong; for numbers that changed, at most once a second."""
        if not self.open_count:
            return False
        is_due = line.is_urgent or time.monotonic() - self.shown_at >= _REFRESH_SECONDS
        return self.is_outdated or (is_due and line.is_news_after(self.shown))

"""The keys of ``run``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from animator_core.animation.requests import AnimationRequests
from animator_core.animation.services import Services
from animator_core.errors import MotionError


class KeyCommands:
    """Turns keys, named as in `HotkeyConfig`, and clicks into requests.

    tell: takes lines for the user. switches: functions that are not the animation's, by command.
    """

    def __init__(
        self,
        services: Services,
        requests: AnimationRequests,
        tell: Callable[[str], None],
        switches: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        hotkeys = services.config.hotkeys
        self.has_quit = False
        self.shows_statistics = True
        self.hides_controls = False
        self.names: tuple[str, ...] = ()
        """The file names of the library; the keys 1 to 9 choose the first nine."""
        self.labels: tuple[str, ...] = ()
        """The display names in the same order."""
        self._switches = switches or {}
        self._commands = {key: name for name, key in hotkeys.commands.items()}
        self._emotes = {key: name for name, key in hotkeys.emotes.items()}
        self._library, self._emote_library = services.library, services.emotes
        self._requests, self._tell = requests, tell
        self._list_characters()

    def press(self, key: str) -> None:
        """Carry out the command of a key, or the command itself; any other key does nothing.

        The command "choose FILE" chooses a character.
        """
        command, requests = self._commands.get(key, key), self._requests
        if key.startswith("choose ") and key[7:] in self.names:
            self._choose(self.names.index(key[7:]))
        elif key.isdigit() and key != "0":
            self._choose(int(key) - 1)
        elif key in self._emotes:
            self._play(self._emotes[key])
        elif command == "quit":
            self.has_quit = True
        elif command in ("next_character", "prev_character"):
            self._choose_beside(1 if command == "next_character" else -1)
        elif command == "reload_characters":
            self._list_characters()
            requests.refresh_characters()
        elif command == "toggle_stats":
            self.shows_statistics = not self.shows_statistics
        elif command == "toggle_controls":
            self.hides_controls = not self.hides_controls
        elif command in self._switches:
            self._switches[command]()
        elif command in ("calibrate", "forget_calibration"):
            requests.act(command)
        elif command == "freeze":
            requests.act("unfreeze" if requests.is_frozen else "freeze")

    def _play(self, emote: str) -> None:
        try:
            self._requests.play(self._emote_library.load(emote))
        except MotionError as exc:
            self._tell(f"warning: {exc}")

    def _list_characters(self) -> None:
        entries = self._library.list()
        self.names = tuple(entry.file for entry in entries)
        self.labels = tuple(entry.display_name for entry in entries)

    def _choose_beside(self, step: int) -> None:
        current = self._requests.settings.character
        if self.names:
            self._choose((self.names.index(current) + step) % len(self.names) if current in self.names else 0)

    def _choose(self, index: int) -> None:
        if index < len(self.names):
            self._requests.update(dataclasses.replace(self._requests.settings, character=self.names[index]))

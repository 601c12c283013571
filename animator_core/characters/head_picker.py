"""Asks the user for the head of a character that the anime networks are to move.

All coordinates are pixels of the picture. This module has no window and no networks, see `cli.picker.head_controller`.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Protocol

from animator_core.arrays import UInt8Array
from animator_core.characters.head_place import HeadPlace
from animator_core.errors import described

RADIUS = 64.0
"""Network pixels from the head's middle to its edge."""
_LEAST_RADIUS = 4.0


@dataclass(frozen=True)
class Preview:
    """The face at a place: three pictures below each other, (576, 192, 3) uint8 RGB, and a sentence about them."""

    place: HeadPlace
    picture: UInt8Array
    verdict: str


class Previews(Protocol):
    """Makes previews; each call may take a second."""

    def at(self, place: HeadPlace) -> Preview:
        """Return the preview at a place."""
        ...

    def improved(self, place: HeadPlace) -> HeadPlace | None:
        """Return a better place near ``place``, None without one."""
        ...


class HeadPicker:
    """The circle round the head; previews are made by ``executor``, one at a time and only of the newest place."""

    def __init__(self, first: HeadPlace, previews: Previews, executor: Executor) -> None:
        self.place = first
        self.preview: Preview | None = None
        """The newest preview that is ready."""
        self.message = ""
        """Problem with the last answer, "" for none."""
        self._first = first
        self._previews = previews
        self._executor = executor
        self._making: Future[Preview] | None = None
        self._improving: Future[HeadPlace | None] | None = None
        self._failed: HeadPlace | None = None

    @property
    def radius(self) -> float:
        """The circle's radius."""
        return RADIUS / self.place.scale

    @property
    def is_busy(self) -> bool:
        """Whether a preview or a better place is on its way."""
        return self._making is not None or self._improving is not None

    def draw(self, center: tuple[float, float], edge: tuple[float, float]) -> None:
        """Take a circle by its centre and a point on it."""
        radius = max(((edge[0] - center[0]) ** 2 + (edge[1] - center[1]) ** 2) ** 0.5, _LEAST_RADIUS)
        self._take(HeadPlace(center, RADIUS / radius))

    def shift(self, x: float, y: float) -> None:
        """Move the circle."""
        self._take(replace(self.place, center=(self.place.center[0] + x, self.place.center[1] + y)))

    def undo(self) -> None:
        """Take the first place again."""
        self._take(self._first)

    def improve(self) -> None:
        """Have the networks look for the best place near the circle."""
        if self._improving is None:
            place = self.place
            self._improving = self._executor.submit(lambda: self._previews.improved(place))

    def advance(self) -> None:
        """Take finished work, and begin a preview of the present place if there is none; called while nothing moves."""
        if self._improving is not None and self._improving.done():
            self._take_improved(self._improving)
            self._improving = None
        if self._making is not None and self._making.done():
            self._take_preview(self._making)
            self._making = None
        shown = self.preview.place if self.preview else None
        if not self.is_busy and self.place not in (shown, self._failed):
            place = self.place
            self._making = self._executor.submit(lambda: self._previews.at(place))

    def _take(self, place: HeadPlace) -> None:
        self.place, self.message = place, ""

    def _take_improved(self, done: Future[HeadPlace | None]) -> None:
        error = done.exception()
        place = None if error else done.result()
        if place is not None:
            self._take(place)
        else:
            self.message = described(error) if error else "The networks find no eyes near the circle."

    def _take_preview(self, done: Future[Preview]) -> None:
        error = done.exception()
        if error:
            # Not tried again until the circle moves.
            self._failed, self.message = self.place, described(error)
        else:
            self.preview = done.result()

"""What every renderer does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from animator_core.characters.character import Character
from animator_core.errors import AnimatorError
from animator_core.motion.driving import DrivingMotion


@dataclass(frozen=True)
class Placement:
    """What a picture is to show, known before it is drawn.

    signature: (N,) float32, in units of a change that nobody sees: pictures of one character look the same where no
    number of their signatures differs by more than 1. content: what `Renderer.draw` draws.
    """

    signature: np.ndarray
    content: Any


class Renderer(Protocol):
    """Draws one character in motion; `set_character` does everything that does not depend on the motion."""

    name: str
    """"warp" or "liveportrait"."""
    device: str
    """Where it runs, for the status line: "CPU", "NVIDIA …"."""
    note: AnimatorError | None
    """Why it is not the renderer or device that could be expected; None if it is."""

    neutral: Mapping[str, np.ndarray]
    """The driver's neutral face as this renderer sees it, for `set_neutral` of another one; empty for none."""

    def set_neutral(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the driver's neutral face that ``neutral`` of another renderer was; nothing if it is of another kind."""
        ...

    def prepare(self, character: Character) -> None:
        """Compute and keep what `set_character` needs, so that a later switch is quick."""
        ...

    def set_character(self, character: Character) -> None:
        """Make ``character`` the one that `render` draws; raises CharacterError where it cannot be drawn."""
        ...

    def place(self, motion: DrivingMotion, driving_frame: np.ndarray | None = None) -> Placement:
        """Return what the character in ``motion`` is to look like, at a small part of what drawing it costs.

        driving_frame: (H, W, 3) uint8 RGB, for renderers that look at it.
        """
        ...

    def draw(self, placement: Placement) -> np.ndarray:
        """Return the character as `place` has it: (H, W, 4) uint8 BGRA in the size of its picture.

        The colour is premultiplied in linear light and sRGB-encoded (`frame_ring.FORMAT_BGRA_PREMULTIPLIED`).
        The array is reused by the next call.
        """
        ...

    def render(self, motion: DrivingMotion, driving_frame: np.ndarray | None = None) -> np.ndarray:
        """Return the character in ``motion``: `place`, then `draw`."""
        ...

    def warm_up(self) -> None:
        """Do once, for the character that is set, all that a live frame takes, so that the first one is quick.

        Libraries choose and build for each thread what they compute with: the thread that draws calls it as well.
        """
        ...

    def close(self) -> None:
        """Free memory of the device."""
        ...

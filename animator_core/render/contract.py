"""What every renderer does."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from animator_core.characters.character import Character
from animator_core.motion.driving import DrivingMotion


class Renderer(Protocol):
    """Draws one character in motion; `set_character` does everything that does not depend on the motion."""

    name: str
    """"warp" or "liveportrait"."""
    device: str
    """Where it runs, for the status line: "CPU", "NVIDIA …"."""
    note: str
    """Why it is not the renderer or device that could be expected, ``what; what to do``, or ""."""

    def prepare(self, character: Character) -> None:
        """Compute and keep what `set_character` needs, so that a later switch is quick."""
        ...

    def set_character(self, character: Character) -> None:
        """Make ``character`` the one that `render` draws; raises CharacterError where it cannot be drawn."""
        ...

    def render(self, motion: DrivingMotion, driving_frame: np.ndarray | None = None) -> np.ndarray:
        """Return the character in ``motion``: (H, W, 4) uint8 BGRA in the size of its picture.

        The colour is premultiplied in linear light and sRGB-encoded (`frame_ring.FORMAT_BGRA_PREMULTIPLIED`).
        The array is reused by the next call. driving_frame: (H, W, 3) uint8 RGB, for renderers that look at it.
        """
        ...

    def close(self) -> None:
        """Free memory of the device."""
        ...

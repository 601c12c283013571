"""The place of a character's head in its picture, as the anime networks need it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeadPlace:
    """The similarity that puts a character's head where the networks expect it.

    center: (x, y) of the head's middle, hair included, so a little above the eyes; in pixels of the picture from its
    corner, in which the first pixel's middle is (0.5, 0.5). scale: pixels of the networks' picture per pixel of the
    character's; the head becomes about 128 high.
    """

    center: tuple[float, float]
    scale: float

    def resized(self, factor_x: float, factor_y: float) -> HeadPlace:
        """Return the place in the picture resized by these factors."""
        center = (self.center[0] * factor_x, self.center[1] * factor_y)
        return HeadPlace(center, self.scale * 2 / (factor_x + factor_y))

"""Render reuse: a picture that looks the same as the last one is not drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.arrays import FloatArray


@dataclass(frozen=True)
class RenderReuseInfo:
    """Counts of a pipeline.

    hit_rate: share of frames, 0 to 1, that needed no rendering. rendered, reused: frames so far.
    """

    hit_rate: float
    rendered: int
    reused: int


class RenderReuse:
    """Tells which frames need rendering; one for each pipeline.

    A frame is compared with the last rendered one, so the shown picture is never further off than a
    `Placement.signature` allows. Keeping more than the last picture was measured to save nothing more.
    """

    def __init__(self, is_enabled: bool = True) -> None:
        self._is_enabled = is_enabled
        self._last: FloatArray | None = None
        self._rendered = 0
        self._reused = 0

    def needs_rendering(self, signature: FloatArray) -> bool:
        """Return whether a frame, see `Placement.signature`, differs visibly from the last rendered; counts it."""
        last = self._last
        if (
            self._is_enabled
            and last is not None
            and last.shape == signature.shape
            and np.abs(signature - last).max() <= 1
        ):
            self._reused += 1
            return False
        self._last = signature
        self._rendered += 1
        return True

    def forget(self) -> None:
        """Render the next frame in any case: the character or the renderer changed."""
        self._last = None

    def get_info(self) -> RenderReuseInfo:
        """Return the counts so far."""
        total = self._rendered + self._reused
        return RenderReuseInfo(self._reused / total if total else 0.0, self._rendered, self._reused)

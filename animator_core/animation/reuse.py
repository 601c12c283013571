"""Render reuse: a picture that nobody could tell from the last one is not drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RenderReuseInfo:
    """How much work was saved.

    hit_rate: share of frames, 0 to 1, that needed no rendering. rendered, reused: frames so far.
    """

    hit_rate: float
    rendered: int
    reused: int


class RenderReuse:
    """Tells which frames need rendering; one for each pipeline.

    A frame is compared with the last rendered one, so that what is shown is never further from the truth than a
    `Placement.signature` allows. Keeping more than the last picture was measured to save nothing more.
    """

    def __init__(self, is_enabled: bool = True) -> None:
        self._is_enabled = is_enabled
        self._last: np.ndarray | None = None
        self._rendered = 0
        self._reused = 0

    def needs_rendering(self, signature: np.ndarray) -> bool:
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
        """Have the next frame rendered whatever its motion is: the character or the renderer changed."""
        self._last = None

    def get_info(self) -> RenderReuseInfo:
        """Return the counts so far."""
        total = self._rendered + self._reused
        return RenderReuseInfo(self._reused / total if total else 0.0, self._rendered, self._reused)

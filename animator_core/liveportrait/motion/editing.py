"""The official editor's sliders as changes of a face's expression, in the editor's own units."""

from __future__ import annotations

import torch

from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT

# One unit adds: (keypoint, axis, amount).
_GAZE_RIGHT = ((11, 0, 0.0007), (15, 0, 0.001))
_GAZE_LEFT = ((11, 0, 0.001), (15, 0, 0.0007))
_GAZE_UP = ((11, 1, -0.001), (15, 1, -0.001))
_LIDS = ((11, 1, -0.001), (13, 1, 0.0003), (15, 1, -0.001), (16, 1, 0.0003))
_BROWS_UP = ((1, 1, 0.001), (2, 1, -0.001))
_BROWS_DOWN = ((1, 0, -0.001), (2, 0, 0.001), (1, 1, 0.0003), (2, 1, -0.0003))
_SMILE = (
    (20, 1, -0.01),
    (14, 1, -0.02),
    (17, 1, 0.0065),
    (17, 2, 0.003),
    (13, 1, -0.00275),
    (16, 1, -0.00275),
    (3, 1, -0.0035),
    (7, 1, -0.0035),
)

_Entries = tuple[tuple[int, int, float], ...]


def gaze_expression(gaze_x: float, gaze_y: float, moves_lids: bool = True) -> torch.Tensor:
    """Return the expression of a shifted gaze, to be added, (21, 3) float32; x to the right of the picture, y up.

    moves_lids: whether the lids follow up and down, as in the editor.
    """
    sideways = _GAZE_RIGHT if gaze_x > 0 else _GAZE_LEFT
    return _sum((sideways, gaze_x), (_GAZE_UP, gaze_y), (_LIDS, -gaze_y / 2 if moves_lids else 0.0))


def brow_expression(brows: float) -> torch.Tensor:
    """Return the expression of raised (> 0) or frowning brows, to be added, (21, 3) float32."""
    return _sum((_BROWS_UP if brows > 0 else _BROWS_DOWN, brows))


def smile_expression(smile: float) -> torch.Tensor:
    """Return the expression of a smile, 1 a broad one, to be added, (21, 3) float32."""
    return _sum((_SMILE, smile))


def _sum(*sliders: tuple[_Entries, float]) -> torch.Tensor:
    delta = torch.zeros(KEYPOINT_COUNT, 3)
    for entries, strength in sliders:
        for keypoint, axis, amount in entries:
            delta[keypoint, axis] += amount * strength
    return delta

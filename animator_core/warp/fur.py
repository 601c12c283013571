"""The fur of an animal's closed lids: that above the eye, mirrored downwards."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, FloatArray
from animator_core.warp.eye_map import EyeMap

_COARSE = 0.15
"""Standard deviation, in eye widths, of the smooth skin to which fur is added."""
_RIM = 0.15
"""Width of the dark rim around the eye, in eye widths, which is no fur."""
_STRANDS = 4.0
"""The most contrast of fur, by its usual one: brows, whiskers and the rim's dark have more."""


def furred(patch: FloatArray, bare: FloatArray, eye: EyeMap) -> FloatArray:
    """Return bare skin, (H, W, 3) BGR, with the strands of the patch's fur above the eye."""
    rows, columns = np.indices(bare.shape[:2], np.float32)
    top = float(rows[eye.outside < _RIM * eye.width].min(initial=len(rows)))
    if top < 2:
        return bare
    above = patch[: int(top)]
    strands = above - cv2.GaussianBlur(above, (0, 0), _COARSE * eye.width)
    most = _STRANDS * max(float(np.median(np.abs(strands))), 0.5)
    strands = most * np.tanh(strands / most)
    mirrored: AnyArray = cv2.remap(
        strands, columns, 2 * np.float32(top) - rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(bare + mirrored, np.float32)

"""Person segmentation of a still picture, by the model inside mediapipe's wheel."""

from __future__ import annotations

import logging

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.errors import ModelError, first_line, loading

logger = logging.getLogger(__name__)


def person_probability(picture: UInt8Array) -> FloatArray | None:
    """Return the probability of each pixel to show a person, (H, W) float32 in [0, 1], or None without the model.

    picture: (H, W, 3) uint8 RGB. Versions of mediapipe from 0.10.30 on come without the model.
    """
    try:
        with loading("mediapipe"):
            from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation
        with SelfieSegmentation(model_selection=0) as model:
            mask = model.process(picture).segmentation_mask
    except (ModelError, RuntimeError, OSError, ValueError) as exc:
        logger.debug("no person segmentation: %s", first_line(exc, 160))
        return None
    return None if mask is None else np.ascontiguousarray(mask, np.float32)

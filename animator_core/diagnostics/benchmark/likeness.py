"""How alike two pictures are: PSNR and SSIM, and both over many frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

_BLUR = (11, 11)
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True)
class LikenessSummary:
    """How frames compare with what they should be; those that are equal in every pixel only count as frames.

    psnr_db: of the mean squared error of all frames. differing_psnr_db: of that of the differing ones alone.
    worst_psnr_db: of the worst frame. worst_ssim, differing_ssim: the least, and the mean of the differing ones.
    None where all are equal.
    """

    frames: int
    differing: int
    psnr_db: float | None
    differing_psnr_db: float | None
    worst_psnr_db: float | None
    differing_ssim: float | None
    worst_ssim: float | None


class Likeness:
    """Collects comparisons."""

    def __init__(self) -> None:
        self.errors: list[float] = []
        """Mean squared error of each frame, levels²."""
        self._ssim: list[float] = []

    def compare(self, picture: np.ndarray, truth: np.ndarray) -> None:
        """Take note of two pictures of one size, (H, W, 3 or 4) uint8; alpha counts as a channel."""
        error = mean_squared_error(picture, truth)
        self.errors.append(error)
        if error:
            self._ssim.append(ssim(picture, truth))

    def summary(self) -> LikenessSummary:
        """Return the figures so far."""
        differing = [error for error in self.errors if error]
        if not differing:
            return LikenessSummary(len(self.errors), 0, None, None, None, None, None)
        return LikenessSummary(
            len(self.errors),
            len(differing),
            psnr_of(float(np.mean(self.errors))),
            psnr_of(float(np.mean(differing))),
            psnr_of(max(differing)),
            float(np.mean(self._ssim)),
            min(self._ssim),
        )


def mean_squared_error(picture: np.ndarray, truth: np.ndarray) -> float:
    """Return it in levels²."""
    difference = cv2.absdiff(picture, truth)
    return float(cv2.norm(difference, cv2.NORM_L2) ** 2 / difference.size)


def psnr_of(error: float) -> float:
    """Return the peak signal-to-noise ratio in dB of a mean squared error above 0."""
    return 10 * math.log10(255**2 / error)


def ssim(picture: np.ndarray, truth: np.ndarray) -> float:
    """Return the structural similarity of the brightness (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004)."""
    a, b = (cv2.cvtColor(each[..., :3], cv2.COLOR_BGR2GRAY).astype(np.float32) for each in (picture, truth))
    mean_a, mean_b = _blurred(a), _blurred(b)
    spread_a = _blurred(a * a) - mean_a * mean_a
    spread_b = _blurred(b * b) - mean_b * mean_b
    both = _blurred(a * b) - mean_a * mean_b
    # ((2 μa μb + C1)(2 σab + C2)) / ((μa² + μb² + C1)(σa² + σb² + C2))
    above = (2 * mean_a * mean_b + _C1) * (2 * both + _C2)
    return float((above / ((mean_a**2 + mean_b**2 + _C1) * (spread_a + spread_b + _C2))).mean())


def _blurred(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values, _BLUR, _SIGMA)

"""Image similarity: PSNR and SSIM of two pictures, and of many frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import FloatArray, UInt8Array

_BLUR = (11, 11)
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True)
class LikenessSummary:
    """The similarity of frames to their reference.

    frames: all compared frames. differing: those with any different pixel. psnr_db: of the mean squared error of all
    frames; differing_psnr_db: of the differing ones; worst_psnr_db: of the worst one. differing_ssim, worst_ssim: mean
    and minimum of the differing ones. All None if every frame equals its reference.
    """

    frames: int
    differing: int
    psnr_db: float | None = None
    differing_psnr_db: float | None = None
    worst_psnr_db: float | None = None
    differing_ssim: float | None = None
    worst_ssim: float | None = None


class Likeness:
    """Accumulates comparisons of frames."""

    def __init__(self) -> None:
        self.errors: list[float] = []
        """Mean squared error of each frame, levels²."""
        self._ssim: list[float] = []

    def compare(self, picture: UInt8Array, truth: UInt8Array) -> None:
        """Add a pair of pictures of one size, (H, W, 3 or 4) uint8; alpha counts as a channel."""
        error = mean_squared_error(picture, truth)
        self.errors.append(error)
        if error:
            self._ssim.append(ssim(picture, truth))

    def summary(self) -> LikenessSummary:
        """Return the figures so far."""
        differing = [error for error in self.errors if error]
        if not differing:
            return LikenessSummary(frames=len(self.errors), differing=0)
        return LikenessSummary(
            frames=len(self.errors),
            differing=len(differing),
            psnr_db=psnr_of(float(np.mean(self.errors))),
            differing_psnr_db=psnr_of(float(np.mean(differing))),
            worst_psnr_db=psnr_of(max(differing)),
            differing_ssim=float(np.mean(self._ssim)),
            worst_ssim=min(self._ssim),
        )


def mean_squared_error(picture: UInt8Array, truth: UInt8Array) -> float:
    """Return the mean squared error in levels²."""
    difference = cv2.absdiff(picture, truth)
    return float(cv2.norm(difference, cv2.NORM_L2) ** 2 / difference.size)


def psnr_of(error: float) -> float:
    """Return the peak signal-to-noise ratio in dB of a mean squared error above 0."""
    return 10 * math.log10(255**2 / error)


def ssim(picture: UInt8Array, truth: UInt8Array) -> float:
    """Return the structural similarity of the luma (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004)."""
    a, b = (cv2.cvtColor(each[..., :3], cv2.COLOR_BGR2GRAY).astype(np.float32) for each in (picture, truth))
    mean_a, mean_b = _blurred(a), _blurred(b)
    spread_a = _blurred(a * a) - mean_a * mean_a
    spread_b = _blurred(b * b) - mean_b * mean_b
    both = _blurred(a * b) - mean_a * mean_b
    # ((2 μa μb + C1)(2 σab + C2)) / ((μa² + μb² + C1)(σa² + σb² + C2))
    above = (2 * mean_a * mean_b + _C1) * (2 * both + _C2)
    return float((above / ((mean_a**2 + mean_b**2 + _C1) * (spread_a + spread_b + _C2))).mean())


def _blurred(values: FloatArray) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(values, _BLUR, _SIGMA))

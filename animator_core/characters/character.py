"""A character: a still picture and where its face is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Character:
    """A picture that can be animated.

    name: file name in the library, for instance ``ada.png``. display_name: what the panel shows.
    picture: (H, W, 4) uint8 RGBA, straight alpha, sRGB. landmarks: (478, 3) float32 in pixels of the picture, as
    `FaceObservation.landmarks`. content_hash: hex digest of everything above, for caches.
    """

    name: str
    display_name: str
    picture: np.ndarray
    landmarks: np.ndarray
    content_hash: str

    @property
    def has_alpha(self) -> bool:
        """Whether any pixel is not opaque."""
        return bool((self.picture[..., 3] < 255).any())

"""A character: a still picture and its face's landmarks."""

from __future__ import annotations

from dataclasses import dataclass

from animator_core.arrays import FloatArray, UInt8Array


@dataclass(frozen=True)
class Character:
    """A picture that can be animated.

    name: file name in the library, for instance ``ada.png``. display_name: its name in the panel.
    picture: (H, W, 4) uint8 RGBA, straight alpha, sRGB. landmarks: (478, 3) float32 in pixels of the picture, as
    `FaceObservation.landmarks`. content_hash: hex digest of everything above, for caches.
    """

    name: str
    display_name: str
    picture: UInt8Array
    landmarks: FloatArray
    content_hash: str

    @property
    def has_alpha(self) -> bool:
        """Whether any pixel is not opaque."""
        return bool((self.picture[..., 3] < 255).any())

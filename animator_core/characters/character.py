"""A character: a still picture and its face's landmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.description import description_path
from animator_core.characters.face_quality import FaceWarning
from animator_core.characters.head_place import HeadPlace
from animator_core.characters.picture import fit_within
from animator_core.errors import NoFaceFound


@dataclass(frozen=True)
class Character:
    """A picture that can be animated.

    name: file name in the library, for instance ``ada.png``. display_name: its name in the panel.
    picture: (H, W, 4) uint8 RGBA, straight alpha, sRGB. landmarks: (478, 3) float32 in pixels of the picture, as
    `FaceObservation.landmarks`; None if no face was found. content_hash: hex digest of all that determines how it is
    drawn, for caches. head: its place for the anime networks, None if the description has none.
    renderer: the one that the description asks for, or "auto". path: its file, if it has one.
    warnings: what will look wrong when the face is animated, the worst first.
    """

    name: str
    display_name: str
    picture: UInt8Array
    landmarks: FloatArray | None
    content_hash: str
    head: HeadPlace | None = None
    renderer: str = "auto"
    path: Path | None = None
    warnings: tuple[FaceWarning, ...] = ()

    @property
    def has_alpha(self) -> bool:
        """Whether any pixel is not opaque."""
        return bool((self.picture[..., 3] < 255).any())

    def within(self, max_size: tuple[int, int], max_pixels: int | None = None) -> Character:
        """Return the character with its picture reduced as by `fit_within`; the content hash stays."""
        picture = fit_within(self.picture, max_size, max_pixels)
        if picture is self.picture:
            return self
        x, y = (picture.shape[axis] / self.picture.shape[axis] for axis in (1, 0))
        landmarks = self.landmarks
        if landmarks is not None:
            landmarks = landmarks * np.array([x, y, (x + y) / 2], np.float32)
            # Pixel centres, not corners, keep their place: (x + ½) · factor − ½.
            landmarks[:, :2] += (np.array([x, y], np.float32) - 1) / 2
        head = None if self.head is None else self.head.resized(x, y)
        return replace(self, picture=picture, landmarks=landmarks, head=head)

    def require_landmarks(self) -> FloatArray:
        """Return the landmarks, for renderers that cannot do without; raises NoFaceFound if there are none."""
        if self.landmarks is None:
            path = self.path or Path(self.name)
            raise NoFaceFound(
                f"no face found in {path}",
                "use a front-facing portrait, or show where the face of a drawing or an animal is with "
                f"`prepare --pick {path.name}`, which writes {description_path(path).name} beside it",
            )
        return self.landmarks

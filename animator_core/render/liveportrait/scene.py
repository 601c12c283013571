"""One character, ready to be drawn by the networks."""

from __future__ import annotations

import numpy as np
import torch

from animator_core.characters.character import Character
from animator_core.characters.features import CharacterFeatures
from animator_core.liveportrait.model import LivePortraitModel
from animator_core.render.liveportrait.matte import MovingMatte
from animator_core.render.paste_back import PasteBack
from animator_core.tracking.pose import fit_pose, with_true_depth


class Scene:
    """A character's features, and what carries a generated square back into its picture."""

    def __init__(self, character: Character, features: CharacterFeatures, model: LivePortraitModel) -> None:
        self.features = features
        self.source_motion = features.face_motion
        self._model = model
        self._paste_back = PasteBack(character.picture, features.crop_from_image, model.device)
        self._matte: MovingMatte | None = None
        if features.alpha is not None and features.plain_colour is not None:
            self._matte = MovingMatte(features.alpha, features.plain_colour, model.device)
        pose = fit_pose(with_true_depth(character.landmarks))
        pixels = pose.scale * abs(float(torch.linalg.det(torch.from_numpy(features.crop_from_image[:2, :2])))) ** 0.5
        self.units_of_face_size = pixels / 256.0
        """The face's size in units of the crop, which is 2 of them wide."""

    @property
    def nbytes(self) -> int:
        """How much memory of the device it takes."""
        return self.features.nbytes + self._paste_back.nbytes + (self._matte.nbytes if self._matte else 0)

    @torch.inference_mode()
    def draw(self, keypoints_driving: torch.Tensor) -> np.ndarray:
        """Return the picture with the keypoints at ``keypoints_driving``, (1, 21, 3); see `Renderer.render`."""
        assert self.features.features is not None
        painting = self._model.paint(self.features.features, keypoints_driving)
        if self._matte is None:
            return self._paste_back.paste(painting.picture)
        return self._paste_back.paste(*self._matte.cut(painting.picture, painting.deformation))

"""One character, ready to be drawn by the networks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from animator_core.arrays import UInt8Array
from animator_core.characters.character import Character
from animator_core.liveportrait.model import PortraitModel
from animator_core.liveportrait.source.features import CharacterFeatures, nbytes_of
from animator_core.liveportrait.source.paste_back import MovingMatte, PasteBack, PastedPart
from animator_core.motion.visible_change import magnification
from animator_core.tracking.pose import fit_pose, with_true_depth


class Scene:
    """The networks' input for a character, and the paste-back of their output into its picture.

    It never changes: all filters that show the character draw with the same scene, each into a frame of its own.
    Raises CharacterError for features of a model that keeps none.
    """

    def __init__(self, character: Character, features: CharacterFeatures, model: PortraitModel) -> None:
        self.source_motion = features.face_motion
        self._model = model
        self._source = model.prepare_warp(features.seen)
        self._paste_back = PasteBack(character.picture, features.crop_from_image, model.device)
        self._matte: MovingMatte | None = None
        if features.alpha is not None and features.plain_colour is not None:
            self._matte = MovingMatte(features.alpha, features.plain_colour, model.device)
        pose = fit_pose(with_true_depth(character.require_landmarks()))
        crop_pixels = abs(float(np.linalg.det(features.crop_from_image[:2, :2]))) ** 0.5
        self.magnification = magnification(1 / crop_pixels)
        """Ratio of shifts in the picture to shifts in the generated square, at least 1."""
        self.units_of_face_size = pose.scale * crop_pixels / 256.0
        """The face's size in units of the crop, which is 2 of them wide."""
        source = [each for each in vars(self._source).values() if isinstance(each, torch.Tensor)]
        self.nbytes = nbytes_of(source) + self._paste_back.nbytes + (self._matte.nbytes if self._matte else 0)
        """Memory of the device, in bytes."""

    def new_frame(self) -> UInt8Array:
        """Return the still picture, for `draw` to draw into; see `Renderer.render`."""
        return self._paste_back.new_frame()

    def draw(self, keypoints_driving: torch.Tensor, frame: UInt8Array) -> UInt8Array:
        """Return ``frame``, made by `new_frame`, with the keypoints at ``keypoints_driving``, (1, 21, 3)."""
        return next(self.draw_each(keypoints_driving, frame))

    def draw_each(self, keypoints_driving: torch.Tensor, frame: UInt8Array) -> Iterator[UInt8Array]:
        """Yield ``frame``, as `draw` does, for each of (B, 21, 3); the networks paint all of them at once."""
        painting = self._model.paint(self._source, keypoints_driving)
        squares = zip(torch.split(painting.picture, 1), torch.split(painting.deformation, 1))
        before: PastedPart | None = None
        for picture, deformation in squares:
            # The next picture is computed while this one is on its way.
            pasted = self._start(picture, deformation)
            if before is not None:
                before.put_into(frame)
                yield frame
            before = pasted
        if before is not None:
            before.put_into(frame)
            yield frame

    @torch.inference_mode()
    def _start(self, picture: torch.Tensor, deformation: torch.Tensor) -> PastedPart:
        if self._matte is None:
            return self._paste_back.start(picture, None)
        return self._paste_back.start(*self._matte.cut(picture, deformation))

"""The LivePortrait renderer: driving frame → motion → keypoints → picture."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict

import numpy as np
import torch

from animator_core.characters.character import Character
from animator_core.errors import CharacterError
from animator_core.liveportrait.cropping import FaceSquare
from animator_core.liveportrait.face_crop import DrivingCrop, crop_driving
from animator_core.liveportrait.face_motion import face_motion
from animator_core.liveportrait.live_motion import LiveMotion
from animator_core.liveportrait.model import LivePortraitModel, to_tensor
from animator_core.liveportrait.retargeting import EYE_KEYPOINTS, LIP_KEYPOINTS, ratio_tensors
from animator_core.motion.driving import DrivenFace, DrivingMotion
from animator_core.motion.visible_change import lids_and_lips
from animator_core.optimizer import InferenceOptimizer
from animator_core.render.contract import Placement
from animator_core.render.liveportrait.scene import Scene

_SCENE_BYTES = 200 << 20
"""Of characters that are ready to be drawn, features included; others are made again from their features."""

_KEYPOINT_TOLERANCE = torch.full((21, 1), 0.6 / 256)
_KEYPOINT_TOLERANCE[[*EYE_KEYPOINTS, *LIP_KEYPOINTS]] = 0.2 / 256
"""Pixels of the square of 512 by which a keypoint may be off, in the keypoints' units."""


class LivePortraitRenderer:
    """Draws a character by the networks (see `render.contract.Renderer`); one for each filter, the model is shared.

    While a face drives and its frame is there, the motion extractor looks at the frame. Without a frame (a recorded
    motion, nobody before the camera) pose and eyes follow the landmarks' motion instead; the mouth does not move yet.
    """

    name = "liveportrait"

    def __init__(
        self,
        model: LivePortraitModel,
        optimizer: InferenceOptimizer,
        device_name: str = "CPU",
        note: str = "",
        owner: object = None,
    ) -> None:
        """owner: what is to live as long as this renderer is used: the share in what all of them use."""
        self._owner = owner
        self.device = device_name
        self.note = note
        self.optimizer = optimizer
        self._model: LivePortraitModel | None = model
        self._scenes: OrderedDict[str, Scene] = OrderedDict()
        self._lock = threading.Lock()
        self._scene: Scene | None = None
        self._motion: LiveMotion | None = None
        self._crop = DrivingCrop()
        self._calibrations: int | None = None
        self._driven_ns = 0
        self._keypoints: torch.Tensor | None = None

    def prepare(self, character: Character) -> None:
        """Compute and keep what drawing ``character`` needs; raises CharacterError where it cannot be drawn."""
        self._scene_of(character)

    def set_character(self, character: Character) -> None:
        """Make ``character`` the one that `render` draws; the driver's neutral face is kept."""
        self._scene = self._scene_of(character)
        model = self._loaded()
        if self._motion is None:
            self._motion = LiveMotion(self._scene.source_motion, model.retargeters, model.options)
        else:
            self._motion.set_source(self._scene.source_motion)
        self._keypoints = None

    def place(self, motion: DrivingMotion, driving_frame: np.ndarray | None = None) -> Placement:
        """Return the keypoints of the character in ``motion``."""
        scene = self._scene
        if scene is None or self._motion is None:
            raise CharacterError("no character is set; choose one")
        face = motion.face
        if face is not None and driving_frame is not None and motion.captured_ns != self._driven_ns:
            self._keypoints = self._driven(self._motion, face, driving_frame, motion.captured_ns)
        elif face is None or not self._driven_ns or self._keypoints is None:
            self._keypoints = self._posed(self._motion, scene, motion)
        return Placement(_signature(self._keypoints, motion), self._keypoints)

    def draw(self, placement: Placement) -> np.ndarray:
        """Return the character: (H, W, 4) uint8 BGRA, premultiplied; reused by the next call."""
        if self._scene is None:
            raise CharacterError("no character is set; choose one")
        return self._scene.draw(placement.content)

    def render(self, motion: DrivingMotion, driving_frame: np.ndarray | None = None) -> np.ndarray:
        """Return the character in ``motion``, see `draw`."""
        return self.draw(self.place(motion, driving_frame))

    def close(self) -> None:
        """Let go of every character and of the model."""
        self._scenes.clear()
        self._scene = self._motion = self._model = self._owner = None

    def _driven(self, live: LiveMotion, face: DrivenFace, frame: np.ndarray, captured_ns: int) -> torch.Tensor:
        model = self._loaded()
        self._follow_choices(live, face, captured_ns)
        square = self._crop.update(face.landmarks, captured_ns)
        frame = np.ascontiguousarray(frame[:, ::-1]) if face.is_mirrored else frame
        driving = to_tensor(crop_driving(frame, square))
        seen = self.optimizer.driving_motion(model, driving, _in_square(face.landmarks, square))
        motion = face_motion(seen, *ratio_tensors(face.landmarks)).to("cpu")
        self._driven_ns = captured_ns
        return live.drive(self._crop.to_reference(motion), captured_ns)

    def _follow_choices(self, live: LiveMotion, face: DrivenFace, now_ns: int) -> None:
        options = dataclasses.replace(
            live.options,
            sensitivity_expression=face.sensitivity_expression,
            sensitivity_pose=face.sensitivity_pose,
            smoothing=face.smoothing,
        )
        if options != live.options:
            live.set_options(options, now_ns)
        if self._calibrations is not None and face.calibrations != self._calibrations:
            live.calibrate(now_ns)
            self.optimizer.forget_motions()
        self._calibrations = face.calibrations

    def _posed(self, live: LiveMotion, scene: Scene, motion: DrivingMotion) -> torch.Tensor:
        if self._driven_ns:
            # The head may be elsewhere when it is seen again.
            self._driven_ns = 0
            self._crop.recentre()
        shift = torch.from_numpy(np.asarray(motion.translation, np.float32)) * scene.units_of_face_size
        return live.idle(
            torch.from_numpy(np.asarray(motion.rotation, np.float32)),
            shift,
            float(motion.scale),
            torch.from_numpy(np.asarray(motion.eye_openness, np.float32)),
            motion.now_ns,
        )

    def _scene_of(self, character: Character) -> Scene:
        with self._lock:
            scene = self._scenes.get(character.content_hash)
        if scene is None:
            model = self._loaded()
            scene = Scene(character, self.optimizer.preprocess_character(character.name, character, model), model)
        with self._lock:
            self._scenes[character.content_hash] = scene
            self._scenes.move_to_end(character.content_hash)
            while len(self._scenes) > 1 and sum(each.nbytes for each in self._scenes.values()) > _SCENE_BYTES:
                self._scenes.popitem(last=False)
        return scene

    def _loaded(self) -> LivePortraitModel:
        if self._model is None:
            raise CharacterError("the renderer is closed; make another")
        return self._model


def _in_square(landmarks: np.ndarray, square: FaceSquare) -> np.ndarray:
    """Return landmarks in sides of the driving square, (478, 2)."""
    return np.asarray((landmarks[:, :2] - square.centre) / square.size + 0.5)


def _signature(keypoints: torch.Tensor, motion: DrivingMotion) -> np.ndarray:
    """Return what `Placement` describes: the deformation moves no point further than the keypoints moved.

    How far a lid or a lip moves with its keypoint is another matter, so theirs is asked of the landmarks as well.
    """
    shifts = (keypoints / _KEYPOINT_TOLERANCE).flatten().numpy()
    return np.concatenate((shifts, lids_and_lips(motion)), dtype=np.float32)

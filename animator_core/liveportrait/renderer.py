"""The LivePortrait renderer: driving frame → motion → keypoints → picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch

from animator_core.characters.character import Character
from animator_core.errors import AnimatorError, CharacterError, ModelError
from animator_core.liveportrait.execution.device_errors import device_errors_as, release_memory
from animator_core.liveportrait.model import PortraitModel, to_tensor
from animator_core.liveportrait.motion.calmest import neutral_of_clip
from animator_core.liveportrait.motion.crop import DRIVING_CROP_SIZE
from animator_core.liveportrait.motion.driving_view import DrivingView, DrivingViews
from animator_core.liveportrait.motion.face_motion import FaceMotion, face_motion
from animator_core.liveportrait.motion.kept_face import RecentViews, from_arrays, mirrored, to_arrays
from animator_core.liveportrait.motion.landmarks import landmark_motion
from animator_core.liveportrait.motion.live_motion import LiveMotion
from animator_core.liveportrait.motion.motion_cache import MotionCache
from animator_core.liveportrait.motion.replay import template_keypoints
from animator_core.liveportrait.motion.retargeting import EYE_KEYPOINTS, LIP_KEYPOINTS
from animator_core.liveportrait.motion.template import MotionTemplate
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.source.scene import Scene
from animator_core.liveportrait.source.scene_cache import SceneCache
from animator_core.motion.driving import DrivenFace, DrivenFrame, DrivingMotion
from animator_core.motion.visible_change import lids_and_lips
from animator_core.rendering.contract import Placement

_KEYPOINT_TOLERANCE = torch.full((21, 1), 0.6 / 256)
_KEYPOINT_TOLERANCE[[*EYE_KEYPOINTS, *LIP_KEYPOINTS]] = 0.2 / 256
"""Pixels of the square of 512 by which a keypoint may be off, in the keypoints' units."""


class LivePortraitRenderer:
    """Draws a character by the networks (see `render.contract.Renderer`); one for each filter, the model is shared.

    While a face drives and its frame is there, the motion extractor looks at the frame. Without a frame (a recorded
    landmark motion, nobody before the camera) the character follows what the landmarks tell, see `LandmarkMotion`.
    """

    name = "liveportrait"

    def __init__(
        self,
        model: PortraitModel,
        scenes: SceneCache | None = None,
        *,
        device_name: str = "CPU",
        note: AnimatorError | None = None,
        owner: object = None,
        motion_cache: MotionCache[KeypointMotion] | None = None,
    ) -> None:
        """scenes: the characters that all renderers share. owner: lives as long as this renderer is used."""
        self._owner = owner
        self.device = device_name
        self.note = note
        self.motion_cache = motion_cache
        self._model: PortraitModel | None = model
        self._scenes: SceneCache | None = scenes or SceneCache(model)
        self._scene: Scene | None = None
        self._frame = np.zeros((1, 1, 4), np.uint8)
        self._motion: LiveMotion | None = None
        self._views = DrivingViews()
        self._calibrations: int | None = None
        self._is_mirrored: bool | None = None
        self._recent_views = RecentViews()
        self._neutral_pixels: np.ndarray | None = None
        self._neutral: FaceMotion | None = None
        self._given: Mapping[str, np.ndarray] = {}
        self.neutral: Mapping[str, np.ndarray] = {}
        self._driven_ns = 0
        self._keypoints: torch.Tensor | None = None

    @property
    def model(self) -> PortraitModel:
        """The networks, which all filters share."""
        return self._loaded()

    @property
    def scenes(self) -> SceneCache:
        """The characters that are ready to be drawn, which all filters share."""
        if self._scenes is None:
            raise CharacterError("the renderer is closed", "make another")
        return self._scenes

    def prepare(self, character: Character) -> None:
        """Compute and keep what drawing ``character`` needs; raises CharacterError where it cannot be drawn."""
        self._scene_of(character)

    def set_character(self, character: Character) -> None:
        """Make ``character`` the one that `render` draws; the driver's neutral face is kept."""
        self._scene = self._scene_of(character)
        self._frame = self._scene.new_frame()
        model = self._loaded()
        if self._motion is None:
            self._motion = LiveMotion(self._scene.source_motion, model.retargeters, model.options)
            self.set_neutral(self._given)
        else:
            self._motion.set_source(self._scene.source_motion)
        self._keypoints = None

    def place(self, motion: DrivingMotion, driving_frame: np.ndarray | None = None) -> Placement:
        """Return the keypoints of the character in ``motion``; raises ModelError where the device fails."""
        scene = self._scene
        if scene is None or self._motion is None:
            raise CharacterError("no character is set", "choose one")
        face = motion.face
        if face is not None and driving_frame is not None and motion.captured_ns != self._driven_ns:
            driven = DrivenFrame(face, driving_frame, motion.captured_ns)
            with self._device_errors():
                self._keypoints = self._driven(self._motion, driven)
        elif face is None or not self._driven_ns or self._keypoints is None:
            self._keypoints = self._posed(self._motion, scene, motion)
        return Placement(_signature(self._keypoints, motion, scene.magnification), self._keypoints)

    def draw(self, placement: Placement) -> np.ndarray:
        """Return the character: (H, W, 4) uint8 BGRA, premultiplied; reused by the next call.

        Raises ModelError where the device fails.
        """
        if self._scene is None:
            raise CharacterError("no character is set", "choose one")
        with self._device_errors():
            return self._scene.draw(placement.content, self._frame)

    def render(self, motion: DrivingMotion, driving_frame: np.ndarray | None = None) -> np.ndarray:
        """Return the character in ``motion``, see `draw`."""
        return self.draw(self.place(motion, driving_frame))

    def draw_each(self, placements: Sequence[Placement]) -> Iterator[np.ndarray]:
        """Yield the character at each placement, as `draw` returns it; the networks paint all of them at once.

        Raises ModelError where the device's memory is too small for so many.
        """
        if self._scene is None:
            raise CharacterError("no character is set", "choose one")
        try:
            yield from self._scene.draw_each(torch.cat([each.content for each in placements]), self._frame)
        except torch.cuda.OutOfMemoryError as exc:
            raise ModelError(
                f"{self.device} has no memory for {len(placements)} frames at once", "lower compute.batch_size"
            ) from exc

    def replay(self, template: MotionTemplate) -> list[Placement]:
        """Return the character's place in every frame of a recorded motion; raises MotionError for what it lacks."""
        if self._scene is None:
            raise CharacterError("no character is set", "choose one")
        model = self._loaded()
        keypoints = template_keypoints(template, self._scene.source_motion, model.retargeters, model.options)
        magnification = self._scene.magnification
        return [Placement(_signature(each, DrivingMotion(), magnification), each) for each in keypoints.split(1)]

    def calibrate_from(self, beginning: Sequence[DrivenFrame]) -> None:
        """Take the driver's neutral face from a clip's beginning, before its first frame is rendered."""
        live = self._motion
        if live is None:
            raise CharacterError("no character is set", "choose one")
        if beginning:
            moments = [each.captured_ns for each in beginning]
            live.set_neutral(neutral_of_clip([self._seen(each) for each in beginning], moments), moments[0])
            self._views.recentre()

    def warm_up(self) -> None:
        """Extract a motion, of nobody, and draw a frame; see `Renderer.warm_up`. Raises ModelError."""
        model = self._loaded()
        with self._device_errors():
            model.extract_motion(torch.full((1, 3, DRIVING_CROP_SIZE, DRIVING_CROP_SIZE), 0.5))
        self.render(DrivingMotion())

    def set_neutral(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the driver's neutral face that ``neutral`` of another renderer was; nothing where it is none."""
        self._given = arrays
        found = from_arrays(arrays)
        if self._motion is None or found is None:
            return
        neutral, self._views.reference, self._is_mirrored = found
        self._motion.set_neutral(neutral, 0)
        self._neutral, self._neutral_pixels, self.neutral = neutral, None, arrays

    def close(self) -> None:
        """Let go of every character and of the model; the last renderer frees the device's memory."""
        model, self._model = self._model, None
        self._scene = self._scenes = self._motion = self._owner = None
        if model is not None:
            device = model.device
            del model
            release_memory(device)

    def _driven(self, live: LiveMotion, driven: DrivenFrame) -> torch.Tensor:
        self._follow_choices(live, driven.face, driven.captured_ns)
        self._follow_mirror(live, driven)
        view = self._view(driven)
        seen = self._motion_in(view)
        self._recent_views.add(view, seen, driven.captured_ns)
        self._driven_ns = driven.captured_ns
        keypoints = live.drive(seen, driven.captured_ns)
        if live.neutral is not self._neutral:
            self._note_neutral(live.neutral)
        return keypoints

    def _note_neutral(self, neutral: FaceMotion | None) -> None:
        """Keep what another renderer, and this one in the mirror, has to know of a new neutral face."""
        self._neutral, self.neutral, self._neutral_pixels = neutral, {}, None
        reference = self._views.reference
        if neutral is not None and reference is not None:
            self.neutral = to_arrays(neutral, reference, bool(self._is_mirrored))
            self._neutral_pixels = self._recent_views.nearest(neutral)

    def _follow_mirror(self, live: LiveMotion, driven: DrivenFrame) -> None:
        """Mirror the neutral face with the frames; one of which no picture is left is found anew."""
        was_mirrored, self._is_mirrored = self._is_mirrored, driven.face.is_mirrored
        if was_mirrored is None or was_mirrored == self._is_mirrored:
            return
        self._views.mirror(driven.frame.shape[1])
        neutral, pixels = live.neutral, self._neutral_pixels
        self._recent_views.clear()
        self._forget_motions()
        live.forget()
        if neutral is None or pixels is None:
            return
        neutral = mirrored(neutral, pixels, self._extracted)
        live.set_neutral(neutral, driven.captured_ns)
        self._note_neutral(neutral)
        self._neutral_pixels = np.ascontiguousarray(pixels[:, ::-1])

    def _extracted(self, pixels: np.ndarray) -> FaceMotion:
        return face_motion(self._loaded().extract_motion(to_tensor(pixels))).to("cpu")

    def _seen(self, driven: DrivenFrame) -> FaceMotion:
        return self._motion_in(self._view(driven))

    def _view(self, driven: DrivenFrame) -> DrivingView:
        return self._views.look(driven.frame, driven.face.landmarks, driven.captured_ns, driven.face.is_mirrored)

    def _motion_in(self, view: DrivingView) -> FaceMotion:
        model, cache = self._loaded(), self.motion_cache
        if cache is None:
            return view.motion(model.extract_motion(to_tensor(view.pixels)))
        known = cache.get_or_make(view.landmarks_in_square, lambda: model.extract_motion(to_tensor(view.pixels)))
        return view.motion(known)

    def _forget_motions(self) -> None:
        if self.motion_cache is not None:
            self.motion_cache.clear()

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
            self._forget_motions()
        self._calibrations = face.calibrations

    def _posed(self, live: LiveMotion, scene: Scene, motion: DrivingMotion) -> torch.Tensor:
        if self._driven_ns:
            # The head may be elsewhere when it is seen again.
            self._driven_ns = 0
            self._views.recentre()
        return live.follow(landmark_motion(motion, scene.units_of_face_size), motion.now_ns)

    def _scene_of(self, character: Character) -> Scene:
        with self._device_errors():
            return self.scenes.scene(character)

    def _device_errors(self) -> AbstractContextManager[None]:
        what, remedy = f"{self.device} failed while LivePortrait used it", "close other programs that use it"
        return device_errors_as(what, remedy, self._loaded().device)

    def _loaded(self) -> PortraitModel:
        if self._model is None:
            raise CharacterError("the renderer is closed", "make another")
        return self._model


def _signature(keypoints: torch.Tensor, motion: DrivingMotion, magnification: float = 1.0) -> np.ndarray:
    """Return what `Placement` describes: the deformation moves no point further than the keypoints moved.

    How far a lid or a lip moves with its keypoint is another matter, so theirs is asked of the landmarks as well.
    """
    shifts = (keypoints / _KEYPOINT_TOLERANCE).flatten().numpy()
    return np.concatenate((shifts, lids_and_lips(motion)), dtype=np.float32) * np.float32(magnification)

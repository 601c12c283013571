"""LivePortrait's driver: the face in the driving frame, or landmarks alone, to keypoints of the character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.ipc.face_settings import STRENGTHS, FaceSettings
from animator_core.liveportrait.model import to_tensor
from animator_core.liveportrait.motion.crop import DrivingView, DrivingViews, RecentViews
from animator_core.liveportrait.motion.emote import PlayedEmote
from animator_core.liveportrait.motion.face_motion import FaceMotion, face_motion
from animator_core.liveportrait.motion.landmark_motion import landmark_motion
from animator_core.liveportrait.motion.neutral_face import (
    from_arrays,
    mirrored,
    new_calibration,
    to_arrays,
)
from animator_core.liveportrait.motion.retargeting import EYE_KEYPOINTS, LIP_KEYPOINTS
from animator_core.liveportrait.motion.transfer import LiveMotion
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.motion.calibration import Calibration
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.emotes.channels import PARTS
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.face_state import NeutralPose
from animator_core.motion.face_state import mirrored as mirrored_observation
from animator_core.motion.options import MotionOptions
from animator_core.motion.visible_change import lids_and_lips
from animator_core.rendering.contract import Placement
from animator_core.tracking.observation import FaceObservation, TrackedFrame

if TYPE_CHECKING:
    from animator_core.liveportrait.renderer import LivePortraitRenderer
    from animator_core.liveportrait.source.scene import Scene

_KEYPOINT_TOLERANCE = torch.full((21, 1), 0.6 / 256)
_KEYPOINT_TOLERANCE[[*EYE_KEYPOINTS, *LIP_KEYPOINTS]] = 0.2 / 256
"""Pixels of the square of 512 by which a keypoint may be off, in the keypoints' units."""


class LivePortraitDriver:
    """Drives LivePortrait; see `rendering.contract.Driver`.

    The motion extractor looks at every driving frame with a face. Without a frame (a recorded landmark motion, nobody
    on camera) the character follows the estimator's landmarks, see `LandmarkMotion`.
    """

    def __init__(self, renderer: LivePortraitRenderer, estimator: MotionEstimator) -> None:
        model = renderer.model
        self._renderer, self._estimator = renderer, estimator
        self._live = LiveMotion(None, model.retargeters, _with_settings(model.options, estimator.settings))
        self._views = DrivingViews()
        self._recent_views = RecentViews()
        self._motion = DrivingMotion()
        self._scene: Scene | None = None
        self._keypoints: torch.Tensor | None = None
        self._driven_ns = self._now_ns = 0
        self._is_mirrored: bool | None = None
        """Of the frames that the neutral face is of; None before the first."""
        self._neutral_pixels: UInt8Array | None = None
        """The crop of the neutral face, to be looked at in the mirror."""
        self._noted: tuple[NeutralPose | None, FaceMotion | None] = (None, None)
        self._face_arrays: Mapping[str, FloatArray] = {}
        self.neutral: Mapping[str, FloatArray] = {}

    def set_neutral(self, arrays: Mapping[str, FloatArray]) -> None:
        """Take the driver's neutral face that another LivePortrait saw; nothing if there is none."""
        found = from_arrays(arrays)
        if found is not None:
            neutral, self._views.reference, self._is_mirrored = found
            self._live.set_neutral(neutral)
            self._note_neutral()

    def set_settings(self, settings: FaceSettings) -> None:
        """Take other settings; the neutral face is mirrored with the next driving frame."""
        self._estimator.set_settings(settings)
        options = _with_settings(self._live.options, settings)
        if options != self._live.options:
            self._live.set_options(options)

    def calibrate(self) -> None:
        """Make the present moment the neutral face; without a face, the next calm second."""
        self._estimator.calibrate()
        self._live.calibrate()
        self._forget_motions()
        self._note_neutral()

    def forget_neutral(self) -> None:
        """Find the neutral face anew."""
        self._estimator.forget_neutral()
        self._live.forget()
        self._forget_motions()
        self._note_neutral()

    def calibrate_from(self, faces: Iterable[TrackedFrame]) -> None:
        """Find the neutral face in the faces of a clip."""
        search = new_calibration()
        self._estimator.calibrate_from(self._searched(faces, search))
        neutral = search.so_far()
        if neutral is not None:
            self._live.set_neutral(neutral)
            self._views.recentre()

    def _searched(
        self, faces: Iterable[TrackedFrame], search: Calibration[FaceMotion, FaceMotion]
    ) -> Iterator[FaceObservation]:
        """Yield the faces' observations, and search their pictures until a calm second is found."""
        is_found = False
        for each in faces:
            if each.observation is None:
                continue
            if each.frame is not None and not is_found:
                motion = self._motion_in(self._view(each.observation, each.frame))
                is_found = search.watch(motion, each.observation.captured_ns) is not None
            yield each.observation

    def face_lost(self, now_ns: int) -> None:
        """Tell that no face is seen."""
        self._estimator.face_lost(now_ns)

    def place(self, tracked: TrackedFrame | None, now_ns: int) -> Placement:
        """Return the character at ``now_ns``; raises ModelError if the device fails."""
        scene = self._follow_scene()
        self._motion, self._now_ns = self._estimator.follow(tracked, now_ns), now_ns
        observation, frame = (tracked.observation, tracked.frame) if tracked is not None else (None, None)
        if observation is not None and frame is not None and observation.captured_ns != self._driven_ns:
            with self._renderer.device_errors():
                self._keypoints = self._drive(observation, frame, self._emote(scene))
        elif not self._estimator.has_face or not self._driven_ns or self._keypoints is None:
            self._keypoints = self._follow_landmarks(scene)
        self._note_neutral()
        return self._placement(self._keypoints, scene)

    def place_again(self) -> Placement:
        """Return the last motion of the character that is set now."""
        scene = self._follow_scene()
        if self._keypoints is None:
            self._keypoints = self._follow_landmarks(scene)
        return self._placement(self._keypoints, scene)

    def _follow_scene(self) -> Scene:
        scene = self._renderer.scene
        if scene is not self._scene:
            self._live.set_source(scene.source_motion)
            self._scene, self._keypoints = scene, None
        return scene

    def _placement(self, keypoints: torch.Tensor, scene: Scene) -> Placement:
        found = signature(keypoints, self._motion, scene.magnification)
        return Placement(found, keypoints, self._motion.captured_ns)

    def _emote(self, scene: Scene) -> PlayedEmote | None:
        """Return the emote that the estimator plays now: the motion extractor sees nothing of it."""
        moment = self._estimator.emotes.moment
        if moment is None:
            return None
        added = landmark_motion(moment.alone, scene.units_of_face_size)
        left = dict(zip(PARTS, moment.live.tolist()))
        return PlayedEmote(added, **{part: left[part] for part in ("head", "eyes", "brows", "mouth")})

    def _drive(self, observation: FaceObservation, frame: UInt8Array, emote: PlayedEmote | None) -> torch.Tensor:
        self._follow_mirror(frame.shape[1])
        view = self._view(observation, frame)
        seen = self._motion_in(view)
        self._recent_views.add(view, seen, observation.captured_ns)
        self._driven_ns = observation.captured_ns
        return self._live.drive(seen, observation.captured_ns, emote)

    def _follow_landmarks(self, scene: Scene) -> torch.Tensor:
        if self._driven_ns:
            # The head may be elsewhere when it is seen again.
            self._driven_ns = 0
            self._views.recentre()
        return self._live.follow(landmark_motion(self._motion, scene.units_of_face_size), self._now_ns)

    def _follow_mirror(self, frame_width: int) -> None:
        """Mirror the neutral face with the frames; one of which no picture is left is found anew."""
        was_mirrored, self._is_mirrored = self._is_mirrored, self._estimator.settings.mirror
        if was_mirrored is None or was_mirrored == self._is_mirrored:
            return
        self._views.mirror(frame_width)
        neutral, pixels = self._live.neutral, self._neutral_pixels
        self._recent_views.clear()
        self._forget_motions()
        self._live.forget()
        if neutral is None or pixels is None:
            return
        self._live.set_neutral(mirrored(neutral, pixels, self._face_in))
        self._note_neutral()
        self._neutral_pixels = np.ascontiguousarray(pixels[:, ::-1])

    def _note_neutral(self) -> None:
        """Keep ``neutral``, and the crop of the neutral face, up to date."""
        found = (self._estimator.neutral, self._live.neutral)
        if found[0] is self._noted[0] and found[1] is self._noted[1]:
            return
        pose, face = found
        if face is not self._noted[1]:
            reference = self._views.reference
            self._face_arrays, self._neutral_pixels = {}, None
            if face is not None and reference is not None:
                self._face_arrays = to_arrays(face, reference, bool(self._is_mirrored))
                self._neutral_pixels = self._recent_views.nearest(face)
        self._noted = found
        self.neutral = {**(pose.arrays if pose is not None else {}), **self._face_arrays}

    def _view(self, observation: FaceObservation, frame: UInt8Array) -> DrivingView:
        is_mirrored = self._estimator.settings.mirror
        seen = mirrored_observation(observation) if is_mirrored else observation
        return self._views.look(frame, seen.landmarks, captured_ns=observation.captured_ns, is_mirrored=is_mirrored)

    def _motion_in(self, view: DrivingView) -> FaceMotion:
        cache = self._renderer.motion_cache
        if cache is None:
            return view.motion(self._extracted(view.pixels))
        return view.motion(cache.get_or_make(view.landmarks_in_square, lambda: self._extracted(view.pixels)))

    def _extracted(self, pixels: UInt8Array) -> KeypointMotion:
        return self._renderer.model.extract_motion(to_tensor(pixels))

    def _face_in(self, pixels: UInt8Array) -> FaceMotion:
        return face_motion(self._extracted(pixels)).to("cpu")

    def _forget_motions(self) -> None:
        if self._renderer.motion_cache is not None:
            self._renderer.motion_cache.clear()


def signature(keypoints: torch.Tensor, motion: DrivingMotion, magnification: float = 1.0) -> FloatArray:
    """Return the `Placement.signature` of keypoints: the deformation moves no point further than the keypoints moved.

    How far a lid or a lip moves with its keypoint is another matter, so theirs is asked of the landmarks as well.
    """
    shifts = (keypoints / _KEYPOINT_TOLERANCE).flatten().numpy()
    return np.concatenate((shifts, lids_and_lips(motion)), dtype=np.float32) * np.float32(magnification)


def _with_settings(options: MotionOptions, settings: FaceSettings) -> MotionOptions:
    return replace(
        options,
        smoothing=settings.smoothing,
        **{name: getattr(settings, name) for name in STRENGTHS},
    )

"""The warp renderer: skin as a mesh over a grid that follows the head, eyes and mouth behind their openings."""

from __future__ import annotations

from typing import Callable

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.errors import AnimatorError, CharacterError
from animator_core.lru import LruCache
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.visible_change import signature
from animator_core.rendering.contract import Placement
from animator_core.tracking.face_model import FACE_OVAL, INNER_LIPS, face_model
from animator_core.tracking.pose import HeadPose, fit_pose, with_true_depth
from animator_core.warp.canvas import WarpCanvas
from animator_core.warp.depth_map import DepthMap
from animator_core.warp.driver import LandmarkDriver
from animator_core.warp.eyes import Eyes
from animator_core.warp.eyes import closing_triangles as eye_triangles
from animator_core.warp.face_shape import FaceShape
from animator_core.warp.head import HeadGrid, moved_pose
from animator_core.warp.layers import separate
from animator_core.warp.mouth import Mouth, closing_triangles
from animator_core.warp.mouth_corners import with_line_ends

_KEPT_CHARACTERS = 32
_MIN_FACE_PIXELS = 24
_FEATHER = 0.09
"""Width in face units over which the face's mesh takes over from the grid around it."""


class WarpRenderer:
    """Draws a character on the CPU (see `rendering.contract.Renderer`)."""

    name = "warp"
    is_computing = False
    device = "CPU"

    def __init__(self, note: AnimatorError | None = None) -> None:
        self.note = note
        self._prepared: LruCache[str, _Puppet] = LruCache(_KEPT_CHARACTERS)
        self._puppet: _Puppet | None = None

    def create_driver(self, estimator: MotionEstimator) -> LandmarkDriver:
        """Return a driver for the person that ``estimator`` follows."""
        return LandmarkDriver(self, estimator)

    def prepare(self, character: Character) -> None:
        """Compute and keep everything that drawing ``character`` needs; raises CharacterError if it cannot be drawn."""
        self._puppet_of(character)

    def set_character(self, character: Character) -> None:
        """Draw ``character`` from now on; raises CharacterError if it cannot be drawn."""
        self._puppet = self._puppet_of(character)

    def place(self, motion: DrivingMotion) -> Placement:
        """Return the character in ``motion``, to be drawn; raises CharacterError if none is set."""
        if self._puppet is None:
            raise CharacterError("no character is set", "choose one")
        return Placement(signature(motion, self._puppet.face_pixels), motion, motion.captured_ns)

    def draw(self, placement: Placement) -> UInt8Array:
        """Return the character: (H, W, 4) uint8 BGRA, premultiplied, read-only; the next call changes it."""
        if self._puppet is None:
            raise CharacterError("no character is set", "choose one")
        return self._puppet.draw(placement.content)

    def render(self, motion: DrivingMotion) -> UInt8Array:
        """Return the character in ``motion``, see `draw`."""
        return self.draw(self.place(motion))

    def landmarks(self, placement: Placement) -> FloatArray:
        """Return where the character's landmarks are drawn, (478, 3) float32 pixels, the lids as in the picture."""
        if self._puppet is None:
            raise CharacterError("no character is set", "choose one")
        return self._puppet.posed(placement.content)[2]

    def settled(self, report: Callable[[float], None]) -> WarpRenderer:
        """Return itself: `set_character` computes everything."""
        return self

    def warm_up(self) -> None:
        """Draw a frame; see `Renderer.warm_up`."""
        self.render(DrivingMotion())

    def close(self) -> None:
        """Forget every character."""
        self._prepared.clear()
        self._puppet = None

    def _puppet_of(self, character: Character) -> _Puppet:
        return self._prepared.get_or_make(character.content_hash, lambda: _Puppet(character))


class _Puppet:
    """One character, ready to be drawn."""

    def __init__(self, character: Character) -> None:
        opaque = np.ascontiguousarray(character.picture[..., 2::-1])
        landmarks = with_line_ends(opaque, with_true_depth(character.require_landmarks().astype(np.float32)))
        self._pose = fit_pose(landmarks)
        if self._pose.scale < _MIN_FACE_PIXELS:
            raise CharacterError(
                f"the face in {character.name} is only {self._pose.scale:.0f} pixels high", "use a larger picture"
            )
        layers = separate(character.picture, landmarks, self._pose.scale)
        self._depth = DepthMap(landmarks, self._pose)
        self._relief, self._flattening = self._depth.face(landmarks)
        shape = self._pose.to_head(landmarks)
        self._shape = FaceShape(shape)
        self._head_grid = HeadGrid(layers, landmarks, shape=shape, depth=self._depth)
        self._triangles = np.concatenate([face_model().triangles, eye_triangles(), closing_triangles()])
        self._eyes = Eyes(opaque, landmarks, self._pose)
        self._mouth = Mouth(opaque, landmarks, self._pose)
        self._canvas = WarpCanvas(
            layers,
            self._head_grid,
            landmarks=np.ascontiguousarray(landmarks[:, :2]),
            weight=_feather(shape) * _inside(landmarks, character.picture.shape, self._pose.scale),
        )

    @property
    def face_pixels(self) -> float:
        """The face's size in the picture."""
        return self._pose.scale

    def placed(self, pose: HeadPose, bent: FloatArray) -> FloatArray:
        """Return the landmarks, (478, 3) pixels, of the shape ``bent`` in ``pose``."""
        return pose.to_frame(bent + self._relief + self._depth.turn_share(pose) * self._flattening)

    def posed(self, motion: DrivingMotion) -> tuple[HeadPose, FloatArray, FloatArray]:
        """Return the head's pose, its shape in its own axes and in the frame, (478, 3) each."""
        pose = moved_pose(self._pose, motion, self._head_grid.limits)
        bent = self._shape.bent(motion)
        return pose, bent, self.placed(pose, bent)

    def draw(self, motion: DrivingMotion) -> UInt8Array:
        pose, bent, placed = self.posed(motion)
        # Far triangles first, so that the nose covers the cheek behind it.
        depth = placed[self._triangles, 2].sum(1)
        # What closes the mouth lies behind its lips, however they fold.
        depth[-len(closing_triangles()) :] = np.inf
        order = np.argsort(-depth, kind="stable")
        points = np.ascontiguousarray(placed[:, :2])
        moved = self._head_grid.moved(pose, bent, motion)
        window = self._canvas.paint(
            moved, points, face_triangles=self._triangles[order], also=self._eyes.bounds(points)
        )
        # Everything else is drawn in the window's own pixels, and so cannot leave it.
        corner = np.array([window.left, window.top], np.float32)
        points -= corner
        shifted = HeadPose(pose.rotation, pose.translation - np.array([*corner, 0], np.float32), pose.scale)
        # Teeth keep to their lips.
        lips = list(INNER_LIPS)
        beside = (placed[lips] - pose.to_frame(bent[lips])).mean(0)
        mouth_pose = HeadPose(pose.rotation, shifted.translation + beside, pose.scale)
        self._mouth.draw(window.frame, points, pose=mouth_pose, bent=bent)
        self._eyes.draw(window, points, motion)
        return self._canvas.frame


def _feather(shape: FloatArray) -> FloatArray:
    """Return (478,) float32: 0 on the face's outline, the border of mesh and grid, rising to 1 further in."""
    distance = np.linalg.norm(shape[:, None, :2] - shape[None, list(FACE_OVAL), :2], axis=2).min(1)
    return np.asarray(np.clip(distance / _FEATHER, 0, 1), np.float32)


def _inside(landmarks: FloatArray, shape: tuple[int, ...], face_size: float) -> FloatArray:
    """Return (478,) float32: 0 on and beyond the picture's edges, of which the mesh has no pixels, rising to 1."""
    room = np.minimum(landmarks[:, :2], np.array(shape[1::-1], np.float32) - 1 - landmarks[:, :2]).min(1)
    return np.asarray(np.clip(room / (_FEATHER * face_size), 0, 1), np.float32)

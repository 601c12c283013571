"""The head: its pose within limits, and the grid that carries all around the face along."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import euler_angles, rotation_from_euler
from animator_core.smoothstep import smoothstep
from animator_core.tracking.face_model import CHIN, FACE_OVAL
from animator_core.tracking.pose import HeadPose
from animator_core.warp.body import NOT_OVER_STILL_TORSO, Torso, head_share
from animator_core.warp.depth_map import DepthMap
from animator_core.warp.layers import Layers
from animator_core.warp.turn_limits import limited_turn, soft_limit

_MOST_ROLL = 32.0
_MOST_SHIFT = 0.3
_MOST_SCALE_LOG = 0.22

_GRID_CELLS = 44
_RIGID_ABOVE, _RIGID_ASIDE, _RIGID_BELOW = 0.42, 0.25, 0.02
_FADE_ABOVE, _FADE_ASIDE, _FADE_BELOW = 0.55, 0.75, 0.8
_OVAL_REACH = 0.16
_BREATH_LIFT = 0.012
_ROOM_WITH_HAIR, _LEAST_ROOM_WITH_HAIR = 0.55, 0.06
_ROOM_OF_FACE, _LEAST_ROOM_OF_FACE = 0.9, 0.15
"""The largest shift as a share of the room around the face, and in face sizes if there is hardly any room."""


@dataclass(frozen=True)
class HeadLimits:
    """Room around the head in the picture, in face sizes; the largest shift in each direction."""

    left: float
    right: float
    up: float
    down: float


def moved_pose(source: HeadPose, motion: DrivingMotion, limits: HeadLimits) -> HeadPose:
    """Return the pose of a head that is ``source`` in its picture, moved by ``motion`` within ``limits``."""
    yaw, pitch, roll = euler_angles(motion.rotation)
    own_yaw, own_pitch, own_roll = euler_angles(source.rotation)
    yaw, pitch = limited_turn(yaw, pitch, own_yaw=own_yaw, own_pitch=own_pitch)
    roll = own_roll + soft_limit(roll, _MOST_ROLL)
    shift_x = soft_limit(
        float(motion.translation[0]), min(_MOST_SHIFT, limits.left if motion.translation[0] < 0 else limits.right)
    )
    shift_y = soft_limit(
        float(motion.translation[1]), min(_MOST_SHIFT, limits.up if motion.translation[1] < 0 else limits.down)
    )
    scale = float(np.exp(soft_limit(float(np.log(motion.scale)), _MOST_SCALE_LOG)))
    shift = np.array([shift_x, shift_y, 0.0], np.float32) * source.scale
    # Over a torso that keeps still, the neck must not be stretched or crushed more than over one that follows.
    shift[:2] *= 1 - (1 - motion.torso) * NOT_OVER_STILL_TORSO
    return HeadPose(
        rotation_from_euler(own_yaw + yaw, own_pitch + pitch, roll), source.translation + shift, source.scale * scale
    )


class HeadGrid:
    """A deformation grid over one character's picture.

    nodes: (rows * columns, 2) float32 pixels, row by row. limits: the room for head motion. face_size: pixels of a
    face unit.
    """

    def __init__(self, layers: Layers, landmarks: FloatArray, shape: FloatArray, depth: DepthMap) -> None:
        """landmarks: (478, 3) pixels. shape: the same in face units."""
        pose = depth.pose
        height, width = layers.person.shape[:2]
        step = max(width, height) / _GRID_CELLS
        columns, rows = max(2, round(width / step) + 1), max(2, round(height / step) + 1)
        x, y = np.meshgrid(np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows))
        self.nodes = np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)
        self.rows, self.columns = rows, columns
        self.face_size = pose.scale
        self._landmarks = landmarks
        oval = np.array(FACE_OVAL)
        outside = _distance_outside(self.nodes, landmarks[oval, :2]) / pose.scale
        direction = self._share_below(landmarks)
        self._depth = depth
        self._shape, self._flattening = depth.placed(self.nodes)
        below_chin = self._shape[:, 1] - shape[CHIN, 1]
        self._torso = Torso(pose, landmarks) if layers.is_separate else None
        self._bounds = None if layers.is_separate else _bounds(self.nodes, (height, width))
        if layers.is_separate:
            hold, follow = np.ones(len(self.nodes)), head_share(below_chin, outside, direction)
        else:
            # The background is in this grid too: it and the picture's edges stay where they are.
            hold = _border_hold(self.nodes, (height, width), pose.scale)
            follow = _follow(outside, direction) * hold
        self._follow = follow.astype(np.float32)
        offset = np.linalg.norm(self.nodes[:, None] - landmarks[None, oval, :2], axis=2) / pose.scale
        near = np.exp(-0.5 * (offset / 0.06) ** 2) + 1e-12
        near /= near.sum(1, keepdims=True)
        reach = np.exp(-0.5 * (outside / _OVAL_REACH) ** 2)
        self._oval_weights = (near * (reach * self._follow)[:, None]).astype(np.float32)
        self._oval_shape = shape[oval]
        self._oval = oval
        chest = np.clip(below_chin / 0.5, 0, 1) * hold
        self._breath = (chest * _BREATH_LIFT * pose.scale).astype(np.float32)
        self.limits = _limits(landmarks, (height, width), pose.scale, may_leave=layers.is_separate)

    def moved(self, pose: HeadPose, bent: FloatArray, motion: DrivingMotion) -> FloatArray:
        """Return the moved nodes, (N, 2) float32 pixels, for a head in ``pose``.

        bent: (478, 3) face units, see `FaceShape.bent`.
        """
        expression = self._oval_weights @ (bent[self._oval] - self._oval_shape)
        flattening = self._depth.turn_share(pose) * self._flattening
        rigid = pose.to_frame(self._shape + expression + flattening)[:, :2]
        rest = self.nodes
        if self._torso is not None and motion.torso:
            rest = rest + np.float32(motion.torso) * (self._torso.moved(rest, pose) - rest)
        moved = rest + self._follow[:, None] * (rigid - rest)
        moved[:, 1] -= self._breath * motion.breath
        if self._bounds is not None:
            moved = np.clip(moved, *self._bounds)
        return np.asarray(moved, np.float32)

    def _share_below(self, landmarks: FloatArray) -> DoubleArray:
        """Return (N,) in [-1, 1], the direction of each node from the face: 1 straight below, -1 straight above."""
        centre = landmarks[list(FACE_OVAL), :2].mean(0)
        down = landmarks[CHIN, :2] - centre
        offset = self.nodes - centre
        length = np.linalg.norm(offset, axis=1) * np.linalg.norm(down) + 1e-6
        return np.asarray(offset @ down / length)


def _follow(outside: DoubleArray, below: DoubleArray) -> DoubleArray:
    """Return (N,) in [0, 1], the share of the head's motion, by distance in face units and direction."""
    up, down = np.clip(-below, 0, 1), np.clip(below, 0, 1)
    aside = 1 - up - down
    rigid = up * _RIGID_ABOVE + aside * _RIGID_ASIDE + down * _RIGID_BELOW
    fade = up * _FADE_ABOVE + aside * _FADE_ASIDE + down * _FADE_BELOW
    return 1 - smoothstep((outside - rigid) / fade)


def _distance_outside(points: FloatArray, oval: FloatArray) -> DoubleArray:
    contour = cv2.convexHull(oval.astype(np.float32))
    return np.array([max(0.0, -cv2.pointPolygonTest(contour, (float(x), float(y)), True)) for x, y in points])


def _border_hold(nodes: FloatArray, size: tuple[int, int], face_size: float) -> DoubleArray:
    """Return (N,) in [0, 1]: 0 on the picture's edges, so that they stay in place. size: (H, W) pixels."""
    height, width = size
    reach = min(0.45 * face_size, max(size) / 4)
    hold = np.ones(len(nodes))
    for distance in (nodes[:, 0], width - 1 - nodes[:, 0], nodes[:, 1], height - 1 - nodes[:, 1]):
        # Flat at the edge: a node never moves further than its distance, and so never crosses the edge.
        hold *= smoothstep(distance / reach)
    return hold


def _bounds(nodes: FloatArray, size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Return the nodes' lower and upper bounds, (N, 2) float32: inside the picture's edges. size: (H, W) pixels."""
    last = np.array([size[1] - 1, size[0] - 1], np.float32)
    return np.minimum(nodes, 1), np.maximum(nodes, last - 1)


def _limits(landmarks: FloatArray, size: tuple[int, int], face_size: float, may_leave: bool) -> HeadLimits:
    """Return the room between the face and the picture's edges.

    Less the share that the hair needs, unless hair ``may_leave`` the picture. size: (H, W) pixels.
    """
    height, width = size
    low, high = landmarks[:468, :2].min(0), landmarks[:468, :2].max(0)
    forehead = 0.0 if may_leave else 0.15 * face_size
    share, least = (_ROOM_OF_FACE, _LEAST_ROOM_OF_FACE) if may_leave else (_ROOM_WITH_HAIR, _LEAST_ROOM_WITH_HAIR)
    room = [low[0], width - high[0], low[1] - forehead, height - high[1]]
    left, right, up, down = (float(np.clip(each / face_size * share, least, 1.0)) for each in room)
    return HeadLimits(left=left, right=right, up=up, down=down)

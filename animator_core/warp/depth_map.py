"""The head's depth at every place of its picture: one smooth surface for the face's mesh and the grid around it.

A turned head is drawn by shifting places by depth, so a steep slope folds when it turns away and is stretched when it
turns towards the viewer. The steeper a turn, the gentler the slopes that the surface may have.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from animator_core.arrays import AnyArray, FloatArray
from animator_core.smoothstep import smooth_share, smoothstep
from animator_core.tracking.face_model import FACE_OVAL, face_model
from animator_core.tracking.pose import HeadPose

_CELL = 0.02
_MARGIN = 0.8
"""Face units between two samples, and of the map around the landmarks."""
_SKULL_DEPTH = 0.42
"""Depth of the head's silhouette behind the eyes, in face units; a turning head's silhouette stays in place."""
_DEEPER = 1.25
"""Depths of heads by those of a pose fit: the nose tip lies half of the eyes' outer distance before their corners
(MediaPipe's metric face model: 0.495; 0.41 in landmarks `with_true_depth`)."""
_SKULL_REACH = 0.3
"""Face units beyond the face's outline over which its depth becomes the skull's."""
_SMOOTHING, _CONTINUED_SMOOTHING = 0.012, 0.05
"""Standard deviations, in face units, of the surface's blur and of the one beyond the outline."""
_RELIEF = 0.01
"""Height of the relief, in face units, that landmarks keep in small turns."""
_OUTLINE_STEPS = 16
_HIDDEN = 0.15
"""An outline further behind the seen surface than this, in face units, is hidden by it."""
_SLOPES = (2.5, 1.15)
_TURNS = (8.0, 30.0)
"""Largest slopes of the surface, up to the first turn and from the second one on, in degrees: cos(turn) less slope
times sin(turn), the share of its width that a slope turning away keeps, stays above zero."""


class DepthMap:
    """Depths of one character's head, in the axes of its picture, for small and for large turns.

    pose: the picture's own.
    """

    def __init__(self, landmarks: FloatArray, pose: HeadPose) -> None:
        """landmarks: (478, 3) pixels, `with_true_depth`."""
        self.pose = pose
        self._cell = _CELL * pose.scale
        margin = _MARGIN * pose.scale
        self._corner = landmarks[:468, :2].min(0) - margin
        columns, rows = np.ceil((landmarks[:468, :2].max(0) + margin - self._corner) / self._cell).astype(int) + 1
        depth = self._deepened(landmarks[:468, 2])
        points = np.column_stack([(landmarks[:468, :2] - self._corner) / self._cell, depth / self._cell])
        # pose.translation is the point between the eyes, the origin of the head's axes.
        skull = (pose.translation[2] + _SKULL_DEPTH * pose.scale) / self._cell
        seen = _with_outline(_seen_depth(points, (int(rows), int(columns))), points)
        whole = _with_skull(seen, points, skull)
        self._maps = [cv2.GaussianBlur(_limit_slopes(whole, slope), (0, 0), _SMOOTHING / _CELL) for slope in _SLOPES]

    def placed(self, places: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return places, (N, 2) pixels of the picture, in the head's axes, (N, 3) face units: for small turns, and
        the shift from there for large turns."""
        small, large = (self.pose.to_head(np.column_stack([places, depth])) for depth in self._depths(places))
        return small, large - small

    def face(self, landmarks: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the shifts, (478, 3) face units in the head's axes, from landmarks, (478, 3) pixels, to the surface
        for small turns, and from there to the one for large turns.

        For small turns they keep their own fine relief, as of lips and lids: its slopes are steep, but low.
        """
        small, large = self._depths(landmarks[:, :2])
        relief = (self._deepened(landmarks[:, 2]) - small) / self.pose.scale
        small += relief * np.exp(-0.5 * (relief / _RELIEF) ** 2) * self.pose.scale
        shifts = np.stack([small - landmarks[:, 2], large - small])[..., None] * self.pose.rotation[2] / self.pose.scale
        to_small, to_large = shifts.astype(np.float32)
        return to_small, to_large

    def _deepened(self, depth: FloatArray) -> FloatArray:
        """Return landmarks' depths in pixels, `with_true_depth`, in the proportions of a head."""
        eyes = self.pose.translation[2]
        deepened: FloatArray = eyes + (depth - eyes) * np.float32(_DEEPER)
        return deepened

    def _depths(self, places: FloatArray) -> FloatArray:
        """Return (2, N) float32 pixels, the depths at (N, 2) pixels of the picture for small and for large turns."""
        x, y = ((places - self._corner) / self._cell).astype(np.float32).T
        sampled = [cv2.remap(each, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for each in self._maps]
        depths: FloatArray = np.stack(sampled)[:, :, 0] * np.float32(self._cell)
        return depths

    def turn_share(self, pose: HeadPose) -> float:
        """Return how large the turn from the picture to ``pose`` is: 0 for small to 1 for large ones."""
        towards = float(self.pose.rotation[:, 2] @ pose.rotation[:, 2])
        turn = math.degrees(math.acos(min(max(towards, -1.0), 1.0)))
        return smooth_share((turn - _TURNS[0]) / (_TURNS[1] - _TURNS[0]))


def _seen_depth(points: AnyArray, shape: tuple[int, int]) -> FloatArray:
    """Return (h, w) float32, the depth of the nearest triangle that faces the viewer, NaN without one.

    points: (468, 3) x, y and depth in cells.
    """
    depth = np.full(shape, np.nan, np.float32)
    for a, b, c in points[face_model().triangles]:
        low = np.ceil(np.minimum(np.minimum(a, b), c)[:2]).astype(int)
        high = np.floor(np.maximum(np.maximum(a, b), c)[:2]).astype(int) + 1
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area <= 1e-6 or (high <= low).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        of_b = ((x - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (y - a[1])) / area
        of_c = ((b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1])) / area
        region = depth[low[1] : high[1], low[0] : high[0]]
        here = a[2] + of_b * (b[2] - a[2]) + of_c * (c[2] - a[2])
        is_inside = (of_b >= 0) & (of_c >= 0) & (of_b + of_c <= 1)
        np.fmin(region, here.astype(np.float32), out=region, where=is_inside)
    return depth


def _with_outline(depth: FloatArray, points: AnyArray) -> FloatArray:
    """Return the depths with those of the face's outline in its cells, where the outline is not hidden."""
    oval = points[[*FACE_OVAL, FACE_OVAL[0]]]
    steps = np.linspace(0, 1, _OUTLINE_STEPS, endpoint=False)[None, :, None]
    outline = (oval[:-1, None] + (oval[1:] - oval[:-1])[:, None] * steps).reshape(-1, 3)
    x, y = np.rint(outline[:, :2]).astype(int).T
    here = depth[y, x]
    is_seen = np.isnan(here) | (outline[:, 2] - here < _HIDDEN / _CELL)
    depth[y[is_seen], x[is_seen]] = outline[is_seen, 2]
    return depth


def _with_skull(depth: FloatArray, points: AnyArray, skull: float) -> FloatArray:
    """Return (h, w) float32 depths without gaps: the face's, continued beyond its outline towards the skull's."""
    is_gap = np.isnan(depth)
    _, nearest = cv2.distanceTransformWithLabels(
        is_gap.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Labels count the known samples row by row.
    continued = depth[~is_gap][nearest - 1]
    face = np.where(is_gap, cv2.GaussianBlur(continued, (0, 0), _CONTINUED_SMOOTHING / _CELL), continued)
    outline = cv2.convexHull(np.rint(points[list(FACE_OVAL), :2]).astype(np.int32))
    outside = cv2.fillConvexPoly(np.ones(depth.shape, np.uint8), outline, (0,))
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * _CELL
    share = smoothstep(distance, 0.0, _SKULL_REACH)
    blended: FloatArray = (face + (np.maximum(skull, face) - face) * share).astype(np.float32)
    return blended


def _limit_slopes(depth: FloatArray, slope: float) -> FloatArray:
    """Return depths no steeper than ``slope``: the mean of the nearest such surfaces before and behind them."""
    return 0.5 * (_lower_bound(depth, slope) - _lower_bound(-depth, slope))


def _lower_bound(depth: FloatArray, slope: float) -> FloatArray:
    """Return the largest surface below ``depth`` that is no steeper than ``slope`` (McShane 1934)."""
    bound = depth.copy()
    straight, diagonal = np.float32(slope), np.float32(slope * math.sqrt(2))
    while True:
        before = bound.copy()
        padded = np.pad(bound, 1, "edge")
        for row in range(3):
            for column in range(3):
                step = straight if row == 1 or column == 1 else diagonal
                near = padded[row : row + bound.shape[0], column : column + bound.shape[1]]
                np.minimum(bound, near + step, out=bound)
        if np.array_equal(bound, before):
            return bound

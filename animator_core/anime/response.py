"""How the face network answers at a place of the head: which eyes it closes, and whether it opens a mouth.

Placed right, the winks change one eye each and nothing else; on photographs and off the head they change little, or
something elsewhere. The eyes are found anywhere in the network's view, at 0.7 to 1.4 times the size that is best.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from animator_core.anime import parameters
from animator_core.anime.network_picture import CENTER, as_networks_take, sampled
from animator_core.anime.networks.chain import FACE, AnimeNetworks
from animator_core.arrays import FloatArray
from animator_core.characters.head_place import HeadPlace

EYE_DISTANCE = 42.0
"""Network pixels between the eyes at which the networks answer best; the published example pictures have 35 to 50."""
EYES_BELOW = 16.0
"""Network pixels from the box's centre down to the eyes; the published examples have 8 to 19."""
_VISIBLE = 0.15
_LEAST_PURITY = 0.72
"""Drawn faces have 0.79 to 0.98, photographs up to 0.65."""
_LEAST_CHANGE = 20.0
_LEAST_MOUTH = 8.0
POSES: tuple[dict[str, float], ...] = ({}, {"eye_wink_left": 1.0}, {"eye_wink_right": 1.0}, {"mouth_aaa": 1.0})
HIGHEST_TILT_DEG = 20.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Response:
    """The answer at one place.

    eyes: (x, y) of the eye on the left of the picture and of that on the right, in network pixels from the box's
    centre. purity: share of a wink's change that lies in its own eye, the smaller of both, 0 to 1. change: of an eye,
    in pixels that turn from black to white, the smaller of both. mouth: the same of the mouth, 0 if most is elsewhere.
    """

    eyes: tuple[Point, Point]
    purity: float
    change: float
    mouth: float

    @property
    def is_face(self) -> bool:
        """Whether both eyes close and little else changes."""
        return self.purity >= _LEAST_PURITY and self.change >= _LEAST_CHANGE

    @property
    def has_mouth(self) -> bool:
        """Whether the mouth opens."""
        return self.mouth >= _LEAST_MOUTH

    @property
    def is_upright(self) -> bool:
        """Whether the eyes are level."""
        return abs(self.tilt_deg) <= HIGHEST_TILT_DEG

    @property
    def tilt_deg(self) -> float:
        """Angle of the line through the eyes, positive if the right one is lower."""
        (left, upper), (right, lower) = self.eyes
        return float(np.degrees(np.arctan2(lower - upper, right - left)))

    def better(self, place: HeadPlace) -> HeadPlace:
        """Return the place that has the eyes in theirs; place: the one that was answered so."""
        (left, upper), (right, lower) = self.eyes
        distance = float(np.hypot(right - left, lower - upper))
        return place_of_eyes(
            place.center[0] + (left + right) / 2 / place.scale,
            place.center[1] + (upper + lower) / 2 / place.scale,
            # The first answer may be far off.
            distance=float(np.clip(distance, EYE_DISTANCE / 1.7, EYE_DISTANCE * 1.7)) / place.scale,
        )

    def is_settled(self) -> bool:
        """Return whether the eyes are in their place."""
        (left, upper), (right, lower) = self.eyes
        away = max(abs(left + right) / 2, abs((upper + lower) / 2 - EYES_BELOW))
        return away < 2 and abs(right - left - EYE_DISTANCE) < 2


def place_of_eyes(x: float, y: float, *, distance: float) -> HeadPlace:
    """Return the place that puts the eyes in theirs; their middle and distance in pixels of the picture."""
    scale = EYE_DISTANCE / distance
    return HeadPlace((x, y - EYES_BELOW / scale), scale)


def respond(networks: AnimeNetworks, linear: FloatArray, place: HeadPlace) -> Response | None:
    """Return the answer at a place, None if no eye closes; linear: of `network_picture.linear_light`."""
    return response_of(drawn_faces(networks, sampled(linear, place, FACE), poses=POSES))


def response_of(drawn: FloatArray) -> Response | None:
    """Return the answer that the faces in `POSES` give, (4, 4, 192, 192) of `drawn_faces`; None if no eye closes."""
    left_wink, right_wink, open_mouth = _changes(drawn)
    # The character's left eye is on the right.
    own = [_largest_spot(np.maximum(a - b, 0)) for a, b in ((right_wink, left_wink), (left_wink, right_wink))]
    left, right = own
    if left is None or right is None:
        return None
    purity = min(left[0] / float(right_wink.sum()), right[0] / float(left_wink.sum()))
    eyes = (left[1], right[1])
    return Response(eyes, purity, change=min(left[0], right[0]), mouth=_mouth_change(open_mouth, eyes))


def winks_change(networks: AnimeNetworks, face: FloatArray) -> FloatArray:
    """Return how the winks of both eyes differ, (H, W) float32, 0 to 2; face: see `drawn_faces`."""
    return np.asarray(_changes(drawn_faces(networks, face, poses=POSES[1:3]))[0])


def drawn_faces(networks: AnimeNetworks, face: FloatArray, *, poses: tuple[dict[str, float], ...]) -> FloatArray:
    """Return a face in each pose, (N, 4, H, W) float32, -1 to 1.

    face: (4, H, W) premultiplied linear light; of 192×192, or other multiples of 32.
    """
    device = next(networks.parameters()).device
    vectors = torch.from_numpy(np.stack([parameters.pose(each) for each in poses])).to(device)
    with torch.inference_mode():
        seen = as_networks_take(face).to(device).expand(len(poses), -1, -1, -1)
        return np.asarray(networks.change_face(seen, vectors).apply(seen).cpu().numpy())


def spots(change: FloatArray) -> list[tuple[float, Point]]:
    """Return the connected parts of a change, the largest first: the sum of each, and its middle (x, y) in pixels."""
    visible = np.where(change > _VISIBLE, change, 0)
    near = cv2.dilate((visible > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    labels = np.asarray(cv2.connectedComponents(near, connectivity=8)[1]).ravel()
    rows, columns = np.indices(change.shape) + 0.5
    total, x, y = (
        np.bincount(labels, weights=each.ravel())[1:] for each in (visible, visible * columns, visible * rows)
    )
    return sorted(zip(total.tolist(), zip((x / total).tolist(), (y / total).tolist())), reverse=True)


def _changes(drawn: FloatArray) -> FloatArray:
    """Return how much each picture but the first differs from the first, (N - 1, H, W)."""
    return np.asarray(np.abs(drawn[1:] - drawn[:1]).max(axis=1))


def _largest_spot(change: FloatArray) -> tuple[float, Point] | None:
    found = spots(change)
    if not found:
        return None
    total, (x, y) = found[0]
    return total, (x + FACE[1].start - CENTER[0], y + FACE[0].start - CENTER[1])


def _mouth_change(change: FloatArray, eyes: tuple[Point, Point]) -> float:
    """Return the change below the eyes, 0 if more of it is elsewhere."""
    (left, upper), (right, lower) = eyes
    x, y, distance = (left + right) / 2, (upper + lower) / 2, abs(right - left)
    rows, columns = np.indices(change.shape) + 0.5
    rows += FACE[0].start - CENTER[1] - y
    columns += FACE[1].start - CENTER[0] - x
    is_mouth = (rows > 0.35 * distance) & (rows < 1.6 * distance) & (np.abs(columns) < 0.7 * distance)
    inside = float(change[is_mouth].sum())
    return inside if inside > float(change.sum()) / 2 else 0.0

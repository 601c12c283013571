"""Whether a produced face could be one: bounds of human faces, and what its driver does, against what it does.

Every measure is taken in the head's own frontal axes (`tracking.pose`), so that turning the head changes it little. A
bound is soft where the tracker is: the excess over it is counted in tolerances, and grows slower in turned heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.motion.face_state import eye_measures
from animator_core.tracking.face_model import INNER_LIPS, OUTER_LIPS
from animator_core.tracking.pose import fit_pose, with_true_depth
from docs.measurements.face_signals import Sight

_JAW = ((234, 93, 132, 58, 172, 136, 150), (454, 323, 361, 288, 397, 365, 379))
"""The outline below the ears, right and left, from the top."""
_BROWS = ((46, 53, 52, 65, 55), (276, 283, 282, 295, 285))
_CORNERS = ((33, 133), (263, 362))
_INNER_BROWS = ((55, 133), (285, 362))


@dataclass(frozen=True)
class Bound:
    """What a measure may be.

    lowest, highest: of any human face. below, above: the most by which it leaves the value at rest.
    tolerance: the most by which it leaves the span from rest to 1.4 times the driver's own change.
    """

    below: float
    above: float
    tolerance: float
    lowest: float = -np.inf
    highest: float = np.inf


BOUNDS: Mapping[str, Bound] = {
    # Shares of the face's width (ear to ear). A broad smile widens a mouth by a third, a kiss narrows it by as much.
    "mouth width": Bound(below=0.16, above=0.16, tolerance=0.06, lowest=0.14, highest=0.60),
    "corner to jaw": Bound(below=0.14, above=0.14, tolerance=0.07, lowest=0.06),
    # Shares of the face's height, forehead to chin, about 175 mm. Jaws open by 40 to 60 mm.
    "opening": Bound(below=np.inf, above=0.34, tolerance=0.05, highest=0.36),
    "corners' drop": Bound(below=0.07, above=0.07, tolerance=0.03),
    "corners' skew": Bound(below=0.09, above=0.09, tolerance=0.025),
    "brow r": Bound(below=0.05, above=0.08, tolerance=0.025),
    "brow l": Bound(below=0.05, above=0.08, tolerance=0.025),
    "inner brow r": Bound(below=0.06, above=0.08, tolerance=0.03),
    "inner brow l": Bound(below=0.06, above=0.08, tolerance=0.03),
    # Of the opening at rest.
    "eye r": Bound(below=np.inf, above=0.8, tolerance=0.4),
    "eye l": Bound(below=np.inf, above=0.8, tolerance=0.4),
    "eyes' difference": Bound(below=1.1, above=1.1, tolerance=0.4),
}
"""By measure; openings and distances are ratios as named beside them."""
SCORES = (
    "jawOpen", "mouthSmile", "mouthFrown", "mouthStretch", "mouthUpperUp", "browDown", "browInnerUp", "eyeWide",
)  # fmt: skip
SCORE_TOLERANCE = 0.45
"""Of blendshapes, whose noise on drawn faces is large: the most beyond the driver's. Pucker and funnel are left to the
mouth's width: a small drawn mouth that opens scores as puckered."""
_REGION_SCORES = (
    ("eyeBlink", "eyeSquint", "eyeWide"),
    ("jawOpen", "mouthSmile", "mouthFrown", "mouthPucker", "mouthFunnel", "mouthStretch", "mouthUpperUp"),
    ("browDown", "browInnerUp", "browOuterUp"),
)
GAIN = 1.4
_TEETH_MOST = 0.85
_TEETH_FROM = 0.03
"""Share of a mouth that is teeth, in mouths open by at least this share of the face's height."""
_LINE_MOST = 0.12
_SHUT = 0.008
"""Brightness of the line between closed lips by that of the lips: by so much above the picture's own."""
_TURN_DEGREES = 40.0


@dataclass(frozen=True)
class Face:
    """One face's measures and blendshapes by name; turn: degrees away from the camera."""

    measures: Mapping[str, float]
    scores: Mapping[str, float]
    turn: float
    shape: np.ndarray


def face_of(sight: Sight, eyes_at_rest: Sequence[float] | None = None) -> Face:
    """Return the measures of a face; eyes_at_rest: (right, left) lid openings by eye width, its own by default."""
    points = with_true_depth(sight.points.astype(np.float32))
    shape = fit_pose(points).to_head(points)
    wide, high = (float(np.linalg.norm(shape[a] - shape[b])) for a, b in ((234, 454), (10, 152)))
    eyes = eye_measures(shape)[1]
    right, left = eyes / (eyes if eyes_at_rest is None else np.maximum(eyes_at_rest, 0.05))
    lips = float(shape[[13, 14], 1].mean())
    corners = shape[[61, 291], 1]
    measures = {
        "mouth width": float(np.linalg.norm(shape[61] - shape[291])) / wide,
        "corner to jaw": min(_room(shape, 61, 0), _room(shape, 291, 1)) / wide,
        "opening": float(shape[14, 1] - shape[13, 1]) / high,
        "corners' drop": (float(corners.mean()) - lips) / high,
        "corners' skew": float(corners[0] - corners[1]) / high,
        "eye r": float(right),
        "eye l": float(left),
        "eyes' difference": float(right - left),
    }
    for side, brow, eye, (inner, beside) in zip("rl", _BROWS, _CORNERS, _INNER_BROWS):
        measures[f"brow {side}"] = float(shape[list(eye), 1].mean() - shape[list(brow), 1].mean()) / high
        measures[f"inner brow {side}"] = float(shape[beside, 1] - shape[inner, 1]) / high
    scores = {name: _score(sight, name) for name in SCORES}
    return Face(measures, scores=scores, turn=float(np.hypot(*sight.angles[:2])), shape=shape)


def _room(shape: np.ndarray, corner: int, side: int) -> float:
    """Return how far a mouth corner lies inside the jaw at its own height."""
    jaw = shape[list(_JAW[side])]
    edge = float(np.interp(shape[corner, 1], jaw[:, 1], jaw[:, 0]))
    return float(shape[corner, 0] - edge) if side == 0 else float(edge - shape[corner, 0])


def _score(sight: Sight, name: str) -> float:
    return (
        sight.scores[name] if name in sight.scores else (sight.scores[f"{name}Left"] + sight.scores[f"{name}Right"]) / 2
    )


def eyes_of(sights: Sequence[Sight]) -> np.ndarray:
    """Return (2,) the median lid openings by eye width."""
    points = (with_true_depth(sight.points.astype(np.float32)) for sight in sights)
    return np.asarray(np.median([eye_measures(fit_pose(each).to_head(each))[1] for each in points], axis=0))


def excesses(face: Face, rest: Face, driver: Face | None = None, driver_rest: Face | None = None) -> dict[str, float]:
    """Return by how many tolerances each measure is out of bounds, above 1 for those that are.

    rest: the same face at rest. driver, driver_rest: the face that drives it, None to ask for a human face only.
    """
    found: dict[str, float] = {}
    slack = 1 + face.turn / _TURN_DEGREES
    for name, bound in BOUNDS.items():
        value, still = face.measures[name], rest.measures[name]
        # A drawn face may lie outside the human bounds at rest, but an expression does not take it there.
        low = max(still - bound.below, min(bound.lowest, still))
        high = min(still + bound.above, max(bound.highest, still))
        found[f"{name} of a face"] = 1 + max(value - high, low - value) / (bound.tolerance * slack)
        if driver is not None and driver_rest is not None:
            change = driver.measures[name] - driver_rest.measures[name]
            found[f"{name} by the driver"] = _beyond(value - still, change) / (bound.tolerance * slack)
    if driver is not None and driver_rest is not None:
        for name in SCORES:
            change = driver.scores[name] - driver_rest.scores[name]
            found[f"{name} by the driver"] = _beyond(face.scores[name] - rest.scores[name], change) / SCORE_TOLERANCE
    return {name: max(value, 0.0) for name, value in found.items()}


def _beyond(change: float, driven: float) -> float:
    """Return how far a change lies outside of the span from none to that of the driver."""
    return max(change - max(0.0, GAIN * driven), min(0.0, GAIN * driven) - change)


def mouth_excesses(
    picture: np.ndarray, sight: Sight, face: Face, *, placed: Sight, line_at_rest: float
) -> dict[str, float]:
    """Return the excesses of the mouth's inside in (H, W, 3) uint8 RGB.

    placed: the landmarks that the face is drawn by, if they are known: a tracker misses the line of a small drawn
    mouth. line_at_rest: `lip_line` of the character.
    """
    opening = face.measures["opening"]
    if opening >= _TEETH_FROM:
        return {"teeth share": teeth_share(picture, sight) / _TEETH_MOST}
    if opening <= _SHUT:
        return {"light between the lips": max(0.0, (lip_line(picture, placed) - line_at_rest) / _LINE_MOST)}
    return {}


def teeth_share(picture: np.ndarray, sight: Sight) -> float:
    """Return the share of the inner mouth that is as bright as the skin beside it, and less coloured than the lips."""
    inside, lips = _mouth_masks(picture, sight)
    if inside.sum() < 20 or not lips.any():
        return 0.0
    light = picture.max(2).astype(np.float32)
    colour = light - picture.min(2)
    skin = np.median(light[lips])
    teeth = (light > 0.9 * skin) & (colour < max(0.8 * np.median(colour[lips]), 40))
    return float(teeth[inside].mean())


def lip_line(picture: np.ndarray, sight: Sight) -> float:
    """Return the brightness of the line between closed lips, by that of the lips."""
    _, lips = _mouth_masks(picture, sight)
    points = sight.points[list(INNER_LIPS), :2]
    line = (points[2:9] + points[18:11:-1]) / 2
    ends = np.clip(np.rint(line).astype(int), 0, np.array(picture.shape[1::-1]) - 1)
    light = picture.max(2).astype(np.float32)
    return (
        float(np.median(light[ends[:, 1], ends[:, 0]]) / max(float(np.median(light[lips])), 1.0)) if lips.any() else 0.0
    )


def _mouth_masks(picture: np.ndarray, sight: Sight) -> tuple[np.ndarray, np.ndarray]:
    masks = []
    for ring in (INNER_LIPS, OUTER_LIPS):
        mask = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.rint(sight.points[list(ring), :2]).astype(np.int32)], 1)
        masks.append(mask > 0)
    return masks[0], masks[1] & ~masks[0]


def rest_of(sights: Sequence[Sight | None], share: float = 0.03) -> Face:
    """Return the face at rest: each region from the frames of a video in which it expresses least."""
    seen = [sight for sight in sights if sight is not None]
    eyes, mouths, brows = (_calmest(seen, names, share) for names in _REGION_SCORES)
    openings = eyes_of(eyes)
    measures, scores = {}, {}
    for calm, words in ((mouths, ("mouth", "corner", "opening")), (eyes, ("eye",)), (brows, ("brow",))):
        faces = [face_of(sight, openings) for sight in calm]
        for name in BOUNDS:
            if name not in measures and any(word in name for word in words):
                measures[name] = float(np.median([face.measures[name] for face in faces]))
        for name in SCORES:
            if name not in scores and any(word in name for word in (*words, "jaw", "Brow")):
                scores[name] = float(np.median([face.scores[name] for face in faces]))
    calm_faces = [face_of(sight, openings) for sight in mouths]
    turn, shape = np.median([face.turn for face in calm_faces]), np.median([face.shape for face in calm_faces], axis=0)
    return Face(measures, scores=scores, turn=float(turn), shape=shape)


def _calmest(sights: Sequence[Sight], names: Sequence[str], share: float) -> list[Sight]:
    unrest = [sum(_score(sight, name) for name in names) for sight in sights]
    return [sights[number] for number in np.argsort(unrest)[: max(3, round(share * len(sights)))]]

"""Matte of the person in an opaque picture: a segmentation, checked, and refined to the picture's own edges."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, FloatArray, UInt8Array
from animator_core.tracking.face_model import CHIN, FACE_OVAL
from animator_core.tracking.person_mask import person_probability

_COARSE_SIDE = 256
_FINE_SIDE = 512
_RADIUS = 0.035
"""Radius in face units within which the picture's edges correct the segmentation's."""
_REGULARISATION = 2e-4
_LEAST_INSIDE, _LEAST_BACKGROUND = 0.9, 0.03
_MOST_UNSURE = 0.1
_LEAST_CONTRAST = 14.0
"""Difference of colour across the head's outline, of 255, below which nothing tells person from background."""
_SOLID = 0.25, 0.45
"""Probabilities that count as none and as all of a body."""
_GAP = 0.12
"""Half the width of gaps in a body that are closed, in face units."""
_GRABCUT_ROUNDS = 4
_SEED = 7


def person_matte(picture: UInt8Array, landmarks: FloatArray, face_size: float) -> FloatArray | None:
    """Return the opacity of the person, (H, W) float32 in [0, 1], or None if it cannot be told from the background.

    picture: (H, W, 3) uint8 RGB. landmarks: (478, 3) pixels. face_size: pixels of a face unit. By mediapipe's
    model of persons, or GrabCut (Rother et al. 2004) around the face, whichever first passes `_is_trustworthy`.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, _COARSE_SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    coarse = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    points = landmarks[:, :2] * np.array([size[0] / width, size[1] / height], np.float32)
    head = _Head(points, coarse.shape[:2], face_size * scale)
    for segment in (person_probability, lambda _: _grabcut(coarse, head)):
        found = segment(picture)
        if found is None:
            continue
        probability = _with_face(cv2.resize(found, size, interpolation=cv2.INTER_AREA), head)
        if _is_trustworthy(coarse, probability, head):
            return _refined(picture, _with_solid_body(probability, head), face_size)
    return None


class _Head:
    """A head's place in a reduced picture.

    face: (h, w) bool, its oval. near: what is around the head. sure: masks of places that belong to the person.
    distance: (h, w) float from the face, below: from the chin downwards, and aside: from the middle, in face units.
    """

    def __init__(self, points: FloatArray, shape: tuple[int, ...], face_size: float) -> None:
        self.face_size = face_size
        outline = cv2.convexHull(np.ascontiguousarray(points[list(FACE_OVAL)]))
        face = np.zeros(shape[:2], np.uint8)
        cv2.fillPoly(face, [np.rint(outline).astype(np.int32)], (255,))
        self.face: BoolArray = face > 0
        self.distance = cv2.distanceTransform(255 - face, cv2.DIST_L2, 5) / face_size
        y, x = np.mgrid[: shape[0], : shape[1]]
        middle = points[list(FACE_OVAL)].mean(0)
        down = (points[CHIN] - middle) / max(float(np.linalg.norm(points[CHIN] - middle)), 1e-6)
        # Face units below the chin, along the face's own axis.
        self.below = ((x - points[CHIN, 0]) * down[0] + (y - points[CHIN, 1]) * down[1]) / face_size
        self.near: BoolArray = (self.distance < 1.2) & (self.below < 0.1)
        self.aside = np.abs((x - middle[0]) * down[1] - (y - middle[1]) * down[0]) / face_size
        # Belong to the person in any portrait: crown or forehead, neck, chest.
        self.sure: list[BoolArray] = [
            self.face,
            (self.below < -0.8) & (self.distance < 0.12) & (self.aside < 0.3),
            (self.below > 0.05) & (self.below < 0.3) & (self.aside < 0.15),
            (self.below > 0.45) & (self.below < 0.9) & (self.aside < 0.4),
        ]


def _with_face(probability: FloatArray, head: _Head) -> FloatArray:
    """Return the probability of the one region that contains the face; holes stay."""
    labels: AnyArray = np.asarray(cv2.connectedComponents((probability > 0.1).astype(np.uint8))[1])
    inside = labels[head.face & (labels > 0)]
    if not len(inside):
        return np.zeros_like(probability)
    kept: FloatArray = np.where(labels == np.bincount(inside).argmax(), probability, np.float32(0))
    return kept


def _with_solid_body(probability: FloatArray, head: _Head) -> FloatArray:
    """Return the probability, below the chin pushed towards 0 and 1.

    Clothes that move half transparent are torn; clothes that take a little background along are not noticed.
    """
    low, high = _SOLID
    gap = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(1, round(_GAP * head.face_size)) + 1,) * 2)
    probability = np.maximum(
        probability, np.where(head.below > 0.2, cv2.morphologyEx(probability, cv2.MORPH_CLOSE, gap), 0)
    )
    solid = np.clip((probability - low) / (high - low), 0, 1)
    share = np.clip((head.below - 0.1) / 0.2, 0, 1)
    pushed: FloatArray = (probability + share * (solid - probability)).astype(np.float32)
    return pushed


def _grabcut(coarse: UInt8Array, head: _Head) -> FloatArray:
    mask = np.full(head.face.shape, cv2.GC_PR_BGD, np.uint8)
    mask[(head.distance < 0.3) | ((head.below > 0.3) & (head.distance < 1.2))] = cv2.GC_PR_FGD
    is_border = np.ones(mask.shape, np.bool_)
    is_border[2:, 2:-2] = False
    mask[(head.distance > np.where(is_border, 0.4, 1.0)) & (head.below < 0)] = cv2.GC_BGD
    mask[np.logical_or.reduce(head.sure[:-1])] = cv2.GC_FGD
    mask[head.sure[-1]] = cv2.GC_PR_FGD
    mask[head.sure[-1] & (head.aside < 0.2)] = cv2.GC_FGD
    probability = np.zeros(head.face.shape, np.float32)
    if not (mask == cv2.GC_BGD).any():
        return probability
    # It clusters colours from random starts.
    cv2.setRNGSeed(_SEED)
    background, person = np.zeros((1, 65)), np.zeros((1, 65))
    whole = (0, 0, mask.shape[1], mask.shape[0])
    cv2.grabCut(
        coarse, mask, whole, bgdModel=background, fgdModel=person, iterCount=_GRABCUT_ROUNDS, mode=cv2.GC_INIT_WITH_MASK
    )
    probability[(mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)] = 1
    # Single pixels that have the other's colour by chance.
    cleaned: FloatArray = cv2.medianBlur(probability, 5)
    return cleaned


def _is_trustworthy(coarse: UInt8Array, probability: FloatArray, head: _Head) -> bool:
    """Return whether face and body are inside, the head's outline is sure, and colours differ across it."""
    if any(probability[place].mean() < _LEAST_INSIDE for place in head.sure if place.any()):
        return False
    if (probability < 0.1).mean() < _LEAST_BACKGROUND:
        return False
    is_person = probability > 0.5
    unsure = np.minimum(probability, 1 - probability)[head.near].sum() / max(1, is_person[head.near].sum())
    if unsure > _MOST_UNSURE:
        return False
    reach = max(2, round(0.06 * head.face_size))
    beside = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mask = is_person.astype(np.uint8)
    inner = is_person & (cv2.erode(mask, beside) == 0) & head.near
    outer = ~is_person & (cv2.dilate(mask, beside) > 0) & head.near
    if not inner.any() or not outer.any():
        return False
    contrast = [
        _smoothed(coarse, mask, reach)[inner_or_outer]
        for mask, inner_or_outer in ((inner, inner | outer), (outer, inner | outer))
    ]
    return bool(np.median(np.abs(contrast[0] - contrast[1]).max(1)) > _LEAST_CONTRAST)


def _smoothed(picture: AnyArray, mask: BoolArray, radius: float) -> FloatArray:
    """Return the local mean colour of the mask's pixels, (h, w, 3) float32."""
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), radius)
    total = cv2.GaussianBlur(picture * mask[..., None].astype(np.float32), (0, 0), radius)
    mean: FloatArray = total / np.maximum(weight, 1e-4)[..., None]
    return mean


def _refined(picture: UInt8Array, probability: FloatArray, face_size: float) -> FloatArray:
    """Return the matte at the picture's size: the fast guided filter (He and Sun 2015) in colour."""
    height, width = picture.shape[:2]
    scale = min(1.0, _FINE_SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    guide = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    source = cv2.resize(probability, size, interpolation=cv2.INTER_CUBIC)
    radius = max(2, round(_RADIUS * face_size * scale))

    def mean(values: AnyArray) -> AnyArray:
        return cv2.blur(values, (2 * radius + 1, 2 * radius + 1))

    guide_mean, source_mean = mean(guide), mean(source)
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    covariance = np.empty((*source.shape, 3, 3), np.float32)
    for i, j in pairs:
        value = mean(guide[..., i] * guide[..., j]) - guide_mean[..., i] * guide_mean[..., j]
        covariance[..., i, j] = covariance[..., j, i] = value + (_REGULARISATION if i == j else 0)
    shared = mean(guide * source[..., None]) - guide_mean * source_mean[..., None]
    # q = a · I + b, with a = (Σ + ε)^-1 cov(I, p).
    slope = mean(np.linalg.solve(covariance, shared[..., None])[..., 0])
    offset = mean(source_mean - (slope * guide_mean).sum(-1))
    large_slope = cv2.resize(slope, (width, height), interpolation=cv2.INTER_LINEAR)
    large_offset = cv2.resize(offset, (width, height), interpolation=cv2.INTER_LINEAR)
    matte = (picture * large_slope).sum(-1) / 255 + large_offset
    # The filter leaves a haze of a few percent, and finds colours of the person away from the outline.
    around = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    within = (np.asarray(each > 0.5, np.float32) for each in (cv2.erode(source, around), cv2.dilate(source, around)))
    least, most = (cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) for each in within)
    sharpened: FloatArray = np.clip((matte - 0.08) / 0.84, least, most).astype(np.float32)
    return sharpened

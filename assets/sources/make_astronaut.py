"""Makes assets/characters/astronaut.png from the public-domain NASA portrait that scikit-image carries.

Run: ``python assets/sources/make_astronaut.py`` (needs scikit-image and scipy beside the worker's packages).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import mediapipe
import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve
from skimage import data

OUTPUT = Path(__file__).resolve().parents[1] / "characters" / "astronaut.png"

CROP_LEFT, CROP_TOP, CROP_WIDTH, CROP_HEIGHT = -10, -52, 416, 392
"""The bust in pixels of the portrait; what lies outside the portrait is transparent. Ends above the held helmet."""
UPSCALE = 2
CONTEXT_HEIGHT = 400
"""Rows of the portrait that the segmentation sees: more than the crop, so that it knows a person's body."""

SURE_PROBABILITY = 0.95
INNER_MARGIN, OUTER_MARGIN = 9, 9
"""Diameters (odd, pixels) by which the sure foreground and the sure background keep away from the outline."""
MATTING_EPSILON = 1e-5
MATTE_BLACK, MATTE_WHITE = 0.06, 0.94
"""Matte values that become 0 and 1: the solver leaves a faint veil on either side of the outline."""
TABLE_BOX = (355, 265, 408, 340)
"""Left, top, right, bottom of the dark table beside the arm, which the segmentation takes for clothing."""
BUCKLE = ((126, 173), (121, 184), (118, 189), (115, 188), (117, 196), (115, 200), (115, 206), (126, 214), (133, 200))
"""Corners of the buckle on the collar ring, which both take for background."""
RING = ((130, 187), (133, 175), (139, 166), (148, 158), (158, 154), (170, 151), (184, 151))
RING_WIDTH = 5
"""The middle line of the collar ring, whose grey is that of the studio's wall."""


def collar(shape: tuple[int, int]) -> np.ndarray:
    """Return where the collar is sure to be: (H, W) bool."""
    mask = cv2.fillPoly(np.zeros(shape, np.uint8), [np.array(BUCKLE)], 1)
    return cv2.polylines(mask, [np.array(RING)], False, 1, RING_WIDTH).astype(bool)


def segment(portrait: np.ndarray) -> np.ndarray:
    """Return the probability that a pixel belongs to the person: (H, W) float32. portrait: (H, W, 3) uint8 RGB."""
    with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0) as segmentation:
        whole = segmentation.process(portrait).segmentation_mask
        upper = segmentation.process(np.ascontiguousarray(portrait[:CONTEXT_HEIGHT, 60:400])).segmentation_mask
    probability = whole.copy()
    # The closer view has the finer outline; below the shoulders it takes the arms for background.
    probability[:200, 60:400] = upper[:200]
    return probability


def refine_outline(portrait: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Return the person as (H, W) bool: the segmentation corrected by the colours on both sides (GrabCut)."""
    mask = np.where(probability > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    mask[cv2.erode(probability, np.ones((15, 15))) > SURE_PROBABILITY] = cv2.GC_FGD
    mask[cv2.dilate(probability, np.ones((15, 15))) < 1 - SURE_PROBABILITY] = cv2.GC_BGD
    left, top, right, bottom = TABLE_BOX
    mask[top:bottom, left:right] = cv2.GC_BGD
    mask[collar(mask.shape)] = cv2.GC_FGD
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(portrait[..., ::-1]), mask, None, *models, 6, cv2.GC_INIT_WITH_MASK)
    person = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    person = cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels, areas, _ = cv2.connectedComponentsWithStats(person)
    return labels == 1 + areas[1:, cv2.CC_STAT_AREA].argmax()


def matting_laplacian(picture: np.ndarray) -> coo_matrix:
    """Return the closed-form matting Laplacian (Levin et al. 2008) of 3×3 windows: (H·W, H·W) sparse.

    picture: (H, W, 3) float64 in [0, 1].
    """
    height, width, _ = picture.shape
    indices = np.arange(height * width).reshape(height, width)
    windows = np.lib.stride_tricks.sliding_window_view(indices, (3, 3)).reshape(-1, 9)
    colours = picture.reshape(-1, 3)[windows]  # (K, 9, 3)
    centred = colours - colours.mean(1, keepdims=True)
    covariance = np.einsum("kni,knj->kij", centred, centred) / 9 + MATTING_EPSILON / 9 * np.eye(3)
    affinity = (1 + np.einsum("kni,kij,kmj->knm", centred, np.linalg.inv(covariance), centred)) / 9
    rows = np.repeat(windows, 9, axis=1).ravel()
    columns = np.tile(windows, 9).ravel()
    weights = coo_matrix((affinity.ravel(), (rows, columns)), (indices.size, indices.size)).tocsr()
    return diags(np.asarray(weights.sum(1)).ravel()) - weights


def matte(portrait: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return alpha (H, W) float64 in [0, 1]: certain inside and outside, solved in the band along the outline."""
    inner = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (INNER_MARGIN, INNER_MARGIN))
    outer = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (OUTER_MARGIN, OUTER_MARGIN))
    foreground = cv2.erode(person.astype(np.uint8), inner, borderValue=1).astype(bool) | collar(person.shape)
    background = ~cv2.dilate(person.astype(np.uint8), outer).astype(bool)
    laplacian = matting_laplacian(portrait / 255.0).tocsr()
    unknown = np.flatnonzero(~(foreground | background).ravel())
    known = foreground.ravel().astype(np.float64)
    alpha = known.copy()
    alpha[unknown] = spsolve(laplacian[unknown][:, unknown].tocsc(), -(laplacian[unknown] @ known))
    alpha = alpha.reshape(person.shape)
    return np.clip((alpha - MATTE_BLACK) / (MATTE_WHITE - MATTE_BLACK), 0, 1)


def foreground_colours(portrait: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the person's own colours under the soft edge, free of the old background (blur fusion, Forte 2021)."""
    picture = portrait / 255.0
    foreground, background = picture, picture
    weight = alpha[..., None]
    for radius in (91, 15, 7):
        size = (radius, radius)
        near = (cv2.blur(alpha, size) + 1e-5)[..., None]
        far = (cv2.blur(1 - alpha, size) + 1e-5)[..., None]
        foreground_mean = cv2.blur(foreground * weight, size) / near
        background = cv2.blur(background * (1 - weight), size) / far
        residual = picture - weight * foreground_mean - (1 - weight) * background
        foreground = np.clip(foreground_mean + weight * residual, 0, 1)
    return foreground


def enlarge(plane: np.ndarray) -> np.ndarray:
    """Return ``plane`` in the crop, UPSCALE times as large."""
    pad = (max(-CROP_TOP, 0), 0), (max(-CROP_LEFT, 0), 0)
    padded = np.pad(plane, (*pad, (0, 0))[: plane.ndim], mode="edge" if plane.ndim == 3 else "constant")
    top, left = max(CROP_TOP, 0), max(CROP_LEFT, 0)
    crop = padded[top : top + CROP_HEIGHT, left : left + CROP_WIDTH]
    return cv2.resize(crop, None, fx=UPSCALE, fy=UPSCALE, interpolation=cv2.INTER_LANCZOS4)


def sharpen(picture: np.ndarray) -> np.ndarray:
    """Return ``picture`` with its edges raised as far as enlarging blurred them."""
    return picture + 0.6 * (picture - cv2.GaussianBlur(picture, (0, 0), 1.6))


def make_astronaut() -> np.ndarray:
    """Return the character: (H, W, 4) uint8 RGBA, straight alpha."""
    portrait = data.astronaut()
    person = refine_outline(portrait, segment(portrait))
    alpha = matte(portrait, person)
    colours = sharpen(enlarge(foreground_colours(portrait, alpha)))
    alpha = np.clip(enlarge(alpha), 0, 1)
    colours[alpha <= 0] = 0
    return (np.dstack([np.clip(colours, 0, 1), alpha]) * 255 + 0.5).astype(np.uint8)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    picture = cv2.cvtColor(make_astronaut(), cv2.COLOR_RGBA2BGRA)
    cv2.imwrite(str(arguments.output), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()

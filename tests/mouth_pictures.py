"""Faces for tests of the mouth: photograph-like with noise, grey, toned, dark, and one that shows its teeth."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from test_warp import face_picture

from animator_core.characters.character import Character
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.expression_coordinates import INDEX, NAMES, coordinates
from animator_core.motion.rotation import rotation_from_euler
from animator_core.tracking.face_model import INNER_LIPS, OUTER_LIPS

Toning = Callable[[np.ndarray], np.ndarray]
TOOTH, SKIN = (228, 214, 176), (220, 180, 150)
LINE = (60, 20, 30)


def photo(
    name: str,
    toning: Toning = lambda levels: levels,
    *,
    gap: float = 0.0,
    has_teeth: bool = False,
    has_lips: bool = True,
) -> Character:
    """Return a face with the detail of a photograph; toning: (H, W, 3) float RGB to another; gap: of its lips."""
    plain = face_picture(has_alpha=False)
    landmarks = plain.landmarks.copy()
    scale = 180
    upper, lower = np.array(INNER_LIPS[1:10]), np.array(INNER_LIPS[:10:-1])
    middle = (landmarks[upper] + landmarks[lower]) / 2
    arc = 1 - (np.linspace(-1, 1, 9)[:, None] * 0.9) ** 2
    half = np.array([0, 0.5 * gap * scale, 0]) * arc
    landmarks[upper], landmarks[lower] = middle - half, middle + half
    levels = plain.picture[..., :3].astype(np.float32)
    if not has_lips:
        ring = [np.rint(landmarks[list(OUTER_LIPS), :2]).astype(np.int32)]
        cv2.polylines(levels, ring, True, SKIN, 5)
        cv2.fillPoly(levels, ring, SKIN)
    if gap:
        inside = [np.rint(landmarks[list(INNER_LIPS), :2] * 16).astype(np.int32)]
        cv2.fillPoly(levels, inside, TOOTH if has_teeth else (40, 12, 14), cv2.LINE_AA, 4)
    noise = np.random.default_rng(7).normal(0, 1, levels.shape[:2]).astype(np.float32)
    light = 1 + 0.06 * cv2.GaussianBlur(noise, (0, 0), 1.0)[..., None]
    toned = np.clip(toning(levels * light), 0, 255).astype(np.uint8)
    return Character(name, name, np.dstack([toned, plain.picture[..., 3]]), landmarks.astype(np.float32), name)


def grey(levels: np.ndarray) -> np.ndarray:
    light = np.rint(levels @ np.array([0.299, 0.587, 0.114]))
    return np.dstack([light] * 3)


def sepia(levels: np.ndarray) -> np.ndarray:
    return grey(levels) * np.array([0.98, 0.84, 0.66])


def dark(levels: np.ndarray) -> np.ndarray:
    return levels * 0.3


def lined() -> Character:
    """Return a drawn face without lips, its mouth a dark line."""
    plain = face_picture(has_alpha=False)
    landmarks, picture = plain.landmarks.copy(), plain.picture.copy()
    upper, lower = np.array(INNER_LIPS[1:10]), np.array(INNER_LIPS[:10:-1])
    landmarks[upper] = landmarks[lower] = (landmarks[upper] + landmarks[lower]) / 2
    ring = [np.rint(landmarks[list(OUTER_LIPS), :2]).astype(np.int32)]
    cv2.polylines(picture, ring, True, (*SKIN, 255), 5)
    cv2.fillPoly(picture, ring, (*SKIN, 255))
    seam = [np.rint(landmarks[list(INNER_LIPS[:11]), :2] * 16).astype(np.int32)]
    cv2.polylines(picture, seam, False, (*LINE, 255), 2, cv2.LINE_AA, 4)
    return Character("lined", "Lined", picture, landmarks, "lined")


def opened(
    gap: float, yaw: float = 0.0, pitch: float = 0.0, *, lift: float = 0.0, narrower: float = 0.0
) -> DrivingMotion:
    """Return a motion with the jaw dropped by ``gap`` face sizes; angles in degrees.

    lift: of the upper lip. narrower: each corner inwards.
    """
    layout = coordinates()
    movements = np.zeros(len(NAMES), np.float32)
    movements[[INDEX["chin"], INDEX["lower_lip"]]] = gap
    movements[[INDEX["corner_down_right"], INDEX["corner_down_left"]]] = 0.35 * gap
    movements[INDEX["upper_lip"]] = -lift
    movements[[INDEX["corner_out_right"], INDEX["corner_out_left"]]] = -narrower
    expression = (layout.spread @ movements).reshape(-1, 3)
    return DrivingMotion(rotation=rotation_from_euler(yaw, pitch, 0), expression=expression, mouth_width=0.318)

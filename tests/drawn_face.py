"""A drawn face that no detector sees, and where its points are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

POINTS = {
    "right_eye_outer": (165.0, 275.0),
    "right_eye_inner": (255.0, 275.0),
    "left_eye_inner": (345.0, 275.0),
    "left_eye_outer": (435.0, 275.0),
    "mouth_right": (220.0, 438.0),
    "mouth_left": (380.0, 438.0),
    "chin": (300.0, 520.0),
    "right_eye_top": (210.0, 260.0),
    "right_eye_bottom": (210.0, 290.0),
    "left_eye_top": (390.0, 260.0),
    "left_eye_bottom": (390.0, 290.0),
}
"""By the names of `face_model.NAMED_POINTS`, in pixels; in the order in which they are asked for."""


def write_drawn_face(path: Path) -> Path:
    """Write a robot, 600×640 pixels: a square head with red slits for eyes and one for a mouth."""
    import cv2

    picture = np.full((640, 600, 3), 120, np.uint8)
    cv2.rectangle(picture, (120, 160), (480, 520), (170, 170, 160), -1)
    for x in (210, 390):
        cv2.rectangle(picture, (x - 45, 260), (x + 45, 290), (60, 40, 200), -1)
    cv2.rectangle(picture, (220, 430), (380, 445), (60, 60, 60), -1)
    cv2.imwrite(str(path), picture)
    return path

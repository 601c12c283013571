"""A face that stand-in networks understand: they close red and green eyes, and open blue mouths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from animator_core.anime import parameters
from animator_core.characters.character import Character
from animator_core.characters.head_place import HeadPlace

LEFT, RIGHT, MOUTH = (255, 0, 0), (0, 255, 0), (0, 0, 255)
"""Eyes on the left and on the right of the picture."""
_SKIN = (200, 200, 200)
_CHANGES = (("eye_wink_right", 0), ("eye_wink_left", 1), ("mouth_aaa", 2))


@dataclass(frozen=True)
class _Change:
    moved: torch.Tensor

    def apply(self, face: torch.Tensor) -> torch.Tensor:
        return self.moved


class ColouredFaceNetworks:
    """Stands in for `AnimeNetworks`; takes a colour's pixels away that a pose closes or opens."""

    def __init__(self) -> None:
        self.looks = 0
        """How many pictures were looked at."""

    def change_face(self, face: torch.Tensor, pose: torch.Tensor) -> _Change:
        self.looks += len(face)
        moved = face.clone()
        for name, channel in _CHANGES:
            others = [each for each in range(3) if each != channel]
            is_own = (face[:, channel] > 0) & (face[:, others].amax(dim=1) < -0.5)
            closes = is_own & (pose[:, parameters.INDEX[name]] > 0.5)[:, None, None]
            moved[:, channel][closes] = -1
        return _Change(moved)

    def parameters(self) -> Iterator[torch.Tensor]:
        yield torch.zeros(())

    def decompose(self, picture: torch.Tensor) -> None:
        return None

    def __call__(self, picture: torch.Tensor, layers: None, pose: torch.Tensor) -> torch.Tensor:
        return self.change_face(picture, pose).moved


def blank(height: int = 600, width: int = 500) -> np.ndarray:
    """Return a transparent picture, (H, W, 4) uint8 RGBA."""
    return np.zeros((height, width, 4), np.uint8)


def draw_body(picture: np.ndarray, x: int, y: int, size: float = 1.0) -> None:
    """Draw a head round (x, y), its radius 70 by ``size``, and a body below it."""
    cv2.ellipse(picture, (x, y), (round(70 * size), round(80 * size)), 0, 0, 360, color=(*_SKIN, 255), thickness=-1)
    top, half = round(y + 70 * size), round(90 * size)
    picture[top : round(top + 250 * size), max(0, x - half) : x + half] = (*_SKIN, 255)


def draw_face(picture: np.ndarray, x: int, y: int, *, size: float = 1.0, parts: str = "lrm", tilt: float = 0.0) -> None:
    """Draw eyes 50 apart, by ``size``, with their middle at (x, y), and a mouth; tilt: in degrees.

    parts: l and r for the eyes on the left and on the right, m for the mouth.
    """
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    turn = np.array([[cos, -sin], [sin, cos]])
    for part, colour, offset in (("l", LEFT, (-25, 0)), ("r", RIGHT, (25, 0)), ("m", MOUTH, (0, 42))):
        if part in parts:
            at_x, at_y = (turn @ offset * size + (x, y)).round().astype(int).tolist()
            cv2.circle(picture, (at_x, at_y), round(10 * size), (*colour, 255), -1)


def character(picture: np.ndarray, landmarks: np.ndarray | None = None, head: HeadPlace | None = None) -> Character:
    """Return a character with this picture."""
    return Character("face.png", "Face", picture, landmarks, "0" * 64, head)


def landmarks_of(x: float, y: float, *, size: float = 1.0, tilt: float = 0.0) -> np.ndarray:
    """Return landmarks, (478, 3), whose eyes are those of `draw_face`."""
    points = np.zeros((478, 3), np.float32)
    along = np.array([np.cos(np.radians(tilt)), np.sin(np.radians(tilt))])
    for indices, shift in (((33, 133), -1), ((263, 362), 1)):
        points[list(indices), :2] = np.array([x, y]) + along * shift * 25 * size
    return points

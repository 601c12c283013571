"""One picture of a character in many poses, drawn by the full networks, so that a look tells whether they suit it."""

from __future__ import annotations

from typing import Callable

import cv2
import numpy as np
import torch

from animator_core.anime import parameters
from animator_core.anime.network_picture import network_picture
from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.arrays import UInt8Array
from animator_core.characters.head_place import HeadPlace
from animator_core.rendering.srgb import encode_srgb


def _both(**values: float) -> dict[str, float]:
    return {f"{name}_{side}": value for name, value in values.items() for side in ("left", "right")}


POSES: tuple[tuple[str, dict[str, float]], ...] = (
    ("neutral", {}),
    ("eyes closed", _both(eye_wink=1)),
    ("left eye closed", {"eye_wink_left": 1}),
    ("right eye closed", {"eye_wink_right": 1}),
    ("brows up", _both(eyebrow_raised=1)),
    ("brows down", _both(eyebrow_lowered=1, eyebrow_angry=0.5)),
    ("aaa", {"mouth_aaa": 1}),
    ("iii", {"mouth_iii": 1}),
    ("uuu", {"mouth_uuu": 1}),
    ("eee", {"mouth_eee": 1}),
    ("ooo", {"mouth_ooo": 1}),
    ("smile", {**_both(mouth_raised_corner=1, eye_happy_wink=1)}),
    ("turned to one side", {"head_y": 1, "body_y": 0.5}),
    ("to the other", {"head_y": -1, "body_y": -0.5}),
    ("nod", {"head_x": -1}),
    ("look up", {"head_x": 1}),
    ("tilted", {"neck_z": 1}),
    ("the other way", {"neck_z": -1}),
)
"""Name and parameters of each cell; left and right are the character's own."""
_IN_A_ROW = 6
_SHOWN = slice(40, 296), slice(128, 384)
_LABEL = 24
_GREY = 0.1
"""Linear light of the background."""


def contact_sheet(
    networks: AnimeNetworks, picture: UInt8Array, place: HeadPlace, *, tell: Callable[[int], object] = int
) -> UInt8Array:
    """Return the character's head and shoulders in all `POSES`, (H, W, 3) uint8 RGB; takes 1 to 3 s a pose.

    picture: (H, W, 4) uint8 RGBA, straight alpha. tell: called with the number of poses drawn so far.
    """
    cells = []
    with torch.inference_mode():
        device = next(networks.parameters()).device
        seen = network_picture(picture, place).to(device)
        layers = networks.decompose(seen)
        for name, values in POSES:
            drawn = networks(seen, layers, torch.from_numpy(parameters.pose(values))[None].to(device))
            cells.append(_labelled(over_grey(drawn)[_SHOWN], name))
            tell(len(cells))
    rows = (cells[first : first + _IN_A_ROW] for first in range(0, len(cells), _IN_A_ROW))
    return np.vstack([np.hstack(row) for row in rows])


def over_grey(drawn: torch.Tensor) -> UInt8Array:
    """Return a picture of the networks, (1, 4, H, W), over grey, as (H, W, 3) uint8 RGB."""
    linear = ((drawn[0].cpu().numpy() + 1) / 2).clip(0, 1)
    encoded = encode_srgb(linear[:3] + (1 - linear[3]) * _GREY)
    return np.asarray(np.rint(encoded.transpose(1, 2, 0) * 255), np.uint8)


def _labelled(cell: UInt8Array, text: str) -> UInt8Array:
    bar = np.full((_LABEL, cell.shape[1], 3), 32, np.uint8)
    cv2.putText(bar, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, color=(230, 230, 230), lineType=cv2.LINE_AA)
    return np.vstack([cell, bar])

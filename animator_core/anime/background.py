"""Removes the background of an opaque drawing if it is of one plain colour; the anime networks need it transparent."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.errors import CharacterError

_CLOSE = 18
"""Levels of 255 by which a channel of the background may differ from its colour: JPEG's noise."""
_OTHERS = 8, 30
"""A clean outline is the same with these tolerances."""
_MOST_UNSURE = 0.01
"""Share of the picture, off the outline, in which the tolerances may differ."""
_LEAST_PLAIN = 0.9
_AREAS = 0.1, 0.95
_EDGE = 5
_REMEDY = "save it with a transparent background, as PNG or WebP"


def without_background(picture: UInt8Array) -> UInt8Array:
    """Return the picture with a plain background transparent; one that has transparency already comes back itself.

    picture: (H, W, 4) uint8 RGBA, straight alpha. Only what is joined to the edge of the picture is background. Raises
    CharacterError if that is not plain, or cannot be told from the character.
    """
    if (picture[..., 3] < 255).any():
        return picture
    colour = np.median(_upper_edge(picture[..., :3]), axis=0)
    distance = np.abs(picture[..., :3].astype(np.int16) - colour.astype(np.int16)).max(axis=2)
    background = _joined_to_edge(distance <= _CLOSE)
    share = float(background.mean())
    if _upper_edge(background[..., None]).mean() < _LEAST_PLAIN or not _AREAS[0] <= share <= _AREAS[1]:
        raise CharacterError("it has no transparency, and its background is not plain", _REMEDY)
    outline = cv2.morphologyEx(background.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((_EDGE, _EDGE), np.uint8)) > 0
    others = (_joined_to_edge(distance <= each) for each in _OTHERS)
    if any(((each ^ background) & ~outline).mean() > _MOST_UNSURE for each in others):
        raise CharacterError("it has no transparency, and its plain background runs into the character", _REMEDY)
    return _cut_out(picture, background, colour=colour)


def _upper_edge(values: AnyArray) -> AnyArray:
    """Return the values, (H, W, C), along the top edge and the upper half of both sides, as (N, C)."""
    half = len(values) // 2
    return np.concatenate([values[0], values[:half, 0], values[:half, -1]])


def _joined_to_edge(mask: BoolArray) -> BoolArray:
    """Return the parts of a mask that touch the picture's edge, except at the bottom, which cuts the character."""
    count, connected = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    labels = np.asarray(connected)
    edge = np.concatenate([labels[0], labels[:-1, 0], labels[:-1, -1]])
    joined = np.zeros(count, np.bool_)
    joined[edge] = True
    joined[0] = False
    return np.asarray(joined[labels])


def _cut_out(picture: UInt8Array, background: BoolArray, *, colour: UInt8Array) -> UInt8Array:
    """Return the picture with a smooth outline: there pixels are mixtures of the background and the nearest inside."""
    inside = np.asarray(cv2.erode((~background).astype(np.uint8), np.ones((_EDGE, _EDGE), np.uint8)), np.uint8)
    _, marked = cv2.distanceTransformWithLabels(1 - inside, cv2.DIST_L2, maskSize=3, labelType=cv2.DIST_LABEL_PIXEL)
    labels = np.asarray(marked)
    rows, columns = np.nonzero(inside)
    nearest = np.zeros(int(labels.max()) + 1, np.int64)
    nearest[labels[rows, columns]] = np.arange(len(rows))
    rim = ~background & (inside == 0)
    near = nearest[labels[rim]]
    own = picture[rows[near], columns[near], :3].astype(np.float32)
    mixed = picture[rim][:, :3].astype(np.float32)
    span = own - colour
    share = ((mixed - colour) * span).sum(axis=1) / np.maximum((span * span).sum(axis=1), 1)
    cut = picture.copy()
    cut[background] = 0
    # A line along the outline is farther from the background than what is inside of it: no mixture, and opaque.
    shown = np.where(share[:, None] < 1, own, mixed)
    cut[rim] = np.rint(np.column_stack([shown, np.clip(share, 0, 1) * 255]))
    return cut


def may_be_cut_out(character: Character) -> bool:
    """Return whether the character has no background, or one that can be removed; photographs have one."""
    try:
        without_background(character.picture)
    except CharacterError:
        return False
    return True

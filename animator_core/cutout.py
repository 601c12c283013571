"""Cuts a character out of its background: the opacity, and the colours of its edge without the background's."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.anime.background import without_background
from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.adding import write_cutout
from animator_core.characters.character import Character
from animator_core.characters.library import CharacterLibrary
from animator_core.errors import CharacterError
from animator_core.ipc.character_names import as_text
from animator_core.warp.matte import person_matte

_REMEDY = "use a picture with a calm background, or remove it in a drawing program and save as PNG"
_WIDE, _NARROW = 0.06, 0.006
"""Radii of the two passes that estimate the edge's colours, in sides of the picture."""
_SPECK = 0.02
"""Opacity that is no more than a trace."""
_SOLID, _HOLE = 0.9, 0.06
"""Opacity of the character's inside, and the area of the largest hole in it, in squares of the face's height."""


def cut_out(character: Character) -> UInt8Array:
    """Return the character's picture without its background, (H, W, 4) uint8 RGBA, straight alpha.

    A plain background is removed as such, another one by the segmentation of persons around the face. Raises
    CharacterError if the picture is transparent already, or nothing tells the character from the background.
    """
    picture = character.picture
    if character.has_alpha:
        raise CharacterError(f"{character.name} has a transparent background already", "nothing is to be done")
    try:
        return without_background(picture)
    except CharacterError:
        landmarks = character.require_landmarks()
    rgb = np.ascontiguousarray(picture[..., :3])
    # One face unit is the height from forehead to chin.
    face_size = float(np.linalg.norm(landmarks[10, :2] - landmarks[152, :2]))
    matte = person_matte(rgb, landmarks, face_size)
    if matte is None:
        raise CharacterError(f"{character.name}: the character cannot be told from its background", _REMEDY)
    matte = _without_holes(matte, _HOLE * face_size**2)
    alpha = np.where(matte < _SPECK, 0, np.where(matte > 1 - _SPECK, 1, matte)).astype(np.float32)
    colours = foreground_colours(rgb, alpha)
    return np.dstack([colours, np.rint(alpha * 255).astype(np.uint8)])


def cut_out_of_library(library: CharacterLibrary, name: str) -> str:
    """Write a character's picture without its background beside it and return the new file's name.

    Raises CharacterError.
    """
    path = library.path(name)
    return as_text(write_cutout(path, cut_out(library.load_whole(path))).name)


def _without_holes(matte: FloatArray, most_area: float) -> FloatArray:
    """Return the opacity with small holes inside the character filled: the segmentation's, hardly ever its own."""
    is_open = (matte < _SOLID).astype(np.uint8)
    count, *found = cv2.connectedComponentsWithStats(is_open, connectivity=8)
    labels, statistics = np.asarray(found[0]), np.asarray(found[1])
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    is_hole = np.ones(count, np.bool_)
    is_hole[rim] = False
    is_hole[0] = False
    is_hole &= statistics[:, cv2.CC_STAT_AREA] < most_area
    return np.asarray(np.where(is_hole[labels], np.float32(1), matte), np.float32)


def foreground_colours(picture: UInt8Array, alpha: FloatArray) -> UInt8Array:
    """Return the colours of the character alone, (H, W, 3) uint8 RGB: blur fusion in two passes (Forte 2021).

    picture: (H, W, 3) uint8 RGB, what is seen: I = αF + (1 − α)B. alpha: (H, W) float32.
    """
    seen, side = picture.astype(np.float32) / 255, max(picture.shape[:2])
    foreground, background = seen, seen
    opacity = alpha[..., None]
    for share in (_WIDE, _NARROW):
        radius = max(2, round(share * side))
        kernel = (2 * radius + 1, 2 * radius + 1)
        weight = cv2.blur(alpha, kernel)[..., None]
        # F̂ = blur(αF)/blur(α), B̂ = blur((1 − α)B)/blur(1 − α), F = F̂ + α(I − αF̂ − (1 − α)B̂)
        mean = cv2.blur(foreground * opacity, kernel) / (weight + 1e-5)
        background = cv2.blur(background * (1 - opacity), kernel) / (1 - weight + 1e-5)
        foreground = np.clip(mean + opacity * (seen - opacity * mean - (1 - opacity) * background), 0, 1)
    # Where nothing of the background is seen, nothing is estimated.
    whole = np.where(opacity >= 1, seen, foreground)
    return np.asarray(np.rint(whole * 255), np.uint8)

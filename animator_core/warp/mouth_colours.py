"""The colours of a mouth's inside, all derived from the picture's own skin and lips."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.smoothstep import smooth_share
from animator_core.tracking.face_model import CHIN, FACE_OVAL, FOREHEAD, INNER_LIPS, OUTER_LIPS
from animator_core.tracking.pose import fit_pose
from animator_core.warp.canvas import polygon_mask
from animator_core.warp.likeness import human_likeness

_FACE_PIXELS = 160
"""Height of the face at which it is told whether it is drawn."""
_PHOTO_CONTRAST, _DRAWN_CONTRAST = 17.0, 27.0
"""Strong over usual detail below the eyes. Photographs and paintings have 4 to 15, drawings 29 to 220, saved as JPEG
too: between lines a drawing has no detail at all."""
_PHOTO_DETAIL, _FLAT_DETAIL = 0.0018, 0.0008
"""Usual detail over skin's lightness. Photographs have 0.003 to 0.02; a drawing with few lines only this to tell it."""
_GREY_SPREAD, _COLOUR_SPREAD = 0.8, 2.2
"""Spread of chroma, in grey levels, that lightness does not explain: toned photographs have 0.1 to 0.5, coloured ones
from 1.6 upwards, measured over the face."""
_IVORY = np.array([0.80, 0.94, 1.0])
"""Blue, green and red of enamel in white light."""
_OWN_CAST = 0.22
"""Share of the skin's own colour in the teeth of a coloured picture: the light's colour shows in both."""


_NO_LIPS, _CLEAR_LIPS = 0.06, 0.1
"""Logarithm of red over green of lips less that of skin. People's lips have 0.1 to 0.5, pale
men's included; a cat's muzzle 0.07, a terracotta statue's mouth 0.05."""
_LINE_REACH, _LINE_WIDTHS = 0.035, (0.006, 0.02)
_BARE_SKIN = (
    (50, 101, 36, 205, 187, 147), (280, 330, 266, 425, 411, 376), (9, 107, 66, 10, 296, 336), (199, 200, 201, 421),
)  # fmt: skip
"""Rings on cheeks, forehead and chin."""


@dataclass(frozen=True)
class MouthColours:
    """BGR colours, (3,) float64 each, 0 to 255.

    relief: 1 for photographs and paintings, 0 for drawings, between for what is between. balance: the light's
    logarithmic slope across the mouth, by a face unit to the right. lips: how clearly lips stand out by their colour,
    0 to 1; muzzles and statues have none, and no human teeth behind them. line_width: of the line between the lips, in
    face units.
    """

    tooth: DoubleArray
    gum: DoubleArray
    tongue: DoubleArray
    cavity: DoubleArray
    line: DoubleArray
    relief: float
    balance: float
    lips: float
    line_width: float


def mouth_colours(picture: UInt8Array, landmarks: FloatArray) -> MouthColours:
    """Return the colours for a picture, (H, W, 3) uint8 BGR, with landmarks, (478, 3) pixels, `with_true_depth`."""
    relief = 1 - drawn_share(picture, landmarks)
    colourfulness = colour_share(picture, landmarks)
    skin, brightest = _skin(picture, landmarks)
    lips = _lips(picture, landmarks, skin)
    cast = 1 - (1 - _OWN_CAST) * colourfulness
    tooth = np.maximum(skin, 1) ** cast * (_IVORY * skin.max()) ** (1 - cast)
    tooth *= min(1.04 * brightness(skin), brightest) / max(brightness(tooth), 1.0)
    flat_tooth = 0.2 * skin + 0.8 * max(float(skin.max()), brightest)
    flat_tooth = np.minimum(skin + colourfulness * (flat_tooth - skin), 252)
    tooth = np.clip(flat_tooth + relief * (tooth - flat_tooth), 0, 250)
    red = np.array([0.82, 0.78, 1.0]) ** colourfulness
    flesh = lips * red
    line, line_width = _line(picture, landmarks, lips)
    flat_cavity = 0.55 * line + 0.25 * flesh
    flat_cavity *= min(1.0, 0.25 * brightness(skin) / max(brightness(flat_cavity), 1.0))
    return MouthColours(
        tooth=tooth,
        gum=flesh * 0.66,
        tongue=flesh * (0.98 - 0.1 * relief),
        cavity=flat_cavity + relief * (flesh * red * 0.3 - flat_cavity),
        line=line,
        relief=relief,
        balance=_balance(picture, landmarks),
        lips=_human_share(picture, landmarks, colourfulness > 0.5) if relief > 0.5 else 1.0,
        line_width=line_width,
    )


def drawn_share(picture: UInt8Array, landmarks: FloatArray) -> float:
    """Return how much a face looks drawn, 0 to 1, by the detail below its eyes: strong over usual, or hardly any."""
    points = landmarks[:, :2]
    height = float(np.linalg.norm(points[CHIN] - points[FOREHEAD]))
    grey, outline, factor, low = _face_crop(picture, points, _FACE_PIXELS / max(height, 1.0))
    eroded = np.asarray(cv2.erode(polygon_mask(outline, grey.shape), np.ones((7, 7), np.uint8)))
    below_eyes = (points[[145, 374], 1].max() + 0.04 * height - low[1]) * factor
    eroded[: max(int(below_eyes), 0)] = 0
    detail = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.0))[eroded == 255]
    if len(detail) < 50:
        return 0.0
    usual, strong = np.percentile(detail, [50, 95])
    contrast = float(strong) / max(float(usual), 0.05)
    lines = np.log(max(contrast, 1e-3) / _PHOTO_CONTRAST) / np.log(_DRAWN_CONTRAST / _PHOTO_CONTRAST)
    light = max(float(np.median(grey[eroded == 255])), 1.0)
    flat = (_PHOTO_DETAIL - float(usual) / light) / (_PHOTO_DETAIL - _FLAT_DETAIL)
    return smooth_share(max(float(lines), flat))


def colour_share(picture: UInt8Array, landmarks: FloatArray) -> float:
    """Return 0 for a grey or toned face, 1 for a coloured one, by the chroma that lightness does not explain."""
    points = landmarks[:, :2]
    height = float(np.linalg.norm(points[CHIN] - points[FOREHEAD]))
    low, high = _bounds(points[:468], picture.shape)
    crop = picture[low[1] : high[1], low[0] : high[0]]
    if crop.size == 0:
        return 0.0
    factor = min(1.0, 64 / max(height, 1.0))
    crop = np.asarray(cv2.resize(crop, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    levels = np.asarray(cv2.cvtColor(crop.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2YCrCb)).reshape(-1, 3)
    light = levels[:, 0].astype(np.float64)
    terms = np.stack([np.ones_like(light), light, light**2, light**3], 1)
    chroma = 255 * levels[:, 1:].astype(np.float64)
    rest = chroma - terms @ np.linalg.lstsq(terms, chroma, rcond=None)[0]
    # A dark picture has little chroma, whatever its colours.
    spread = float(np.linalg.norm(rest.std(0))) / max(float(np.percentile(light, 90)), 0.1)
    return smooth_share((spread - _GREY_SPREAD) / (_COLOUR_SPREAD - _GREY_SPREAD))


def _face_crop(
    picture: UInt8Array, points: FloatArray, factor: float
) -> tuple[FloatArray, FloatArray, float, AnyArray]:
    """Return the face in grey, at most as large as it is; its outline there, the factor, and its place."""
    low, high = _bounds(points[:468], picture.shape)
    crop = picture[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)).astype(np.float32)
    factor = min(factor, 1.0)
    if factor < 1:
        grey = np.asarray(cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    outline: FloatArray = (points[list(FACE_OVAL)] - low) * factor
    return grey, outline, factor, low


def _bounds(points: FloatArray, shape: tuple[int, ...]) -> tuple[AnyArray, AnyArray]:
    """Return the corners of the points' box within a picture, (2,) int each."""
    size = np.array([shape[1], shape[0]])
    low = np.clip(np.floor(points.min(0)).astype(int), 0, size - 1)
    return low, np.clip(np.ceil(points.max(0)).astype(int) + 1, low + 1, size)


def _bare_skin(picture: UInt8Array, landmarks: FloatArray) -> DoubleArray:
    """Return the pixels of cheeks, forehead and chin, (N, 3) float64 BGR."""
    masks = [polygon_mask(landmarks[list(ring), :2], picture.shape) == 255 for ring in _BARE_SKIN]
    pixels: DoubleArray = picture[np.logical_or.reduce(masks)].astype(np.float64)
    return pixels


def _skin(picture: UInt8Array, landmarks: FloatArray) -> tuple[DoubleArray, float]:
    """Return well-lit skin's BGR colour, (3,) float64, and the luminance that no tooth exceeds."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for ring in (
        (50, 101, 36, 205, 187, 147),
        (280, 330, 266, 425, 411, 376),
        (9, 107, 66, 10, 296, 336),
        (199, 200, 201, 421),
    ):
        cv2.fillPoly(mask, [np.rint(landmarks[list(ring), :2]).astype(np.int32)], (255,))
    pixels = picture[mask > 0].astype(np.float64)
    if len(pixels) < 8:
        return np.array([150.0, 165.0, 190.0]), 180.0
    light = luminance(pixels)
    low, high = np.percentile(light, [55, 92])
    return np.asarray(np.median(pixels[(light >= low) & (light <= high)], axis=0)), float(high)


def _lips(picture: UInt8Array, landmarks: FloatArray, skin: DoubleArray) -> DoubleArray:
    """Return the lips' mean BGR colour, (3,) float64, or skin's in shade if the picture shows none."""
    outer, inner = (polygon_mask(landmarks[list(ring), :2], picture.shape) for ring in (OUTER_LIPS, INNER_LIPS))
    mask = np.where(inner == 0, outer, 0).astype(np.uint8)
    lips = np.array(cv2.mean(picture, mask)[:3]) if mask.any() else skin
    return np.asarray(lips * min(1.0, 0.72 * brightness(skin) / max(brightness(lips), 1.0)))


def _lip_share(picture: UInt8Array, landmarks: FloatArray) -> float:
    """Return how clearly the lips are redder than skin, 0 to 1."""
    ring, inner = (landmarks[list(each), :2] for each in (OUTER_LIPS, INNER_LIPS))
    middle = ring.mean(0)
    rings = (ring, inner, middle + 1.5 * (ring - middle), middle + 1.15 * (ring - middle))
    lips, hole, around, between = (polygon_mask(each, picture.shape) for each in rings)
    areas = [picture[mask] for mask in ((lips == 255) & (hole == 0), (around == 255) & (between == 0))]
    areas.append(_bare_skin(picture, landmarks))
    if min(len(each) for each in areas) < 8:
        return 1.0
    lip, *others = (_redness(np.median(each.astype(np.float64), axis=0)) for each in areas)
    more = lip - min(others)
    return smooth_share((more - _NO_LIPS) / (_CLEAR_LIPS - _NO_LIPS))


def _human_share(picture: UInt8Array, landmarks: FloatArray, is_coloured: bool) -> float:
    """Return how likely a photographed mouth is a human one, 0 to 1: by the face's shape, and its lips' colour."""
    return human_likeness(landmarks, fit_pose(landmarks)) * (_lip_share(picture, landmarks) if is_coloured else 1.0)


def _redness(colour: DoubleArray) -> float:
    return float(np.log((colour[2] + 1) / (colour[1] + 1)))


def _line(picture: UInt8Array, landmarks: FloatArray, lips: DoubleArray) -> tuple[DoubleArray, float]:
    """Return the line below the upper lip: the darkest BGR colour along it, (3,) float64, and its width in face units.

    That is the line between closed lips; an open mouth of a drawing has it around.
    """
    seam = landmarks[list(INNER_LIPS[2:9]), :2]
    down = landmarks[CHIN, :2] - landmarks[FOREHEAD, :2]
    steps = np.linspace(-_LINE_REACH, _LINE_REACH, 41)
    places = seam[:, None] + steps[None, :, None] * down
    inside = ((places >= 0) & (places < [picture.shape[1] - 1, picture.shape[0] - 1])).all()
    if not inside:
        return np.asarray(0.35 * lips), _LINE_WIDTHS[0]
    at = places.astype(np.float32)
    profile = np.asarray(cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR)).astype(np.float64)
    middle = profile[:, 13:28]
    darkest = np.take_along_axis(middle, luminance(middle).argmin(1)[:, None, None], 1)[:, 0]
    line = np.asarray(np.median(darkest, axis=0))
    # Equivalent width: how many steps are like the line rather than like the lips around it.
    around = (profile[:, :4].mean(1) + profile[:, -4:].mean(1)) / 2
    axis = line - around
    likeness = ((profile - around[:, None]) * axis[:, None]).sum(2) / np.maximum((axis * axis).sum(1), 1)[:, None]
    width = float(np.median(np.clip(likeness, 0, 1).sum(1))) * (steps[1] - steps[0])
    return line, float(np.clip(width, *_LINE_WIDTHS))


def _balance(picture: UInt8Array, landmarks: FloatArray) -> float:
    """Return the logarithm of the right side's brightness over the left one's, by a face unit."""
    sides = []
    for ring in ((205, 187, 214, 212, 216), (425, 411, 434, 432, 436)):
        mask = polygon_mask(landmarks[list(ring), :2], picture.shape)
        if np.count_nonzero(mask) < 4:
            return 0.0
        sides.append(brightness(np.array(cv2.mean(picture, mask)[:3])))
    # The patches lie about 0.36 face units apart.
    return float(np.clip(np.log(max(sides[1], 4.0) / max(sides[0], 4.0)) / 0.36, -3, 3))


def brightness(colour: DoubleArray) -> float:
    """Return the luma of one BGR colour, (3,)."""
    return float(luminance(colour))


def luminance(colour: AnyArray) -> AnyArray:
    """Return the luma of BGR colours, (..., 3) → (...) (Rec. 601)."""
    return np.asarray(colour @ np.array([0.114, 0.587, 0.299]))

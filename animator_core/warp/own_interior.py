"""The inside of a mouth that is open in the picture: its own teeth fixed in the skull, the rest fixed in the jaw."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, DoubleArray, FloatArray, UInt8Array
from animator_core.smoothstep import smoothstep
from animator_core.tracking.face_model import INNER_LIPS
from animator_core.tracking.pose import HeadPose
from animator_core.warp.canvas import polygon_mask
from animator_core.warp.mouth_colours import MouthColours, brightness, luminance
from animator_core.warp.teeth import Sheet

_TALLEST = 0.075
"""Height of the upper teeth, in face units: what lies below are the lower ones, closed upon them."""
_MATCHED, _BRIGHTEST = 0.02, 2.5
"""Width in face units of the picture's outermost teeth, whose colour the row beside takes on; the most gain."""
_FADES = 0.12
"""Distance in face units by which that gain falls to 1/e."""
_MELTING = 0.4
"""Share of what lies below the upper teeth over which it fades in, from the top."""
_LOWER_SEEN = 0.025
"""Height of what lies below the upper teeth from which it is used as the jaw's, in face units."""


@dataclass(frozen=True)
class OwnInterior:
    """Textures on the sheet of the upper teeth, (rows, columns, 4) uint8 BGRA, their origin the upper lip's rim.

    lower: None if the picture shows too little of it. edge: y of the upper teeth's edge in the middle, in face units
    below the lip's rim; 0 or less if the picture shows none. tooth: (3,) BGR of the picture's teeth, or None.
    is_own: (columns,) float32, 1 between the outermost teeth that the picture shows, 0 well beside them.
    density: texels in a face unit.
    """

    upper: UInt8Array
    lower: UInt8Array | None
    edge: float
    tooth: DoubleArray | None
    is_own: FloatArray
    density: float

    def beside(self, row: UInt8Array, down: int) -> UInt8Array:
        """Return the upper teeth, completed at the sides with a drawn row that lies ``down`` texels lower."""
        moved = np.pad(row, ((down, 0), (0, 0), (0, 0)), mode="edge")[: len(row)].astype(np.float32)
        share = self.is_own[None, :, None]
        moved[..., :3] = np.minimum(moved[..., :3] * self._gain_beside(moved)[None], 255)
        return np.asarray(np.rint(moved + share * (self.upper - moved))).astype(np.uint8)

    def _gain_beside(self, row: FloatArray) -> FloatArray:
        """Return (columns, 3), the gain at which a drawn row goes on in the colour in which the picture's own ends."""
        gain = np.ones((row.shape[1], 3), np.float32)
        columns = np.flatnonzero(self.is_own > 0.5)
        if not len(columns):
            return gain
        near, every = max(2, round(_MATCHED * self.density)), np.arange(row.shape[1])
        both = (self.upper[..., 3] > 128) & (row[..., 3] > 128)
        for end, is_beyond in ((columns[0], every < columns[0]), (columns[-1], every > columns[-1])):
            place = slice(max(end - near, 0), end + near)
            chosen = both[:, place]
            if not chosen.any():
                continue
            own, drawn = (np.median(each[:, place][chosen][:, :3], axis=0) for each in (self.upper, row))
            matched = np.clip(own / np.maximum(drawn, 1), 1 / _BRIGHTEST, _BRIGHTEST)
            fading = np.exp(-np.abs(every - end) / (_FADES * self.density))[:, None]
            gain = np.where(is_beyond[:, None], 1 + (matched - 1) * fading, gain).astype(np.float32)
        return gain


def own_interior(
    picture: UInt8Array,
    landmarks: FloatArray,
    surface: FloatArray,
    *,
    pose: HeadPose,
    sheet: Sheet,
    colours: MouthColours,
) -> OwnInterior:
    """Return what the picture, (H, W, 3) uint8 BGR, shows between its lips.

    surface: (rows, columns, 3) float32, the sheet's texels in face units in the head's axes.
    """
    rows, columns = sheet.shape
    at = pose.to_frame(surface.reshape(-1, 3))[:, :2].reshape(rows, columns, 2)
    # The rim's own anti-aliased pixels are lips, and would be drawn out with the teeth; so would a drawing's line.
    rim = 1 + round((1 - colours.relief) * 0.7 * colours.line_width * pose.scale)
    polygon = polygon_mask(landmarks[list(INNER_LIPS), :2], picture.shape)
    mask = cv2.erode(polygon, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)))
    x, y = np.ascontiguousarray(at[..., 0]), np.ascontiguousarray(at[..., 1])
    seen: AnyArray = cv2.remap(picture, x, y, interpolation=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    inside = np.asarray(cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)) > 200
    continued = _continued(seen, inside)
    teeth = _is_tooth(seen, colours) & inside
    top, bottom = _ends(inside)
    edge, has_tooth = _upper_edge(teeth, top=top, bottom=bottom, tallest=round(_TALLEST * sheet.density))
    line = np.arange(rows)[:, None]
    middle = slice(columns // 2 - columns // 12, columns // 2 + columns // 12 + 1)
    soft = max(1.0, 0.006 * sheet.density)
    above = np.clip((edge[None] - line) / soft + 0.5, 0, 1)
    # The corners are in shade, and would be drawn out.
    is_own: AnyArray = cv2.erode((has_tooth & (bottom - top > 2.5)).astype(np.uint8)[None], np.ones((1, 3), np.uint8))
    is_own = cv2.blur(is_own.astype(np.float32), (2 * max(1, round(0.015 * sheet.density)) + 1, 1))[0]
    deep = float((bottom - edge)[middle].mean()) / sheet.density
    lower = None
    if deep > _LOWER_SEEN:
        # What hangs from above would drop with the jaw: it melts into the cavity.
        reach = np.maximum(_MELTING * (bottom - edge), 3 * soft)
        below = smoothstep((line - edge[None]) / reach[None] - 0.15)
        lower = _texture(continued, below * is_own[None])
    edge_y = float(edge[middle].mean()) / sheet.density - sheet.above
    has_row = edge_y > 0 and teeth.sum() > 20
    tooth = np.median(seen[teeth].astype(np.float64), axis=0) if has_row else None
    upper = _texture(continued, above)
    return OwnInterior(
        upper,
        lower,
        edge=edge_y,
        tooth=tooth,
        is_own=np.asarray(is_own, np.float32),
        density=sheet.density,
    )


def _continued(seen: UInt8Array, inside: BoolArray) -> AnyArray:
    """Return the colours with those of the nearest texels inside carried on beyond."""
    if not inside.any():
        return seen
    found, marked = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, maskSize=5, labelType=cv2.DIST_LABEL_PIXEL
    )
    distance, labels = np.asarray(found), np.asarray(marked)
    nearest = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    nearest[labels[inside]] = seen[inside]
    filled = nearest[labels]
    # What is carried on is streaky; a blur that grows with the distance is not worth more than this one.
    smooth = np.asarray(cv2.GaussianBlur(filled, (0, 0), max(1.0, 0.012 * inside.shape[1])))
    share = np.clip(distance / (0.05 * inside.shape[1]), 0, 1)[..., None]
    return np.asarray(filled + share * (smooth.astype(np.float32) - filled))


def _is_tooth(seen: UInt8Array, colours: MouthColours) -> BoolArray:
    """Return which texels look like teeth: nearly as light as skin, and not as red as lips."""
    values = seen.astype(np.float64) + 1
    light = luminance(values)
    bright = light / max(brightness(colours.tooth), 1.0)
    redness = np.log(values[..., 2] / values[..., 1])
    lip, tooth = (float(np.log((c[2] + 1) / (c[1] + 1))) for c in (colours.gum, colours.tooth))
    # Without colour only the light tells.
    is_pale = (redness < 0.55 * lip + 0.45 * tooth) | (lip - tooth < 0.06)
    return np.asarray((bright > 0.58) & is_pale)


def _ends(inside: BoolArray) -> tuple[DoubleArray, DoubleArray]:
    """Return the first and last row inside of each column, (columns,) float64; columns outside are as their nearest."""
    has = np.flatnonzero(inside.any(0))
    if not len(has):
        middle = np.full(inside.shape[1], inside.shape[0] / 2)
        return middle, middle
    first, last = inside.argmax(0), inside.shape[0] - 1 - inside[::-1].argmax(0)
    every = np.arange(inside.shape[1])
    return np.interp(every, has, first[has]), np.interp(every, has, last[has])


def _upper_edge(
    teeth: BoolArray, *, top: DoubleArray, bottom: DoubleArray, tallest: int
) -> tuple[DoubleArray, BoolArray]:
    """Return the row at which the upper teeth end in each column, (columns,) float64, and which columns have some.

    Without teeth these are just above ``top``, and all columns of the opening.
    """
    rows, columns = teeth.shape
    line = np.arange(rows)[:, None]
    height = np.maximum(bottom - top, 1)
    # The seams between teeth are dark, and no ends.
    across = 2 * max(1, columns // 40) + 1
    closed = cv2.morphologyEx(teeth.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, across), np.uint8)) > 0
    begins = np.where(closed & (line >= top), line, rows).min(0)
    starts_high = (begins - top < np.maximum(0.35 * height, 2)) & (begins < rows)
    ends = np.where(~closed & (line >= begins), line, rows).min(0)
    ends = np.minimum(np.minimum(ends, bottom + 1), top + tallest)
    known = np.flatnonzero(starts_high & (ends - begins >= 2))
    wide = np.flatnonzero(height > 2)
    if len(known) < 0.35 * max(len(wide), 1):
        return np.asarray(top - 2.0), np.isin(np.arange(columns), wide)
    edge = np.interp(np.arange(columns), known, ends[known])
    size = 2 * max(1, columns // 40) + 1
    padded = np.pad(edge, size // 2, mode="edge")
    edge = np.median(np.lib.stride_tricks.sliding_window_view(padded, size), axis=1)
    smooth = np.asarray(cv2.GaussianBlur(edge[None], (0, 0), max(0.8, columns / 150)), np.float64).ravel()
    every = np.arange(columns)
    return smooth, (every >= known[0]) & (every <= known[-1])


def _texture(colour: AnyArray, alpha: AnyArray) -> UInt8Array:
    return np.dstack([np.clip(colour, 0, 255), 255 * alpha]).astype(np.uint8)

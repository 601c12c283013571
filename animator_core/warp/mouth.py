"""The mouth's inside: rows of teeth fixed in skull and jaw, tongue and cavity, seen through the opening of the lips."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import DoubleArray, FloatArray, IntArray, UInt8Array
from animator_core.smoothstep import smooth_share, smoothstep
from animator_core.tracking.face_model import INNER_LIPS
from animator_core.tracking.pose import HeadPose
from animator_core.warp.canvas import Opening, alpha_blend, opening, polygon_mask
from animator_core.warp.mouth_colours import MouthColours, mouth_colours
from animator_core.warp.mouth_layers import paint_layers, view_rays
from animator_core.warp.own_interior import OwnInterior, own_interior
from animator_core.warp.teeth import Sheet, lower_crowns, row_texture, sheet_for, tongue_texture, upper_crowns

UPPER_LIP, LOWER_LIP = 13, 14
"""The middles of the lips' inner rims, and the point above them."""
_UPPER_RIM, _LOWER_RIM = np.array(INNER_LIPS[:11]), np.array((INNER_LIPS[0], *INNER_LIPS[:9:-1]))
_JAW = (152, 175, 199)
"""Landmarks of the chin, which moves with the jaw."""
_MEAN_WIDTH = 0.318
"""Between the corners of the mean face's mouth, 61 and 291."""
_BEHIND_LIPS = 0.022
_EDGE_BELOW_LIP = 0.018
"""At rest the upper incisors end a little below the rim of the upper lip."""
_HIDDEN_WITHOUT_LIPS = 0.08
_OVERBITE = 0.012
_LOWER_BEHIND = 0.018
_LOWER_SHOWN = 0.016
"""The most of the lower incisors that is seen above the lower lip."""
_LOWER_SHARE = 0.15
"""The most of the opening that they take."""
_TONGUE_BELOW, _TONGUE_DEPTH = 0.02, 0.05
_FADE = 0.055
"""Growth of the gap between the lips, by the mouth's width, over which the picture's own line gives way."""
_SLIT = 0.05
"""Standard deviation of the lips' shadow in the opening, by the mouth's width."""
_SEAM = 4.0
"""Gap between the lips in pixels from which the opening is drawn in full."""
_LINE_SHARE = 0.1
"""The most of an opening's height that a drawing's line around it takes."""
_SAMPLES = 4
_PURSED = 0.25
"""Height in face units by which lips cover more of the upper teeth, by the mouth's loss of width."""
_FLAT_TEETH = (0.05, 0.12)
"""Gaps between the lips, by the mouth's width, from which a drawing shows teeth, and does so in full: in a slit it has
a line."""
_OPEN_GAP = 0.14
"""Gap between the lips, by the mouth's width, from which the picture's own interior is used."""
_OWN_FADE, _OWN_TURN = 0.05, 0.12


def closing_triangles() -> IntArray:
    """Return (20, 3) int32 triangles between the inner rims of the lips, clockwise on the screen."""
    upper, lower = _UPPER_RIM, _LOWER_RIM
    found = []
    for i in range(10):
        found += [(upper[i], upper[i + 1], lower[i + 1]), (upper[i], lower[i + 1], lower[i])]
    return np.array([each for each in found if len(set(each)) == 3], np.int32)


class Mouth:
    """The mouth of one character. At rest it leaves the picture as it is: `closing_triangles` show its own lips."""

    def __init__(self, picture: UInt8Array, landmarks: FloatArray, pose: HeadPose) -> None:
        """picture: (H, W, 3) uint8 BGR. landmarks: (478, 3) pixels, `pose.with_true_depth`."""
        self._shape = pose.to_head(landmarks)
        width = float(np.linalg.norm(self._shape[61] - self._shape[291]))
        scale = self._scale = float(np.clip(width / _MEAN_WIDTH, 0.6, 1.2))
        self._width = max(width, 1e-3)
        self._rest_gaps = self._gaps(self._shape)
        self._rotation = pose.rotation
        self._middle = float(
            np.median([self._shape[[61, 291], 0].mean(), self._shape[UPPER_LIP, 0], self._shape[2, 0]])
        )
        self._smooth = _smoothing()
        colours = mouth_colours(picture, landmarks)
        sheet = sheet_for(pose.scale, scale)
        lip = self._shape[UPPER_LIP].astype(np.float64)
        # Without lips it is no human mouth: no teeth are seen.
        self._edge = float(lip[1]) + (_EDGE_BELOW_LIP - _HIDDEN_WITHOUT_LIPS * (1 - colours.lips)) * scale
        self._crown = (0.058 - 0.045 * (1 - colours.lips)) * scale
        self._lower_shown = (_LOWER_SHOWN - 0.04 * (1 - colours.lips)) * scale
        front = float(lip[2]) + _BEHIND_LIPS * scale
        own = None
        if float(self._rest_gaps.max()) > _OPEN_GAP:
            surface = self._surface(sheet, lip_y=float(lip[1]), front=front)
            own = own_interior(picture, landmarks, surface, pose=pose, sheet=sheet, colours=colours)
        self._sheets = self._layers(sheet, front=front, colours=colours)
        self._textures = _textures(sheet, scale, colours=colours, own=own)
        self._behind = np.array([*colours.cavity, 1 + 0.8 * colours.relief])
        self._line = np.rint(colours.line).astype(np.uint8)
        # Half of the line goes with each lip.
        self._line_width = colours.line_width / 2
        self._line_share = max(0.0, 1 - 2 * colours.relief)
        self._has_own = own is not None
        self._own_lower = own is not None and own.lower is not None
        if own is not None:
            self._take_own(own, lip_y=float(lip[1]))

    def _layers(self, sheet: Sheet, *, front: float, colours: MouthColours) -> DoubleArray:
        """Return the sheets of upper teeth, lower teeth and tongue at rest; see `paint_layers`."""
        scale, relief = self._scale, colours.relief
        rows = (
            (front, upper_crowns(scale).arch, 0.1, 1.0),
            (front + _LOWER_BEHIND * scale, lower_crowns(scale).arch, 0.04, relief),
            (front + _TONGUE_DEPTH * scale, 1.0, 0.1, 1.0),
        )
        origin = -sheet.half_width, -sheet.above
        return np.array(
            [
                [*origin, depth, arch, sheet.density, 1 - relief * (1 - kept), opacity, colours.balance]
                for depth, arch, kept, opacity in rows
            ]
        )

    def _surface(self, sheet: Sheet, *, lip_y: float, front: float) -> FloatArray:
        """Return the upper sheet's texels, (rows, columns, 3) float32 face units, with its origin at the upper lip."""
        x, y = sheet.grid(1)
        depth = front + upper_crowns(self._scale).arch * x**2
        texels: FloatArray = np.stack([x + self._middle, y + lip_y, depth], axis=-1).astype(np.float32)
        return texels

    def _take_own(self, own: OwnInterior, *, lip_y: float) -> None:
        """Have the picture's own interior drawn as it is lit already."""
        if own.edge > 0:
            self._edge, self._crown = lip_y + own.edge, max(own.edge + 0.02, 0.045)
            self._sheets[0, [1, 5, 7]] = self._sheets[0, 1] - own.edge, 0.6, 0
        else:
            self._edge = lip_y - 0.004
        if own.lower is not None:
            self._sheets[1] = self._sheets[0]
            self._sheets[1, [1, 5, 6, 7]] = self._sheets[2, 1], 0.7, 1, 0
            self._sheets[2, 6] = 0

    def draw(self, frame: UInt8Array, points: FloatArray, *, pose: HeadPose, bent: FloatArray) -> None:
        """Draw the mouth's inside into ``frame``, (H, W, 4) BGRA, behind the lips.

        points: (478, 2) pixels of the frame. pose: of the head in the frame. bent: (478, 3), see `FaceShape.bent`.
        """
        share = self._open_share(bent, pose)
        width = self._width * pose.scale
        ring = list(INNER_LIPS)
        polygon = np.asarray(self._smooth @ points[ring], np.float32)
        stroke = pose.scale * min(self._line_width, _LINE_SHARE * self._width * float(self._gaps(bent).max()))
        seen = opening(polygon, frame.shape, 0.5 + 0.004 * width, margin=stroke) if share > 0.002 else None
        if seen is None:
            return
        inside = _inside(seen.mask, _SLIT * width)
        # The rounded ring may leave out a sliver of the mesh's own opening, whose pixels are all or nothing.
        own = polygon_mask(points[ring] - (seen.left, seen.top), seen.mask.shape).astype(np.float32)
        # Of lips that nearly touch it shows only the seam.
        gap = pose.scale * self._width * float(self._gaps(bent).max())
        strength = np.float32(0.6 + 1.4 * min(gap / _SEAM, 1.0))
        alpha: FloatArray = np.minimum(strength * np.maximum(seen.mask, own / np.float32(255)), np.float32(1))
        # A slit keeps the picture's line between the lips; of an open mouth it would be stretched teeth.
        alpha *= np.float32(share) * (np.float32(1) if self._has_own else smoothstep(inside, 0.06, 0.36))
        light = smoothstep(inside, 0.2, 0.8)
        rays = view_rays(pose, seen.left, seen.top)
        rays[0, 0] -= self._middle
        paint_layers(seen.region(frame), alpha, light, rays, self._placed(bent), self._textures, self._behind)
        if self._line_share > 0:
            self._draw_line(seen, frame, polygon=polygon, width=stroke, share=share)

    def _draw_line(self, seen: Opening, frame: UInt8Array, *, polygon: FloatArray, width: float, share: float) -> None:
        """Draw the line of a drawing around its opened mouth."""
        region = seen.region(frame)
        outline = _outline(polygon - (seen.left, seen.top), seen.mask.shape, width)
        outline *= region[..., 3] * np.float32(share * self._line_share / 255)
        alpha_blend(region, np.full((*outline.shape, 3), self._line), outline)

    def _gaps(self, shape: FloatArray) -> FloatArray:
        """Return (5,) float32, the gaps between the lips' rims in their middle, by the mouth's width."""
        gaps: FloatArray = np.linalg.norm(shape[_LOWER_RIM[3:8]] - shape[_UPPER_RIM[3:8]], axis=1) / self._width
        return gaps

    def _open_share(self, bent: FloatArray, pose: HeadPose) -> float:
        """Return how much of the picture's own lips has given way, 0 to 1."""
        growth = float((self._gaps(bent) - self._rest_gaps).max()) / _FADE
        if self._has_own:
            # Lips that move in any way move over their own teeth, and so does a head that turns.
            rim = list(INNER_LIPS)
            shift = float(np.abs(bent[rim] - self._shape[rim]).max()) / self._width
            turn = float(np.abs(pose.rotation - self._rotation).max())
            growth = max(growth, shift / _OWN_FADE, turn / _OWN_TURN)
        return smooth_share(growth)

    def _placed(self, bent: FloatArray) -> DoubleArray:
        """Return the sheets where the jaw has them now; see `paint_layers`."""
        scale = self._scale
        sheets = self._sheets.copy()
        upper_lip, lower_lip = float(bent[UPPER_LIP, 1]), float(bent[LOWER_LIP, 1])
        drop = float((bent[list(_JAW), 1] - self._shape[list(_JAW), 1]).mean())
        # Lips that are pushed forward come down over the teeth.
        narrowing = max(1 - float(np.linalg.norm(bent[61] - bent[291])) / self._width, 0.0)
        # A lip that rises past the gum takes the row along: gums stay hidden.
        edge = self._edge - _PURSED * narrowing * scale
        upper = edge - _soft_excess(edge - upper_lip - self._crown, 0.012 * scale)
        lower = self._edge - _OVERBITE * scale + 0.9 * drop
        shown = min(self._lower_shown, _LOWER_SHARE * (lower_lip - upper_lip))
        lower += _soft_excess(lower_lip - shown - lower, 0.012 * scale)
        tongue = lower - _TONGUE_BELOW * scale - 0.45 * max(drop, 0.0)
        lower += _PURSED * narrowing * scale
        if self._own_lower:
            lower = float(self._shape[UPPER_LIP, 1]) + lower_lip - float(self._shape[LOWER_LIP, 1])
        sheets[:, 1] += (upper, lower, tongue)
        if self._line_share > 0:
            shown = float(smoothstep(self._gaps(bent).max(), *_FLAT_TEETH))
            sheets[:2, 6] *= 1 - self._line_share * (1 - shown)
        # The jaw turns about joints that lie far behind, so that it goes back as it drops.
        sheets[1:, 2] += 0.2 * max(drop, 0.0)
        return sheets


def _textures(sheet: Sheet, scale: float, *, colours: MouthColours, own: OwnInterior | None) -> UInt8Array:
    """Return the textures of upper teeth, lower teeth and tongue, (3, rows, columns, 4) uint8 BGRA."""
    tooth = colours.tooth if own is None or own.tooth is None else own.tooth
    upper, lower = (
        row_texture(sheet, crowns, ivory=ivory, gum=colours.gum, shade=colours.cavity, relief=colours.relief)
        for crowns, ivory in ((upper_crowns(scale), tooth), (lower_crowns(scale), tooth * 0.8))
    )
    if own is not None and own.edge > 0:
        upper = own.beside(upper, round(own.edge * sheet.density))
    if own is not None and own.lower is not None:
        lower = own.lower
    return np.stack([upper, lower, tongue_texture(sheet, scale, flesh=colours.tongue, relief=colours.relief)])


def _outline(polygon: FloatArray, shape: tuple[int, ...], width: float) -> FloatArray:
    """Return (h, w) float32, 0 to 1, a closed line of any width, at least one pixel, along a polygon."""
    points = [np.rint(polygon * 16).astype(np.int32)]
    thin = max(1, int(width))
    lines = np.zeros((2, *shape), np.uint8)
    for line, thickness in zip(lines, (thin, thin + 1)):
        cv2.polylines(line, points, True, (255,), thickness, cv2.LINE_AA, 4)
    more = np.float32(max(width, 1.0) - thin)
    outline: FloatArray = (lines[0] * (1 - more) + lines[1] * more) / np.float32(255)
    return outline.astype(np.float32)


def _soft_excess(excess: float, knee: float) -> float:
    """Return max(excess, 0) with a smooth corner of width ``knee``."""
    return 0.5 * (excess + float(np.hypot(excess, knee)))


def _inside(mask: FloatArray, deviation: float) -> FloatArray:
    """Return the mask blurred by ``deviation`` pixels, at a lower resolution if that is enough."""
    step = max(1, int(deviation / 2))
    height, width = mask.shape
    if step == 1:
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), deviation, borderType=cv2.BORDER_CONSTANT), np.float32)
    size = max(2, -(-width // step)), max(2, -(-height // step))
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), deviation / step, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _smoothing() -> FloatArray:
    """Return (40 · _SAMPLES / 2, 20) float32, weights that round the ring of the inner lips, with sharp corners.

    Catmull-Rom splines (Catmull & Rom 1974), one along each lip.
    """
    rows = []
    for lip in (list(range(11)), [*range(10, 20), 0]):
        for i in range(10):
            before, one, other, after = lip[max(i - 1, 0)], lip[i], lip[i + 1], lip[min(i + 2, 10)]
            for t in np.arange(_SAMPLES) / _SAMPLES:
                row = np.zeros(20)
                for place, weight in (
                    (before, -t + 2 * t**2 - t**3),
                    (one, 2 - 5 * t**2 + 3 * t**3),
                    (other, t + 4 * t**2 - 3 * t**3),
                    (after, -(t**2) + t**3),
                ):
                    row[place] += weight / 2
                rows.append(row)
    return np.array(rows, np.float32)

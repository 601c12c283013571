"""The hair of Mira (anime): pointed locks behind the shoulders, beside the face and over the forehead."""

from __future__ import annotations

import numpy as np
from draw_mira import ACCENT, ACCENT_LIGHT, HAIR, HAIR_DARK, HAIR_DEEP, HAIR_GLOSS, HAIR_LIGHT
from drawing import Canvas, Point, gradient, resample, ribbon, smooth
from face_shape import both_halves, mirrored

Edge = tuple[Point, ...]
Lock = tuple[Edge, Edge]
"""Its two edges, both from the root to the tip; the second is the one in the shade."""

CROWN = ((512.0, 90.0), (466.0, 95.0), (408.0, 120.0), (357.0, 165.0), (328.0, 228.0), (318.0, 300.0), (330.0, 350.0))
CROWN += ((400.0, 350.0), (400.0, 350.0), (402.0, 280.0), (420.0, 210.0), (460.0, 170.0), (512.0, 160.0))
BACK = ((512.0, 110.0), (410.0, 122.0), (344.0, 190.0), (322.0, 280.0), (316.0, 360.0), (312.0, 430.0), (314.0, 490.0))
BACK += ((330.0, 548.0), (330.0, 548.0), (346.0, 530.0), (362.0, 500.0), (362.0, 500.0), (380.0, 540.0), (404.0, 566.0))
BACK += ((404.0, 566.0), (420.0, 540.0), (428.0, 510.0), (428.0, 510.0), (450.0, 524.0), (512.0, 530.0))
SIDE: tuple[Lock, ...] = (
    (((512, 90), (464, 95), (404, 121), (352, 168), (322, 236), (312, 316), (310, 400), (318, 468), (350, 524)),
     ((520, 100), (436, 160), (384, 230), (366, 320), (364, 400), (366, 460), (350, 524))),
    (((516, 98), (420, 150), (368, 230), (348, 320), (342, 400), (348, 480), (386, 544)),
     ((526, 110), (450, 170), (404, 240), (392, 320), (394, 400), (398, 480), (386, 544))),
    (((516, 112), (436, 168), (390, 246), (376, 330), (374, 410), (384, 470), (414, 514)),
     ((530, 130), (462, 180), (416, 240), (403, 300), (405, 356), (416, 420), (420, 470), (414, 514))),
)  # fmt: skip
"""Beside the face, from the outside, at the left; the right side has them mirrored."""
FRINGE: tuple[Lock, ...] = (
    # At the temples, then towards the middle.
    (((520, 100), (436, 150), (400, 244), (408, 326)), ((540, 104), (474, 160), (436, 240), (408, 326))),
    (((552, 104), (606, 160), (628, 240), (616, 326)), ((562, 100), (642, 150), (656, 246), (616, 326))),
    (((530, 102), (458, 156), (426, 200), (426, 244)), ((544, 104), (510, 160), (478, 208), (426, 244))),
    (((548, 104), (574, 148), (588, 196), (604, 240)), ((560, 100), (620, 150), (640, 204), (604, 240))),
    (((536, 102), (488, 160), (456, 200), (462, 240)), ((546, 104), (532, 160), (508, 208), (462, 240))),
    (((542, 104), (550, 150), (552, 196), (570, 238)), ((554, 102), (596, 150), (602, 200), (570, 238))),
    (((540, 102), (516, 160), (490, 212), (500, 276)), ((550, 102), (562, 160), (546, 220), (500, 276))),
)  # fmt: skip


class AnimeHair:
    """Paints the hair in layers, between which face and body come."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._random = np.random.default_rng(3)
        sides = [(smooth(light), smooth(dark)) for light, dark in SIDE]
        # The light comes from the left: at the right the other edge of a lock is in the shade.
        self._locks = [pair for light, dark in sides for pair in ((light, dark), (mirrored(dark), mirrored(light)))]
        self._locks += [(smooth(light), smooth(dark)) for light, dark in FRINGE]
        self._areas = [canvas.area(np.vstack([light, dark[::-1]])) for light, dark in self._locks]
        self._crown = canvas.area(smooth(both_halves(CROWN), closed=True))
        self._whole = np.maximum.reduce([self._crown, *self._areas])

    def shadow(self, x: float, y: float, softness: float) -> np.ndarray:
        """Return the front hair's shadow, moved by x, y pixels, (H, W) in [0, 1]."""
        return self._canvas.soft(self._canvas.moved(self._whole, x, y), softness)

    def paint_back(self) -> None:
        """Paint the hair behind head and shoulders."""
        canvas = self._canvas
        outline = smooth(both_halves(BACK), closed=True)
        canvas.fill(ribbon(np.vstack([outline, outline[:1]]), 5, (0, 0), 1), HAIR_DARK)
        area = canvas.area(outline)
        canvas.paint(area, gradient((0, 300), (0, 560), HAIR_DARK, HAIR_DEEP, "#36307a"))
        for x, tip in ((316, 330), (330, 336), (344, 342), (372, 394), (392, 404), (410, 412)):
            strand = smooth([(x + 6, 400), (x, 470), (tip, 540)])
            for curve in (strand, mirrored(strand)):
                canvas.fill(ribbon(curve, 2.6, (0.5, 0.7)), HAIR_DARK, 0.7, area)

    def paint_front(self) -> None:
        """Paint side hair, fringe and clip."""
        arch = smooth(CROWN[:6])
        self._canvas.fill(ribbon(np.vstack([arch[::-1], mirrored(arch)]), 5, (0, 0), 1), HAIR_DARK)
        self._canvas.paint(self._crown, gradient((0, 90), (0, 350), HAIR_DEEP, HAIR))
        for number, ((light, dark), area) in enumerate(zip(self._locks, self._areas)):
            self._lock(resample(light, 100), resample(dark, 100), area, strands=5 if number < 2 * len(SIDE) else 3)
        self._clip()

    def _lock(self, light: np.ndarray, dark: np.ndarray, area: np.ndarray, strands: int) -> None:
        canvas, random = self._canvas, self._random
        for edge in (light, dark):
            canvas.fill(ribbon(edge, 5.5, (0.5, 0.1), 0.0), HAIR_DARK)
        canvas.paint(area, gradient((0, 90), (0, light[-1, 1]), HAIR_DEEP, HAIR, "#4a4299", "#554db0"))
        shade = np.vstack([light + (dark - light) * 0.62, dark[::-1]])
        canvas.paint(canvas.soft(canvas.area(shade), 1.2), HAIR_DEEP, 0.8, area)
        for share in np.linspace(0.15, 0.85, strands) + random.uniform(-0.04, 0.04, strands):
            strand = light + (dark - light) * share
            colour = HAIR_DARK if share > 0.4 else HAIR_LIGHT
            canvas.fill(ribbon(strand[random.integers(10, 35) :], 2.6, (0.5, 0.7)), colour, 0.6, area)
        self._gloss(light, dark, area)

    def _gloss(self, light: np.ndarray, dark: np.ndarray, area: np.ndarray) -> None:
        """Paint the light on the crown: short strokes along the lock at the height of a ring around the head."""
        for share in np.linspace(0.08, 0.8, 7):
            strand = light + (dark - light) * share
            ring = 168 + 70 * ((strand[:, 0] - 512) / 170) ** 2
            middle = int(np.abs(strand[:, 1] - ring).argmin())
            pixels = np.linalg.norm(strand[middle] - strand[middle - 1])
            reach = round(self._random.uniform(12, 34) * (1.15 - 0.7 * share) / pixels)
            stroke = strand[max(0, middle - reach) : middle + reach]
            width = min(self._random.uniform(5, 8), float(np.linalg.norm(dark[middle] - light[middle])) / 5)
            self._canvas.fill(ribbon(stroke, width, (0.5, 0.5)), HAIR_GLOSS, 0.55, area)

    def _clip(self) -> None:
        for start, end in (((622, 206), (652, 232)), ((634, 194), (662, 220))):
            bar = np.array([start, end], np.float64)
            for width, colour, shift in ((13, HAIR_DARK, 0), (9, ACCENT, 0), (3, ACCENT_LIGHT, -1.4)):
                self._canvas.fill(ribbon(bar + shift, width, (0.08, 0.08), 0.4), colour)

"""Draws assets/characters/mira.png and the key points of her face, mira.yaml: a drawing of this project's own.

Run: ``python assets/sources/draw_mira.py`` (needs OpenCV and NumPy only).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from drawing import Canvas, bezier, ellipse, gradient, radial, resample, ribbon, smooth
from drawn_eye import EyeColours, paint_eye
from face_shape import SIZE, FaceShape, Side, across, as_drawn, both_halves, mirrored, shifted, write_character

OUTPUT = Path(__file__).resolve().parents[1] / "characters" / "mira.png"
NAME = "Mira"
SUPERSAMPLING = 2

# --- Colours ----------------------------------------------------------------------------------------------------
SKIN_LIGHT, SKIN, SKIN_SHADE, SKIN_DEEP = "#ffeade", "#fbd9c6", "#eaa994", "#c9766a"
SKIN_LINE = "#8f4a48"
BLUSH, LIP_UPPER, LIP_LOWER, LIP_LINE = "#f2838a", "#c9636a", "#df7f82", "#7a2d3a"
HAIR_DARK, HAIR_DEEP, HAIR, HAIR_LIGHT, HAIR_GLOSS = "#1d1a3f", "#2b2760", "#403a8c", "#6a62c4", "#b9b4ff"
EYES = EyeColours(
    white=("#dcd3e2", "#fffcfc"),
    iris=("#8ff0e2", "#22a3b4", "#11627a", "#0b3a4d"),
    pupil="#071b28",
    glow="#d6fff4",
    lid_shadow="#5a4a78",
)
LASH = "#241733"
HOOD_DARK, HOOD, HOOD_LIGHT, HOOD_LINE = "#20273d", "#2f3a5c", "#465486", "#141a2c"
ACCENT, ACCENT_LIGHT, SHIRT = "#ff8a5c", "#ffc29f", "#f4f1f6"

# --- Key points ---
MIRA = FaceShape(
    upper_lid=((379.0, 448.0), (392.0, 402.0), (449.0, 394.0), (475.0, 458.0)),
    lower_lid=((379.0, 448.0), (400.0, 480.0), (453.0, 484.0), (475.0, 458.0)),
    lid_crease=((382.0, 420.0), (402.0, 386.0), (448.0, 382.0), (474.0, 432.0)),
    iris_centre=(430.0, 437.0),
    iris_radius=31.0,
    brow_top=((374.0, 383.0), (392.0, 369.0), (418.0, 361.0), (446.0, 362.0), (470.0, 368.0)),
    brow_bottom=((376.0, 387.0), (395.0, 377.0), (420.0, 371.0), (446.0, 372.0), (470.0, 378.0)),
    lip_seam=((461.0, 592.0), (486.0, 603.0), (538.0, 603.0), (563.0, 592.0)),
    upper_lip=((461.0, 592.0), (474.0, 589.5), (488.0, 585.5), (500.0, 582.5), (512.0, 585.0)),
    lower_lip=((461.0, 592.0), (474.0, 602.5), (487.0, 611.5), (499.0, 617.0), (512.0, 618.5)),
    outline=((512.0, 200.0), (430.0, 222.0), (368.0, 290.0), (349.0, 370.0), (346.0, 440.0), (351.0, 500.0),
             (364.0, 555.0), (392.0, 606.0), (434.0, 645.0), (480.0, 668.0), (512.0, 673.0)),
    jaw_top=488.0,
    temples=((360.0, 456.0), (362.0, 428.0)),
    forehead=(512.0, 292.0),
    chin=(512.0, 665.0),
    nose_bridge=(512.0, 446.0),
    nose_tip=(512.0, 541.0),
    nose_bottom=(512.0, 556.0),
    nose_wing=(488.0, 548.0),
)  # fmt: skip

PARTING = (566.0, 176.0)
FRINGE_RIGHT = ((556.0, 238.0), (528.0, 288.0), (472.0, 324.0), (412.0, 347.0), (370.0, 384.0), (353.0, 446.0))
FRINGE_LEFT = ((560.0, 232.0), (588.0, 286.0), (628.0, 326.0), (656.0, 376.0), (671.0, 446.0))
LOCK_RIGHT = ((353.0, 446.0), (343.0, 510.0), (341.0, 590.0), (346.0, 690.0), (318.0, 776.0))
LOCK_LEFT = ((671.0, 446.0), (681.0, 510.0), (683.0, 590.0), (678.0, 690.0), (706.0, 776.0))
CROWN_RIGHT = ((566.0, 134.0), (500.0, 126.0), (420.0, 138.0), (344.0, 182.0), (286.0, 256.0), (260.0, 360.0))
CROWN_RIGHT += ((252.0, 480.0), (250.0, 600.0), (266.0, 700.0), (318.0, 776.0))
CROWN_LEFT = ((566.0, 134.0), (620.0, 142.0), (686.0, 184.0), (738.0, 256.0), (764.0, 360.0), (772.0, 480.0))
CROWN_LEFT += ((774.0, 600.0), (758.0, 700.0), (706.0, 776.0))
HAIR_BACK = ((512.0, 140.0), (400.0, 150.0), (306.0, 230.0), (266.0, 340.0), (250.0, 480.0), (244.0, 600.0))
HAIR_BACK += (
    (242.0, 690.0),
    (262.0, 752.0),
    (312.0, 786.0),
    (312.0, 786.0),
    (352.0, 776.0),
    (420.0, 784.0),
    (512.0, 784.0),
)


class CharacterDrawing:
    """Paints Mira from back to front."""

    def __init__(self) -> None:
        self.canvas = Canvas(SIZE, SIZE, SUPERSAMPLING)
        self._random = np.random.default_rng(7)
        right = (smooth(CROWN_RIGHT), smooth([PARTING, *FRINGE_RIGHT, *LOCK_RIGHT[1:]]))
        left = (smooth(CROWN_LEFT), smooth([PARTING, *FRINGE_LEFT, *LOCK_LEFT[1:]]))
        self._hair_sides = right, left
        """Each side of the front hair as its outer and its inner edge, both from the parting to the tip."""
        outlines = [np.vstack([outer, inner[::-1]]) for outer, inner in self._hair_sides]
        self._hair_areas = [self.canvas.area(outline) for outline in outlines]
        self._face_area = self.canvas.area(smooth(both_halves(MIRA.outline), closed=True))

    def draw(self) -> np.ndarray:
        """Return the picture: (SIZE, SIZE, 4) uint8 RGBA."""
        self._hair_back()
        self._neck()
        self._hoodie()
        self._face()
        for side in (as_drawn, mirrored):
            paint_eye(self.canvas, side, MIRA, EYES, self._random)
            self._lashes(side)
            self._brow(side)
        self._nose()
        self._mouth()
        self._hair_front()
        return self.canvas.picture()

    def _line(self, curve: np.ndarray, width: float, colour: str, opacity: float = 1.0, **brush: Any) -> None:
        self.canvas.fill(ribbon(curve, width, **brush), colour, opacity)

    def _hair_back(self) -> None:
        outline = smooth(both_halves(HAIR_BACK), closed=True)
        self.canvas.fill(ribbon(np.vstack([outline, outline[:1]]), 5, (0, 0), 1), HAIR_DARK)
        area = self.canvas.area(outline)
        self.canvas.paint(area, gradient((0, 300), (0, 790), HAIR_DARK, HAIR_DEEP, HAIR))
        for side in (as_drawn, mirrored):
            for shift in np.linspace(0, 1, 9):
                strand = smooth([(300 + 60 * shift, 420), (282 + 70 * shift, 600), (232 + 130 * shift, 770)])
                self.canvas.fill(ribbon(side(strand), 7 - 4 * shift), HAIR_LIGHT, 0.16, area)

    def _neck(self) -> None:
        right = (
            (512.0, 600.0),
            (454.0, 620.0),
            (457.0, 668.0),
            (453.0, 700.0),
            (436.0, 730.0),
            (404.0, 758.0),
            (330.0, 798.0),
        )
        outline = smooth([*both_halves((*right, (512.0, 928.0)))], closed=True)
        area = self.canvas.area(outline)
        self.canvas.paint(area, gradient((420, 0), (620, 0), SKIN, SKIN, "#f3c3ae"))
        shadow = self.canvas.soft(self.canvas.moved(self._face_area, 6, 44), 5)
        self.canvas.paint(shadow, gradient((0, 660), (0, 703), SKIN_DEEP, SKIN_SHADE), 0.85, area)
        for side in (as_drawn, mirrored):
            self._line(side(smooth([(456, 662), (454, 694), (440, 725)])), 3, SKIN_LINE, 0.75)
            collarbone = smooth([(424, 774), (462, 786), (496, 804)])
            self._line(side(collarbone), 5, SKIN_SHADE, 0.8)
            self._line(side(smooth([(470, 728), (484, 768), (502, 804)])), 5, SKIN_SHADE, 0.35)

    def _hoodie(self) -> None:
        canvas = self.canvas
        right = ((512.0, 978.0), (470.0, 898.0), (432.0, 818.0), (414.0, 758.0), (414.0, 758.0), (330.0, 780.0))
        right += ((240.0, 814.0), (176.0, 868.0), (144.0, 943.0), (134.0, 1060.0), (134.0, 1060.0), (512.0, 1060.0))
        body_outline = smooth(both_halves(right), closed=True)
        shirt = smooth(
            both_halves(((512, 836), (460, 818), (424, 768), (424, 768), (400, 1060), (512, 1060))), closed=True
        )
        canvas.fill(shirt, gradient((0, 818), (0, 978), SHIRT, "#cfc9dc"))
        canvas.fill(
            ribbon(smooth([(430, 780), (464, 820), (512, 837), (560, 820), (594, 780)]), 9, (0, 0), 1), "#d9d3e4"
        )
        canvas.fill(ribbon(body_outline, 5, (0, 0), 1), HOOD_LINE)
        body = canvas.area(body_outline)
        canvas.paint(body, gradient((300, 748), (760, 1060), HOOD_LIGHT, HOOD, HOOD_DARK))
        for side in (as_drawn, mirrored):
            sleeve = smooth([(262, 1060), (254, 948), (276, 888), (306, 858)])
            canvas.paint(canvas.soft(canvas.area(ribbon(side(sleeve), 26)), 7), HOOD_LINE, 0.6, body)
            canvas.fill(ribbon(side(sleeve), 4), HOOD_LINE, 0.9, body)
            light = smooth([(170, 928), (200, 868), (262, 826), (340, 794)])
            canvas.paint(canvas.soft(canvas.area(ribbon(side(light), 22)), 8), "#7f90cf", 0.5, body)
            for fold in (((330, 968), (372, 928), (390, 873)), ((420, 998), (430, 948), (424, 898))):
                canvas.paint(canvas.soft(canvas.area(ribbon(side(smooth(fold)), 14)), 4), HOOD_LINE, 0.5, body)
            self._hood_side(side)
            self._cord(side)

    def _hood_side(self, side: Side) -> None:
        canvas = self.canvas
        points = ((410, 720), (372, 746), (352, 790), (372, 840), (420, 898), (486, 968), (486, 968))
        points += ((470, 898), (440, 830), (424, 774), (410, 720), (410, 720))
        outline = side(smooth(points, closed=True))
        canvas.paint(
            canvas.soft(canvas.moved(canvas.area(outline), 0, 8), 8),
            HOOD_LINE,
            0.5,
            canvas.area(shifted(outline, 0, 14)),
        )
        canvas.fill(ribbon(np.vstack([outline, outline[:1]]), 5, (0, 0), 1), HOOD_LINE)
        area = canvas.area(outline)
        canvas.paint(area, gradient((360, 728), (480, 948), "#54639b", HOOD, HOOD_DARK))
        rim = side(smooth([(412, 728), (430, 780), (446, 834), (474, 900), (487, 960)]))
        canvas.fill(ribbon(rim, 18, (0, 0.2), 1), ACCENT, 1, area)
        canvas.fill(ribbon(shifted(rim, -3, 0), 3, (0, 0.2), 1), ACCENT_LIGHT, 0.6, area)
        fold = side(smooth([(396, 748), (380, 794), (412, 858), (452, 912)]))
        canvas.paint(canvas.soft(canvas.area(ribbon(fold, 14)), 4), HOOD_LINE, 0.55, area)

    def _cord(self, side: Side) -> None:
        cord = side(smooth([(452, 884), (446, 918), (450, 953), (446, 998)]))
        self.canvas.fill(ribbon(cord, 11, (0, 0), 1), HOOD_LINE)
        self.canvas.fill(ribbon(cord, 7, (0, 0), 1), "#f3ecf7")
        eyelet = ellipse(tuple(cord[0]), (8, 8))
        self.canvas.fill(eyelet, "#c9cfe6")
        self.canvas.fill(ellipse(tuple(cord[0]), (4, 4)), HOOD_LINE)
        self.canvas.fill(ellipse(tuple(cord[-1]), (8, 14)), HOOD_LINE)
        self.canvas.fill(ellipse(tuple(cord[-1]), (6, 12)), ACCENT)

    def _face(self) -> None:
        canvas = self.canvas
        outline = smooth(both_halves(MIRA.outline), closed=True)
        canvas.fill(ribbon(np.vstack([outline, outline[:1]]), 3.4, (0, 0), 1), SKIN_LINE)
        area = self._face_area
        canvas.paint(area, radial((490, 440), (230, 300), SKIN_LIGHT, SKIN_LIGHT, SKIN, "#f2bfa9"))
        edge = canvas.soft(1 - area, 14)
        canvas.paint(edge, SKIN_SHADE, 0.55, area)
        for side in (as_drawn, mirrored):
            cheek = side(ellipse((398, 536), (44, 25), -8))
            canvas.paint(canvas.soft(canvas.area(cheek), 13), BLUSH, 0.34, area)
            socket = side(ellipse((430, 424), (58, 40)))
            canvas.paint(canvas.soft(canvas.area(socket), 12), SKIN_SHADE, 0.2, area)
        canvas.paint(canvas.soft(canvas.area(ellipse((512, 645), (38, 12))), 8), SKIN_LIGHT, 0.6, area)
        canvas.paint(canvas.soft(canvas.area(ellipse((512, 628), (24, 5))), 4), SKIN_SHADE, 0.5, area)
        hair_shadow = canvas.soft(canvas.moved(np.maximum(*self._hair_areas), 4, 20), 6)
        canvas.paint(hair_shadow, SKIN_DEEP, 0.5, area)

    def _lashes(self, place: Side) -> None:
        upper, lower = bezier(*MIRA.upper_lid), bezier(*MIRA.lower_lid)
        wing = np.vstack([[(364, 434), (371, 443)], upper])
        self._line(place(shifted(wing, 0, -2.4)), 7.5, LASH, taper=(0.16, 0.6), thin=0.12)
        for start, middle, end in (
            ((385, 430), (376, 424), (368, 422)),
            ((394, 420), (385, 413), (378, 409)),
        ):
            self._line(place(smooth([start, middle, end])), 5, LASH, taper=(0.05, 0.9))
        self._line(place(shifted(lower[1:30], 0, 1)), 2.6, "#6b3a4a", 0.8, taper=(0.1, 0.6))
        self._line(place(bezier(*MIRA.lid_crease)), 2.8, "#a55f5a", 0.85, taper=(0.3, 0.5))

    def _brow(self, side: Side) -> None:
        outline = smooth([*MIRA.brow_top, MIRA.brow_top[-1], *MIRA.brow_bottom[::-1]], closed=True)
        self.canvas.fill(side(outline), HAIR_DEEP, 0.92)

    def _nose(self) -> None:
        canvas, area = self.canvas, self._face_area
        side = smooth([(526, 440), (522, 490), (530, 532), (526, 552)])
        canvas.paint(canvas.soft(canvas.area(ribbon(side, 16)), 6), SKIN_SHADE, 0.4, area)
        under = ellipse((513, 558), (22, 7))
        canvas.paint(canvas.soft(canvas.area(under), 4), SKIN_DEEP, 0.5, area)
        canvas.paint(canvas.soft(canvas.area(ellipse((509, 534), (5, 8))), 4), "#ffffff", 0.55, area)
        canvas.paint(canvas.soft(canvas.area(ribbon(smooth([(509, 440), (510, 505)]), 8)), 4), "#ffffff", 0.35, area)
        for place in (as_drawn, mirrored):
            self._line(place(smooth([(491, 553), (497, 556.5), (504, 555.5)])), 3.2, SKIN_LINE, 0.8)
            self._line(place(smooth([(486, 541), (484.5, 549), (489, 554)])), 2.2, SKIN_LINE, 0.35)

    def _mouth(self) -> None:
        canvas = self.canvas
        seam = bezier(*MIRA.lip_seam)
        upper_area, lower_area = (
            canvas.area(np.vstack([across(lip), seam[::-1]])) for lip in (MIRA.upper_lip, MIRA.lower_lip)
        )
        canvas.paint(canvas.soft(upper_area, 1.0), LIP_UPPER, 0.72)
        canvas.paint(canvas.soft(lower_area, 1.2), gradient((0, 598), (0, 620), LIP_LOWER, "#eb9a98"), 0.8)
        canvas.paint(canvas.soft(canvas.area(ellipse((509, 609), (15, 3))), 1.5), "#ffffff", 0.6)
        self._line(seam, 3.6, LIP_LINE, taper=(0.35, 0.35), thin=0.3)
        for place in (as_drawn, mirrored):
            self._line(place(smooth([(455, 587), (459, 591.5), (466, 595)])), 3.2, LIP_LINE, 0.85)
        canvas.paint(canvas.soft(canvas.area(ellipse((512, 572), (5, 7))), 3), SKIN_SHADE, 0.4)

    def _hair_front(self) -> None:
        for area, (outer, inner) in zip(self._hair_areas, self._hair_sides):
            edge = np.vstack([outer, inner[::-1], outer[:1]])
            self.canvas.fill(ribbon(edge, 5, (0, 0), 1), HAIR_DARK)
            self.canvas.paint(area, gradient((0, 130), (0, 780), HAIR_DEEP, HAIR, HAIR, HAIR_DEEP))
            self._strands(area, outer, inner)
        self._loose_strands()
        self._clip()

    def _clip(self) -> None:
        for start, end in (((650, 296), (694, 330)), ((664, 280), (706, 316))):
            bar = np.array([start, end], np.float64)
            self._line(bar, 17, HAIR_DARK, taper=(0.08, 0.08), thin=0.4)
            self._line(bar, 12, ACCENT, taper=(0.08, 0.08), thin=0.4)
            self._line(shifted(bar, -1, -2), 4, ACCENT_LIGHT, taper=(0.1, 0.1), thin=0.4)

    def _strands(self, area: np.ndarray, outer: np.ndarray, inner: np.ndarray) -> None:
        canvas, random = self.canvas, self._random
        outer, inner = resample(outer, 120), resample(inner, 120)
        canvas.paint(canvas.soft(1 - area, 12), HAIR_DARK, 0.5, area)
        for share in np.linspace(0.03, 0.97, 34) + random.uniform(-0.012, 0.012, 34):
            strand = (1 - share) * outer + share * inner
            first, last = random.integers(2, 30), random.integers(80, 120)
            colour = HAIR_DARK if random.uniform() < 0.55 else HAIR_LIGHT
            canvas.fill(ribbon(strand[first:last], random.uniform(2, 6), (0.4, 0.6)), colour, 0.35, area)
        for share in np.linspace(0.06, 0.94, 46) + random.uniform(-0.01, 0.01, 46):
            strand = (1 - share) * outer + share * inner
            middle = 40 + int(6 * np.sin(9 * share)) + random.integers(-3, 4)
            reach = random.integers(7, 15)
            gloss = ribbon(strand[middle - reach : middle + reach], random.uniform(4, 8), (0.5, 0.5))
            canvas.fill(gloss, HAIR_GLOSS, 0.34, area)

    def _loose_strands(self) -> None:
        for points, width in (
            (((558, 232), (540, 290), (492, 336), (444, 346), (396, 360)), 9),
            (((560, 236), (556, 296), (528, 346), (500, 376)), 7),
            (((562, 232), (594, 300), (640, 346), (660, 410)), 8),
        ):
            curve = smooth(points)
            self._line(curve, width + 4, HAIR_DARK, taper=(0.1, 0.8))
            self._line(curve, width, HAIR, taper=(0.1, 0.8))
            self._line(shifted(curve[8:30], -1, -1), width * 0.35, HAIR_GLOSS, 0.5, taper=(0.5, 0.5))


def main() -> None:
    """Write the picture and its key points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    write_character(output, NAME, CharacterDrawing().draw(), MIRA)


if __name__ == "__main__":
    main()

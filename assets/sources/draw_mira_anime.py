"""Draws assets/characters/mira_anime.png, Mira with an anime's proportions, and the key points of her face.

Her head is as large in the body's picture, and her mouth as small, as the anime renderer's networks expect.
Run: ``python assets/sources/draw_mira_anime.py`` (needs OpenCV and NumPy only).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from anime_hair import AnimeHair
from draw_mira import (
    ACCENT,
    ACCENT_LIGHT,
    BLUSH,
    EYES,
    HOOD,
    HOOD_DARK,
    HOOD_LIGHT,
    HOOD_LINE,
    SHIRT,
    SKIN_DEEP,
    SKIN_LINE,
    SKIN_SHADE,
)
from drawing import Canvas, Colour, bezier, ellipse, gradient, radial, ribbon, smooth
from face_shape import SIZE, AnimePlace, FaceShape, Side, as_drawn, both_halves, mirrored, shifted, write_character

OUTPUT = Path(__file__).resolve().parents[1] / "characters" / "mira_anime.png"
NAME = "Mira (anime)"
SUPERSAMPLING = 2
PLACE = AnimePlace((512.0, 266.0), 0.352)
"""Found by trying: here the networks close her eyes and open her mouth best."""

LASH, LASH_WIDTH = "#1c1028", 9.0
MOUTH = "#cc4c54"
SKIN_LIGHT, SKIN = "#fff0e4", "#fde0cf"
SHIRT_SHADE, ZIP = "#c4bfd8", "#d8dcec"

# --- Key points ---
MIRA_ANIME = FaceShape(
    upper_lid=((421.5, 330.0), (424.5, 278.5), (468.0, 272.5), (483.5, 324.5)),
    lower_lid=((421.5, 330.0), (430.0, 359.0), (473.0, 371.5), (483.5, 324.5)),
    lid_crease=((427.0, 291.0), (439.0, 273.5), (467.0, 272.5), (482.0, 288.0)),
    iris_centre=(453.0, 319.5),
    iris_radius=23.0,
    brow_top=((421.0, 271.0), (432.0, 264.0), (447.0, 259.5), (463.0, 260.0), (482.0, 266.0)),
    brow_bottom=((421.0, 272.5), (432.0, 267.0), (447.0, 263.5), (463.0, 264.0), (480.0, 269.0)),
    lip_seam=((487.5, 401.5), (500.0, 406.5), (524.0, 406.5), (536.5, 401.5)),
    upper_lip=((487.5, 401.5), (494.5, 401.5), (500.5, 401.0), (506.5, 400.5), (512.0, 401.0)),
    lower_lip=((487.5, 401.5), (494.5, 406.5), (500.5, 409.5), (506.5, 411.0), (512.0, 411.5)),
    outline=((512.0, 150.0), (452.0, 164.0), (412.0, 210.0), (401.0, 268.0), (402.0, 318.0), (407.0, 354.0),
             (420.0, 388.0), (446.0, 418.0), (478.0, 440.0), (500.0, 449.0), (512.0, 451.0)),
    jaw_top=336.0,
    temples=((408.0, 318.0), (409.0, 296.0)),
    forehead=(512.0, 196.0),
    chin=(512.0, 443.0),
    nose_bridge=(512.0, 326.0),
    nose_tip=(512.0, 371.0),
    nose_bottom=(512.0, 378.0),
    nose_wing=(502.0, 374.0),
)  # fmt: skip

NECK = ((512.0, 400.0), (484.0, 410.0), (484.0, 446.0), (482.0, 470.0), (472.0, 490.0), (440.0, 508.0), (440.0, 508.0))
NECK += ((452.0, 560.0), (512.0, 590.0))
SHIRT_HALF = ((512.0, 536.0), (490.0, 530.0), (470.0, 512.0), (456.0, 486.0), (456.0, 486.0), (420.0, 520.0))
SHIRT_HALF += ((420.0, 720.0), (512.0, 720.0))
TORSO = ((512.0, 700.0), (494.0, 640.0), (474.0, 570.0), (450.0, 500.0), (450.0, 500.0), (418.0, 516.0))
TORSO += ((374.0, 536.0), (350.0, 570.0), (350.0, 570.0), (378.0, 660.0), (390.0, 720.0), (396.0, 790.0))
TORSO += ((392.0, 870.0), (384.0, 950.0), (380.0, 1060.0), (380.0, 1060.0), (512.0, 1060.0))
ARM = ((392.0, 530.0), (364.0, 542.0), (344.0, 564.0), (330.0, 600.0), (318.0, 660.0), (308.0, 730.0), (296.0, 810.0))
ARM += ((286.0, 900.0), (280.0, 980.0), (276.0, 1060.0), (276.0, 1060.0), (366.0, 1060.0), (366.0, 1060.0))
ARM += ((370.0, 980.0), (376.0, 890.0), (384.0, 820.0), (390.0, 740.0), (390.0, 670.0), (386.0, 622.0))
HOOD_SIDE = ((456.0, 462.0), (428.0, 474.0), (408.0, 500.0), (414.0, 532.0), (440.0, 572.0), (472.0, 622.0))
HOOD_SIDE += ((504.0, 696.0), (504.0, 696.0), (494.0, 640.0), (478.0, 572.0), (464.0, 516.0), (456.0, 462.0))
HOOD_SIDE += ((456.0, 462.0),)
HOOD_RIM = ((457.0, 464.0), (465.0, 516.0), (478.0, 572.0), (494.0, 640.0), (504.0, 692.0))
HOOD_BACK = ((512.0, 452.0), (462.0, 454.0), (424.0, 470.0), (410.0, 498.0), (440.0, 520.0), (512.0, 530.0))


class AnimeDrawing:
    """Paints Mira (anime) from back to front."""

    def __init__(self) -> None:
        self.canvas = Canvas(SIZE, SIZE, SUPERSAMPLING)
        self._face_area = self.canvas.area(smooth(both_halves(MIRA_ANIME.outline), closed=True))
        self._hair = AnimeHair(self.canvas)

    def draw(self) -> np.ndarray:
        """Return the picture: (SIZE, SIZE, 4) uint8 RGBA."""
        self._hair.paint_back()
        self._hood_back()
        self._neck()
        self._torso()
        for side in (as_drawn, mirrored):
            self._arm(side)
        for side in (as_drawn, mirrored):
            self._hood_side(side)
            self._cord(side)
        self.canvas.paint(self._hair.shadow(3, 13, 3), HOOD_LINE, 0.5, self._body_area)
        self._face()
        for side in (as_drawn, mirrored):
            self._eye(side)
            self._lashes(side)
            self._brow(side)
        self._nose_and_mouth()
        self._hair.paint_front()
        return self.canvas.picture()

    def _line(self, curve: np.ndarray, width: float, colour: str, opacity: float = 1.0, **brush: Any) -> None:
        self.canvas.fill(ribbon(curve, width, **brush), colour, opacity)

    def _shade(self, outline: np.ndarray, radius: float, colour: Colour, opacity: float, within: np.ndarray) -> None:
        """Paint a shape with soft edges inside of a mask."""
        self.canvas.paint(self.canvas.soft(self.canvas.area(outline), radius), colour, opacity, within)

    def _outlined(self, outline: np.ndarray, line: str, width: float = 5.0) -> np.ndarray:
        """Return the area of an outline after drawing its line around it."""
        self.canvas.fill(ribbon(np.vstack([outline, outline[:1]]), width, (0, 0), 1), line)
        return self.canvas.area(outline)

    def _hood_back(self) -> None:
        area = self._outlined(smooth(both_halves(HOOD_BACK), closed=True), HOOD_LINE)
        self.canvas.paint(area, gradient((0, 452), (0, 520), HOOD, HOOD_DARK))

    def _neck(self) -> None:
        canvas = self.canvas
        area = self._outlined(smooth(both_halves(NECK), closed=True), SKIN_LINE, 4)
        canvas.paint(area, gradient((460, 0), (580, 0), SKIN_LIGHT, SKIN, "#f3c3ae"))
        shadow = canvas.soft(canvas.moved(self._face_area, 5, 26), 1.2)
        canvas.paint(shadow, gradient((0, 440), (0, 478), SKIN_DEEP, SKIN_SHADE), 0.85, area)
        for side in (as_drawn, mirrored):
            self._line(side(smooth([(466, 508), (484, 512), (502, 520)])), 2.6, SKIN_SHADE)
            self._line(side(smooth([(490, 480), (497, 500), (506, 516)])), 2.4, SKIN_SHADE, 0.6)

    def _torso(self) -> None:
        canvas = self.canvas
        shirt = self._outlined(smooth(both_halves(SHIRT_HALF), closed=True), "#8b84a6", 3.6)
        canvas.paint(shirt, gradient((450, 520), (580, 680), "#ffffff", SHIRT, SHIRT_SHADE))
        self._line(smooth([(458, 496), (474, 520), (512, 544), (550, 520), (566, 496)]), 2, SHIRT_SHADE)
        self._shade(np.array([(512, 520), (600, 480), (600, 720), (540, 720), (530, 600)]), 3, SHIRT_SHADE, 0.6, shirt)
        outline = smooth(both_halves(TORSO), closed=True)
        area = self._body_area = self._outlined(outline, HOOD_LINE)
        canvas.paint(area, gradient((390, 520), (660, 1020), HOOD_LIGHT, HOOD, HOOD, HOOD_DARK))
        shade = smooth([(640, 540), (606, 640), (566, 700), (590, 760), (570, 860), (600, 960), (580, 1060)])
        self._shade(np.vstack([shade, [(700, 1060), (700, 540)]]), 2, HOOD_DARK, 0.55, area)
        for side in (as_drawn, mirrored):
            for fold in (((376, 640), (420, 662), (444, 704)), ((378, 668), (406, 700), (414, 748)),
                         ((384, 804), (420, 800), (454, 784)), ((384, 838), (410, 836), (428, 824))):  # fmt: skip
                self._fold(side(smooth(fold)), area)
            pocket = side(smooth([(512, 862), (476, 860), (452, 862), (452, 862), (436, 908), (418, 950), (414, 960)]))
            self._shade(ribbon(shifted(pocket, 3, 7), 12, (0.1, 0.3)), 2.5, HOOD_LINE, 0.5, area)
            self._line(pocket, 4, HOOD_LINE, taper=(0.02, 0.2))
            opening = side(smooth([(454, 868), (439, 910), (421, 954)]))
            self._line(opening, 7, ACCENT, taper=(0.08, 0.08), thin=0.5)
            self._line(shifted(opening, -1.2, -1), 2, ACCENT_LIGHT, 0.8, taper=(0.1, 0.1))
        self._line(np.array([(512.0, 696.0), (512.0, 1060.0)]), 9, HOOD_LINE, taper=(0, 0))
        self._line(np.array([(512.0, 700.0), (512.0, 1060.0)]), 5, ACCENT, taper=(0, 0))
        self._line(np.array([(511.0, 700.0), (511.0, 1060.0)]), 1.6, ACCENT_LIGHT, taper=(0, 0))
        canvas.fill(ellipse((512, 702), (8, 12)), HOOD_LINE)
        canvas.fill(ellipse((512, 704), (4.5, 7)), ZIP)
        self._line(np.array([(512.0, 712.0), (512.0, 738.0)]), 8, HOOD_LINE, taper=(0.1, 0.1), thin=0.6)
        self._line(np.array([(512.0, 714.0), (512.0, 735.0)]), 5, ZIP, taper=(0.1, 0.1), thin=0.6)

    def _fold(self, curve: np.ndarray, area: np.ndarray) -> None:
        """Paint a fold of the cloth from the end at which it is deep."""
        self._shade(ribbon(shifted(curve, 0, 4), 12, (0.02, 0.98), 0), 1, HOOD_DARK, 0.8, area)
        self.canvas.fill(ribbon(curve, 4.4, (0.02, 0.95), 0), HOOD_LINE, 0.9, area)

    def _arm(self, side: Side) -> None:
        canvas = self.canvas
        is_lit = side is as_drawn
        outline = side(smooth(ARM))
        self._line(outline, 5, HOOD_LINE, taper=(0.06, 0.12), thin=0.2)
        area = canvas.area(np.vstack([outline, side([(392.0, 560.0)])]))
        edges = ((280, 0), (400, 0)) if is_lit else ((624, 0), (744, 0))
        canvas.paint(area, gradient(*edges, *((HOOD_LIGHT, HOOD_LIGHT, HOOD) if is_lit else (HOOD, HOOD, HOOD_DARK))))
        inner = side(smooth([(386, 622), (376, 680), (366, 740), (372, 800), (356, 880), (352, 960), (344, 1060)]))
        self._shade(np.vstack([inner, side([(420, 1060), (420, 622)])]), 2, HOOD_DARK, 0.6, area)
        if is_lit:
            light = smooth([(354, 560), (338, 606), (327, 670), (314, 760), (303, 850)])
            self._shade(ribbon(light, 8), 2, "#8fa0dc", 0.45, area)
        for fold in (((400, 656), (368, 662), (348, 678)), ((400, 722), (366, 728), (340, 746)),
                     ((296, 768), (322, 766), (348, 752)), ((396, 812), (362, 814), (336, 800)),
                     ((280, 890), (308, 886), (330, 874)), ((386, 928), (358, 932), (340, 944))):  # fmt: skip
            self._fold(side(smooth(fold)), area)
        for top in (600.0, 618.0):
            stripe = side(smooth([(300, top + 16), (340, top + 12), (400, top - 12)]))
            canvas.fill(ribbon(stripe, 11, (0, 0), 1), ACCENT if is_lit else "#e8744a", 1, area)
        self._line(outline[-40:], 4, HOOD_LINE, taper=(0.3, 0.5))

    def _hood_side(self, side: Side) -> None:
        canvas = self.canvas
        outline = side(smooth(HOOD_SIDE))
        self._shade(shifted(outline, 0, 9), 4, HOOD_LINE, 0.6, self._body_area)
        area = self._outlined(outline, HOOD_LINE, 4.6)
        canvas.paint(area, gradient((410, 470), (500, 660), "#5b6aa6", HOOD_LIGHT, HOOD) if side is as_drawn
                     else gradient((620, 470), (520, 660), HOOD_LIGHT, HOOD, HOOD_DARK))  # fmt: skip
        rim = side(smooth(HOOD_RIM))
        canvas.fill(ribbon(rim, 17, (0, 0.2), 1), HOOD_LINE, 1, area)
        canvas.fill(ribbon(rim, 12, (0, 0.2), 1), ACCENT, 1, area)
        canvas.fill(ribbon(shifted(rim, -2.2, 0), 2.4, (0, 0.2), 1), ACCENT_LIGHT, 0.8, area)
        fold = side(smooth([(440, 476), (424, 502), (436, 540), (468, 596)]))
        self._shade(ribbon(shifted(fold, 2, 3), 12), 2.5, HOOD_DARK, 0.7, area)
        self._line(fold, 3.4, HOOD_LINE, 0.9, taper=(0.2, 0.8))

    def _cord(self, side: Side) -> None:
        cord = side(smooth([(474, 590), (468, 620), (470, 650), (466, 690)]))
        self._line(cord, 8.6, HOOD_LINE, taper=(0, 0), thin=1)
        self._line(cord, 5, "#f3ecf7", taper=(0, 0), thin=1)
        for radius, colour in ((6.5, HOOD_LINE), (5.0, ZIP), (2.2, HOOD_LINE)):
            self.canvas.fill(ellipse(tuple(cord[0]), (radius, radius)), colour)
        self.canvas.fill(ellipse(tuple(cord[-1]), (6.4, 10.5)), HOOD_LINE)
        self.canvas.fill(ellipse(tuple(cord[-1]), (4.4, 8.5)), ACCENT)

    def _face(self) -> None:
        canvas, area = self.canvas, self._face_area
        outline = smooth(both_halves(MIRA_ANIME.outline), closed=True)
        self._outlined(outline, SKIN_LINE, 4.4)
        canvas.paint(area, radial((498, 320), (150, 190), SKIN_LIGHT, SKIN_LIGHT, SKIN_LIGHT, SKIN))
        jaw = canvas.soft(1 - canvas.moved(area, -4, -7), 1.5)
        canvas.paint(jaw, SKIN_SHADE, 0.4, area)
        for side in (as_drawn, mirrored):
            self._shade(side(ellipse((442, 378), (25, 11))), 7, BLUSH, 0.34, area)
        canvas.paint(self._hair.shadow(3, 9, 1.5), SKIN_SHADE, 0.5, area)

    def _eye(self, side: Side) -> None:
        canvas, face = self.canvas, MIRA_ANIME
        upper, lower = bezier(*face.upper_lid), bezier(*face.lower_lid)
        opening = canvas.area(side(np.vstack([upper, lower[::-1]])))
        canvas.paint(opening, gradient((0, 290), (0, 350), *EYES.white, EYES.white[1]))
        (x, y), wide = side([face.iris_centre])[0], face.iris_radius
        tall = 1.34 * wide
        light, middle, dark, rim = EYES.iris
        iris = canvas.area(ellipse((x, y), (wide, tall))) * opening
        canvas.paint(iris, rim)
        inside = canvas.area(ellipse((x, y), (wide - 2.2, tall - 2.2))) * opening
        canvas.paint(inside, gradient((0, y - tall), (0, y + tall), rim, dark, middle, middle, light))
        self._shade(ellipse((x, y + 0.72 * tall), (0.62 * wide, 0.24 * tall)), 2.5, EYES.glow, 0.85, inside)
        canvas.fill(ellipse((x, y), (0.42 * wide, 0.46 * tall)), EYES.pupil, 0.92, inside)
        shadow = ribbon(side(shifted(upper, 0, 6)), 14, (0.15, 0.15))
        self._shade(shadow, 2, EYES.lid_shadow, 0.55, opening)
        canvas.fill(ellipse((x - 0.36 * wide, y - 0.5 * tall), (0.32 * wide, 0.26 * tall), -15), "#ffffff", 1, opening)
        canvas.fill(ellipse((x + 0.44 * wide, y + 0.42 * tall), (0.17 * wide, 0.14 * tall)), "#ffffff", 0.95, opening)

    def _lashes(self, side: Side) -> None:
        upper, lower = bezier(*MIRA_ANIME.upper_lid), bezier(*MIRA_ANIME.lower_lid)
        self._line(side(bezier(*MIRA_ANIME.lid_crease)), 2, "#b06a62", 0.8, taper=(0.4, 0.5))
        self._line(side(shifted(upper, 0, -1)), LASH_WIDTH, LASH, taper=(0.2, 0.75), thin=0.3)
        (x, y), _, _, _ = MIRA_ANIME.upper_lid
        above, inside = upper[8] - (3, 3), upper[5] + (2, 0)
        wing = [tuple(above), (x - 4, y - 5), (x - 9, y - 3), (x - 9, y - 3), (x - 3, y + 2), (x + 1, y + 1)]
        self.canvas.fill(side(smooth([*wing, tuple(inside)])), LASH)
        self._line(side(shifted(lower[2:34], 0, 0.5)), 2.4, "#7d4352", 0.9, taper=(0.05, 0.85))

    def _brow(self, side: Side) -> None:
        outline = smooth([*MIRA_ANIME.brow_top, MIRA_ANIME.brow_top[-1], *MIRA_ANIME.brow_bottom[::-1]], closed=True)
        self.canvas.fill(side(outline), "#3a3277")

    def _nose_and_mouth(self) -> None:
        canvas = self.canvas
        self._line(smooth([(513, 366), (516, 371), (511, 374)]), 2.6, "#cf8e7e", taper=(0.5, 0.4))
        canvas.fill(ellipse((509, 366), (1.8, 2.6)), "#ffffff", 0.8)
        self._line(bezier(*MIRA_ANIME.lip_seam), 3.6, MOUTH, taper=(0.2, 0.2), thin=0.35)


def main() -> None:
    """Write the picture and its key points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    write_character(parser.parse_args().output, NAME, AnimeDrawing().draw(), MIRA_ANIME, PLACE)


if __name__ == "__main__":
    main()

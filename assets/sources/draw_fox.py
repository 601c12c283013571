"""Draws assets/characters/amber.png, a fox, and the key points of his face: a drawing of this project's own.

Run: ``python assets/sources/draw_fox.py`` (needs OpenCV and NumPy only).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from drawing import Canvas, bezier, ellipse, gradient, radial, ribbon, smooth
from drawn_eye import EyeColours, paint_eye
from face_shape import SIZE, FaceShape, Side, as_drawn, both_halves, mirrored, shifted, write_character

OUTPUT = Path(__file__).resolve().parents[1] / "characters" / "amber.png"
NAME = "Amber"
SUPERSAMPLING = 2

# --- Colours ----------------------------------------------------------------------------------------------------
FUR_DARK, FUR_SHADE, FUR, FUR_LIGHT, FUR_GLOSS = "#7c2f14", "#c9561c", "#ef8132", "#ffa858", "#ffd29b"
CREAM_SHADE, CREAM, CREAM_LIGHT = "#d9b79c", "#fbeadb", "#fffaf4"
LINE, EAR_DARK, EAR_INSIDE, NOSE, NOSE_LIGHT = "#4a1d12", "#3b2026", "#e9a08b", "#2b1a20", "#8a6f7a"
SCARF_SHADOW, SCARF_DARK, SCARF, SCARF_LIGHT = "#0a2a2e", "#0e4f52", "#1f8a86", "#5cc8b8"
MOUTH_LINE, LIP = "#53231f", "#e0a79a"
EYES = EyeColours(
    white=("#e2d6d0", "#fffdf8"),
    iris=("#ffe08a", "#f2a531", "#b5631a", "#5a2a10"),
    pupil="#1c0d0a",
    glow="#fff3c4",
    lid_shadow="#6a3c38",
)

# --- Key points ---
AMBER = FaceShape(
    upper_lid=((352.0, 436.0), (372.0, 386.0), (436.0, 394.0), (460.0, 462.0)),
    lower_lid=((352.0, 436.0), (368.0, 478.0), (428.0, 494.0), (460.0, 462.0)),
    lid_crease=((350.0, 410.0), (376.0, 362.0), (440.0, 372.0), (462.0, 432.0)),
    iris_centre=(408.0, 438.0),
    iris_radius=31.0,
    brow_top=((338.0, 358.0), (360.0, 338.0), (388.0, 332.0), (416.0, 340.0), (438.0, 356.0)),
    brow_bottom=((342.0, 366.0), (364.0, 354.0), (390.0, 350.0), (414.0, 356.0), (436.0, 366.0)),
    lip_seam=((428.0, 612.0), (456.0, 646.0), (568.0, 646.0), (596.0, 612.0)),
    upper_lip=((428.0, 612.0), (446.0, 619.0), (468.0, 625.0), (490.0, 627.0), (512.0, 627.0)),
    lower_lip=((428.0, 612.0), (446.0, 633.0), (468.0, 647.0), (490.0, 652.0), (512.0, 653.0)),
    outline=((512.0, 236.0), (420.0, 248.0), (336.0, 300.0), (292.0, 384.0), (284.0, 470.0), (312.0, 560.0),
             (368.0, 628.0), (436.0, 676.0), (512.0, 692.0)),
    jaw_top=490.0,
    temples=((310.0, 452.0), (312.0, 420.0)),
    forehead=(512.0, 290.0),
    chin=(512.0, 684.0),
    nose_bridge=(512.0, 450.0),
    nose_tip=(512.0, 556.0),
    nose_bottom=(512.0, 582.0),
    nose_wing=(476.0, 558.0),
)  # fmt: skip

EAR = ((352.0, 290.0), (316.0, 200.0), (300.0, 112.0), (310.0, 104.0), (394.0, 160.0), (486.0, 250.0), (486.0, 250.0))
EAR += ((420.0, 300.0), (352.0, 290.0))
EAR_HOLLOW = ((362.0, 276.0), (334.0, 204.0), (323.0, 152.0), (330.0, 146.0), (388.0, 192.0), (444.0, 256.0))
EAR_HOLLOW += ((444.0, 256.0), (404.0, 290.0), (362.0, 276.0))
HEAD = ((512.0, 232.0), (452.0, 236.0), (384.0, 262.0), (322.0, 318.0), (286.0, 392.0), (272.0, 452.0))
CHEEK_TUFTS = ((272.0, 452.0), (254.0, 512.0), (206.0, 578.0), (206.0, 578.0), (240.0, 582.0), (264.0, 576.0))
CHEEK_TUFTS += ((264.0, 576.0), (258.0, 612.0), (236.0, 642.0), (236.0, 642.0), (270.0, 642.0), (304.0, 626.0))
CHEEK_TUFTS += ((304.0, 626.0), (306.0, 652.0), (300.0, 678.0), (300.0, 678.0), (334.0, 672.0), (362.0, 660.0))
JAW = ((362.0, 660.0), (402.0, 680.0), (456.0, 697.0), (512.0, 701.0))
MASK = ((512.0, 470.0), (494.0, 500.0), (458.0, 528.0), (392.0, 520.0), (318.0, 482.0), (286.0, 470.0))


class FoxDrawing:
    """Paints Amber from back to front."""

    def __init__(self) -> None:
        self.canvas = Canvas(SIZE, SIZE, SUPERSAMPLING)
        self._random = np.random.default_rng(11)
        self._head_outline = np.vstack([self._half_head(), mirrored(self._half_head())[::-1]])
        self._head = self.canvas.area(self._head_outline)

    def draw(self) -> np.ndarray:
        """Return the picture: (SIZE, SIZE, 4) uint8 RGBA."""
        self._body()
        self._scarf()
        for side in (as_drawn, mirrored):
            self._ear(side)
        self._head_fur()
        for side in (as_drawn, mirrored):
            paint_eye(self.canvas, side, AMBER, EYES, self._random)
            self._eye_lines(side)
        self._muzzle()
        self._forelock()
        return self.canvas.picture()

    def _half_head(self) -> np.ndarray:
        return np.vstack([smooth(HEAD), smooth(CHEEK_TUFTS), smooth(JAW)])

    def _line(self, curve: np.ndarray, width: float, colour: str, opacity: float = 1.0, **brush: Any) -> None:
        self.canvas.fill(ribbon(curve, width, **brush), colour, opacity)

    def _outlined(self, outline: np.ndarray, width: float = 6.0) -> np.ndarray:
        """Return the area of an outline after drawing its line around it."""
        self.canvas.fill(ribbon(np.vstack([outline, outline[:1]]), width, (0, 0), 1), LINE)
        return self.canvas.area(outline)

    def _hairs(self, area: np.ndarray, roots: np.ndarray, towards: np.ndarray, length: float, colour: str) -> None:
        """Draw short hairs in ``area`` from ``roots`` (N, 2) along ``towards`` (N, 2)."""
        random = self._random
        for root, direction in zip(roots, towards):
            reach = direction / (np.linalg.norm(direction) + 1e-9) * length * random.uniform(0.6, 1.3)
            bend = np.array([-reach[1], reach[0]]) * random.uniform(-0.2, 0.2)
            curve = np.array([root, root + reach * 0.5 + bend, root + reach])
            self.canvas.fill(ribbon(curve, random.uniform(1.6, 3.6), (0.2, 0.8)), colour, 0.36, area)

    def _body(self) -> None:
        canvas = self.canvas
        half = ((512.0, 700.0), (420.0, 730.0), (316.0, 792.0), (216.0, 852.0), (160.0, 940.0), (148.0, 1060.0))
        outline = smooth(both_halves((*half, (148.0, 1060.0), (512.0, 1060.0))), closed=True)
        area = self._body_area = self._outlined(outline)
        canvas.paint(area, gradient((0, 740), (0, 1040), FUR, FUR, FUR_SHADE))
        canvas.paint(canvas.soft(1 - area, 16), FUR_DARK, 0.5, area)
        chest = ((512.0, 740.0), (420.0, 770.0), (396.0, 820.0), (374.0, 872.0), (374.0, 872.0), (400.0, 872.0))
        chest += ((422.0, 862.0), (422.0, 862.0), (412.0, 910.0), (392.0, 952.0), (392.0, 952.0), (414.0, 950.0))
        chest += ((436.0, 938.0), (436.0, 938.0), (434.0, 980.0), (420.0, 1020.0), (420.0, 1020.0), (456.0, 1006.0))
        chest_area = canvas.area(smooth(both_halves((*chest, (456.0, 1060.0), (512.0, 1060.0))), closed=True))
        canvas.paint(chest_area, gradient((0, 800), (0, 1030), CREAM_SHADE, CREAM, CREAM_LIGHT), 1, area)
        roots = self._random.uniform((200, 800), (824, 1020), (170, 2))
        outward = roots * [1, 0] + [-512, 160]
        self._hairs(area * (1 - chest_area), roots, outward, 26, FUR_DARK)
        roots = self._random.uniform((410, 830), (614, 1010), (70, 2))
        self._hairs(chest_area, roots, roots * [0.4, 0] + [-205, 90], 30, CREAM_SHADE)
        for side in (as_drawn, mirrored):
            arm = side(smooth([(262, 1060), (256, 990), (276, 930)]))
            self._line(arm, 6, LINE, 0.8)

    def _scarf(self) -> None:
        canvas = self.canvas
        half = ((512.0, 700.0), (420.0, 700.0), (346.0, 716.0), (322.0, 752.0), (350.0, 800.0), (430.0, 838.0))
        outline = smooth(both_halves((*half, (512.0, 850.0))), closed=True)
        hanging = ((560, 800), (548, 880), (556, 952), (540, 986), (540, 986), (586, 992), (622, 978), (622, 978))
        tail = smooth([*hanging, (634, 900), (616, 800), (560, 800)], closed=True)
        for piece in (tail, outline):
            canvas.paint(canvas.soft(canvas.moved(canvas.area(piece), 0, 10), 8), FUR_DARK, 0.5, self._body_area)
            area = self._outlined(piece)
            canvas.paint(area, gradient((330, 700), (690, 900), SCARF_LIGHT, SCARF, SCARF, SCARF_DARK))
            canvas.paint(canvas.soft(1 - area, 8), SCARF_DARK, 0.6, area)
        self._scarf_area = area
        for fold in (((348, 744), (420, 784), (520, 800), (640, 784)), ((400, 812), (500, 832), (590, 818))):
            self._line(smooth(fold), 7, SCARF_DARK, 0.8)
            self._line(shifted(smooth(fold), 0, -6), 4, SCARF_LIGHT, 0.6)
        knot = ellipse((588, 806), (40, 32), 12)
        area = self._outlined(knot)
        canvas.paint(area, radial((578, 796), (52, 44), SCARF_LIGHT, SCARF, SCARF_DARK))
        for stripe in (926.0, 950.0):
            self._line(np.array([(546.0, stripe), (588.0, stripe + 8), (630.0, stripe - 4)]), 9, CREAM, 0.9, thin=1.0)

    def _ear(self, side: Side) -> None:
        canvas = self.canvas
        area = self._outlined(side(smooth(EAR, closed=True)))
        canvas.paint(area, gradient((0, 110), (0, 300), EAR_DARK, EAR_DARK, FUR_SHADE, FUR))
        hollow = canvas.area(side(smooth(EAR_HOLLOW, closed=True))) * area
        canvas.paint(hollow, gradient((0, 150), (0, 290), "#8a4a48", EAR_INSIDE, CREAM))
        canvas.paint(canvas.soft(1 - hollow, 8), EAR_DARK, 0.55, hollow)
        for root, tip in (((352, 286), (344, 190)), ((376, 292), (372, 212)), ((402, 288), (400, 226))):
            tuft = smooth([root, ((root[0] + tip[0]) / 2 + 8, (root[1] + tip[1]) / 2), tip])
            canvas.fill(ribbon(side(tuft), 26, (0.0, 1.0)), CREAM, 0.95, area)

    def _head_fur(self) -> None:
        canvas, head = self.canvas, self._head
        shadow = canvas.soft(canvas.moved(head, 0, 26), 10)
        canvas.paint(shadow, SCARF_SHADOW, 0.45, np.maximum(self._scarf_area, self._body_area))
        self._outlined(self._head_outline)
        canvas.paint(head, gradient((0, 230), (0, 700), FUR, FUR_LIGHT, FUR, FUR_SHADE))
        mask_half = np.vstack([smooth(MASK), [(200.0, 480.0), (200.0, 720.0), (512.0, 720.0)]])
        mask = canvas.area(np.vstack([mask_half, mirrored(mask_half)[::-1]])) * head
        cream = radial((512, 600), (320, 220), CREAM_LIGHT, CREAM, CREAM, CREAM_SHADE)
        canvas.paint(canvas.soft(mask, 2.5), cream, 1, head)
        canvas.paint(canvas.soft(1 - head, 16), FUR_DARK, 0.45, head)
        blaze = smooth(both_halves(((512, 250), (498, 320), (492, 400), (484, 480), (512, 520))), closed=True)
        canvas.paint(canvas.soft(canvas.area(blaze), 7), FUR_GLOSS, 0.55, head)
        roots = self._random.uniform((290, 250), (734, 420), (230, 2))
        outward = roots - (512, 560)
        self._hairs(head * (1 - mask), roots, outward, 24, FUR_SHADE)
        self._hairs(head * (1 - mask), roots + 7, outward, 18, FUR_GLOSS)
        for side in (as_drawn, mirrored):
            roots = self._random.uniform((250, 500), (400, 640), (60, 2))
            self._hairs(mask, side(roots), side(roots) - (512, 520), 30, CREAM_SHADE)
            edge = smooth(MASK)[30:]
            self._hairs(head, side(edge[::2]), side(edge[::2]) - (512, 380), 22, CREAM_LIGHT)
            blush = side(ellipse((352, 548), (40, 22), 12))
            canvas.paint(canvas.soft(canvas.area(blush), 14), "#f08a76", 0.4, head)

    def _eye_lines(self, side: Side) -> None:
        upper, lower = bezier(*AMBER.upper_lid), bezier(*AMBER.lower_lid)
        wing = np.vstack([[(334, 420), (342, 429)], upper])
        self._line(side(shifted(wing, 0, -2.6)), 9, LINE, taper=(0.15, 0.5), thin=0.15)
        inner = np.vstack([upper[-12:], [(470, 474), (476, 484)]])
        self._line(side(inner), 7, LINE, taper=(0.3, 0.6))
        self._line(side(shifted(lower, 0, 1)), 4.5, LINE, 0.9, taper=(0.2, 0.4))
        self._line(side(bezier(*AMBER.lid_crease)), 3, FUR_DARK, 0.6, taper=(0.3, 0.5))
        brow = smooth([*AMBER.brow_top, AMBER.brow_top[-1], *AMBER.brow_bottom[::-1]], closed=True)
        self.canvas.fill(side(brow), FUR_DARK, 0.9)

    def _muzzle(self) -> None:
        canvas, head = self.canvas, self._head
        muzzle = ellipse((512, 592), (112, 76))
        canvas.paint(canvas.soft(canvas.area(muzzle), 16), CREAM_LIGHT, 0.9, head)
        canvas.paint(canvas.soft(canvas.area(ellipse((512, 664), (84, 16))), 9), CREAM_SHADE, 0.55, head)
        seam = bezier(*AMBER.lip_seam)
        below = shifted(seam, 0, 9)
        canvas.paint(canvas.soft(canvas.area(ribbon(below, 13, (0.3, 0.3))), 3), LIP, 0.8, head)
        self._line(seam, 5, MOUTH_LINE, taper=(0.3, 0.3), thin=0.35)
        self._line(smooth([(512, 580), (512, 606), (512, 634)]), 4.5, MOUTH_LINE, taper=(0.1, 0.4))
        for side in (as_drawn, mirrored):
            self._line(side(smooth([(418, 602), (425, 611), (436, 618)])), 4.5, MOUTH_LINE, 0.9)
            for dot in ((452, 588), (436, 576), (464, 574)):
                canvas.fill(side(ellipse(dot, (3, 3))), CREAM_SHADE)
        nose = ((512.0, 532.0), (488.0, 533.0), (470.0, 545.0), (476.0, 562.0), (496.0, 578.0), (512.0, 583.0))
        area = self._outlined(smooth(both_halves(nose), closed=True), 4)
        canvas.paint(area, radial((504, 544), (44, 42), NOSE_LIGHT, NOSE, NOSE))
        canvas.paint(canvas.soft(canvas.area(ellipse((502, 542), (15, 5))), 2.5), "#ffffff", 0.8, area)

    def _forelock(self) -> None:
        for points, width in (
            (((488, 216), (464, 276), (474, 330)), 34),
            (((538, 216), (560, 272), (548, 322)), 32),
            (((514, 210), (504, 280), (518, 352)), 38),
        ):
            curve = smooth(points)
            lock, line = ribbon(curve, width, (0.02, 1.0), 0.0), ribbon(curve, width + 7, (0.02, 1.0), 0.0)
            self.canvas.fill(line, FUR_DARK, 1, self._head)
            self.canvas.fill(shifted(lock, 0, -4), gradient((0, 235), (0, 340), FUR, FUR_LIGHT), 1, self._head)


def main() -> None:
    """Write the picture and its key points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    write_character(parser.parse_args().output, NAME, FoxDrawing().draw(), AMBER)


if __name__ == "__main__":
    main()

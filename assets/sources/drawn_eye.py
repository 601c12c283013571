"""Paints an eye: white, iris, pupil, highlights and the shadow of the lid, all inside the lids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from drawing import Canvas, bezier, ellipse, gradient, radial, ribbon
from face_shape import FaceShape, Side, shifted


@dataclass(frozen=True)
class EyeColours:
    """Colours of an eye; iris from its middle to its rim."""

    white: tuple[str, str]
    iris: tuple[str, str, str, str]
    pupil: str
    glow: str
    lid_shadow: str


def paint_eye(canvas: Canvas, place: Side, face: FaceShape, colours: EyeColours, random: np.random.Generator) -> None:
    """Paint the eye of one side between its lids."""
    upper, lower = bezier(*face.upper_lid), bezier(*face.lower_lid)
    opening = canvas.area(place(np.vstack([upper, lower[::-1]])))
    top, bottom = upper[:, 1].min(), lower[:, 1].max()
    canvas.paint(opening, gradient((0, top), (0, bottom), colours.white[0], colours.white[1], colours.white[1]))
    # Both eyes catch the same light, so only the place of the iris is mirrored.
    (x, y), radius = place([face.iris_centre])[0], face.iris_radius
    light, middle, dark, rim = colours.iris
    iris = canvas.area(ellipse((x, y), (radius, radius * 1.06))) * opening
    canvas.paint(iris, radial((x, y + 0.23 * radius), (radius * 1.05, radius * 1.25), light, middle, dark, rim))
    for angle in np.linspace(0, 2 * np.pi, 40, endpoint=False) + random.uniform(-0.06, 0.06, 40):
        ray = np.array([[np.cos(angle), np.sin(angle)]]) * np.array([[0.42], [0.86]]) * radius + (x, y)
        canvas.fill(ribbon(ray, 0.055 * radius, (0.5, 0.5)), light, 0.35, iris)
    shade = canvas.soft(canvas.area(ellipse((x, y - 0.8 * radius), (1.2 * radius, 0.68 * radius))), 4)
    canvas.paint(shade, rim, 0.75, iris)
    canvas.fill(ellipse((x, y), (0.4 * radius, 0.45 * radius)), colours.pupil, 1, iris)
    glow = canvas.soft(canvas.area(ellipse((x, y + 0.61 * radius), (0.52 * radius, 0.23 * radius))), 2.5)
    canvas.paint(glow, colours.glow, 0.65, iris)
    shadow = canvas.soft(canvas.area(ribbon(place(shifted(upper, 0, 5)), 13, (0.2, 0.2))), 3)
    canvas.paint(shadow, colours.lid_shadow, 0.5, opening)
    big = ellipse((x - 0.32 * radius, y - 0.35 * radius), (0.26 * radius, 0.29 * radius), -20)
    canvas.fill(big, "#ffffff", 1, opening)
    small = ellipse((x + 0.35 * radius, y + 0.39 * radius), (0.13 * radius, 0.145 * radius))
    canvas.fill(small, "#ffffff", 0.85, opening)

"""Where everything of the drawn character is, in pixels, and which of it are the landmarks of her face."""

from __future__ import annotations

import numpy as np
from drawing import Point, bezier, resample, smooth

SIZE = 1024

# --- Key points: the right half (her own right, left in the picture); the left half mirrors it. -------------------
EYE_OUTER, EYE_INNER = (379.0, 448.0), (475.0, 458.0)
UPPER_LID = (EYE_OUTER, (392.0, 402.0), (449.0, 394.0), EYE_INNER)
LOWER_LID = (EYE_OUTER, (400.0, 480.0), (453.0, 484.0), EYE_INNER)
LID_CREASE = ((382.0, 420.0), (402.0, 386.0), (448.0, 382.0), (474.0, 432.0))
IRIS_CENTRE, IRIS_RADIUS = (430.0, 437.0), 31.0
BROW_TOP = ((374.0, 383.0), (392.0, 369.0), (418.0, 361.0), (446.0, 362.0), (470.0, 368.0))
BROW_BOTTOM = ((376.0, 387.0), (395.0, 377.0), (420.0, 371.0), (446.0, 372.0), (470.0, 378.0))
MOUTH_CORNER = (461.0, 592.0)
LIP_SEAM = (MOUTH_CORNER, (486.0, 603.0), (538.0, 603.0), (563.0, 592.0))
UPPER_LIP = (MOUTH_CORNER, (474.0, 589.5), (488.0, 585.5), (500.0, 582.5), (512.0, 585.0))
LOWER_LIP = (MOUTH_CORNER, (474.0, 602.5), (487.0, 611.5), (499.0, 617.0), (512.0, 618.5))
FACE = ((512.0, 200.0), (430.0, 222.0), (368.0, 290.0), (349.0, 370.0), (346.0, 440.0), (351.0, 500.0))
FACE += ((364.0, 555.0), (392.0, 606.0), (434.0, 645.0), (480.0, 668.0), (512.0, 673.0))
FOREHEAD, CHIN, EAR_Y = (512.0, 292.0), (512.0, 665.0), 488.0
NOSE_BRIDGE, NOSE_TIP, NOSE_BOTTOM = (512.0, 446.0), (512.0, 541.0), (512.0, 556.0)
NOSTRIL, NOSE_WING = (499.0, 554.0), (488.0, 548.0)

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

# --- MediaPipe's landmark numbers, outer to inner, right eye and brow; the lips from the right corner to the left. ---
EYE_CORNERS = 33, 133
UPPER_LID_NUMBERS, LOWER_LID_NUMBERS = (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)
CREASE_NUMBERS = 247, 30, 29, 27, 28, 56, 190
BROW_TOP_NUMBERS, BROW_BOTTOM_NUMBERS = (70, 63, 105, 66, 107), (46, 53, 52, 65, 55)
IRIS_NUMBERS, IRIS_NUMBERS_LEFT = (468, 469, 470, 471, 472), (473, 476, 475, 474, 477)
"""Centre, towards the nose, top, away from the nose, bottom."""
SEAM_NUMBERS_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
SEAM_NUMBERS_LOWER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
LIP_TOP_NUMBERS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIP_BOTTOM_NUMBERS = (146, 91, 181, 84, 17, 314, 405, 321, 375)
JAW_NUMBERS = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148)
JAW_SHARES = 0.0, 0.114, 0.239, 0.376, 0.491, 0.58, 0.672, 0.746, 0.822, 0.904
"""Where on the outline from the ear to the chin each of them is."""
JAW_INSET = 0.95
"""They lie inside the outline by this factor: the line, a sharp contrast, shall not run along the mesh's edge."""
TEMPLES = {127: (360.0, 456.0), 162: (362.0, 428.0)}
RIGHT_NUMBERS = (*EYE_CORNERS, *UPPER_LID_NUMBERS, *LOWER_LID_NUMBERS, *BROW_TOP_NUMBERS, *BROW_BOTTOM_NUMBERS)
RIGHT_NUMBERS += (*JAW_NUMBERS, 129, 127, 162, *CREASE_NUMBERS)
LEFT_NUMBERS = (263, 362, 466, 388, 387, 386, 385, 384, 398, 249, 390, 373, 374, 380, 381, 382)
LEFT_NUMBERS += (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
LEFT_NUMBERS += (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 358, 356, 389, 467, 260, 259, 257, 258, 286, 414)
LEFT_OF = dict(zip(RIGHT_NUMBERS, LEFT_NUMBERS))


def shifted(curve: np.ndarray, x: float, y: float) -> np.ndarray:
    """Return ``curve`` moved by x, y pixels."""
    return curve + np.array([x, y])


def as_drawn(points: object) -> np.ndarray:
    """Return the points of the right side as they are, (N, 2)."""
    return np.array(points, np.float64)


def mirrored(points: object) -> np.ndarray:
    """Return the points on the other side of the face, (N, 2)."""
    return np.array([SIZE, 0.0]) + np.array(points, np.float64) * [-1, 1]


def both_halves(half: tuple[Point, ...]) -> list[Point]:
    """Return a whole outline from its right half, which runs from the middle to the middle."""
    other = [(SIZE - x, y) for x, y in half[::-1]]
    return [*half, *other[1:-1]]


def across(half: tuple[Point, ...]) -> np.ndarray:
    """Return the smooth line from a right corner through the middle to the left corner, (N, 2)."""
    return smooth([*half, *mirrored(half)[-2::-1].tolist()])


def landmarks() -> dict[int, tuple[float, float]]:
    """Return the landmarks of the face that the drawing fixes: x, y in pixels by MediaPipe's number."""
    right: dict[int, np.ndarray] = dict(zip(EYE_CORNERS, np.array([EYE_OUTER, EYE_INNER])))
    right.update(zip(UPPER_LID_NUMBERS, bezier(*UPPER_LID, count=9)[1:-1]))
    right.update(zip(LOWER_LID_NUMBERS, bezier(*LOWER_LID, count=9)[1:-1]))
    right.update(zip(CREASE_NUMBERS, bezier(*LID_CREASE, count=9)[1:-1]))
    right.update(zip(BROW_TOP_NUMBERS, as_drawn(BROW_TOP)))
    right.update(zip(BROW_BOTTOM_NUMBERS, as_drawn(BROW_BOTTOM)))
    right.update(zip(JAW_NUMBERS, _along_jaw()))
    right[129] = as_drawn(NOSE_WING)
    right.update({number: as_drawn(point) for number, point in TEMPLES.items()})
    points = {**right, **{LEFT_OF[number]: mirrored(point) for number, point in right.items()}}
    rim = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * IRIS_RADIUS + IRIS_CENTRE
    points.update(zip(IRIS_NUMBERS, rim))
    points.update(zip(IRIS_NUMBERS_LEFT, mirrored(rim)))
    seam = bezier(*LIP_SEAM, count=13)[1:-1]
    points.update(zip(SEAM_NUMBERS_UPPER, seam))
    points.update(zip(SEAM_NUMBERS_LOWER, seam[1:-1]))
    points.update(zip(LIP_TOP_NUMBERS, resample(across(UPPER_LIP), 11)))
    points.update(zip(LIP_BOTTOM_NUMBERS, resample(across(LOWER_LIP), 11)[1:-1]))
    for number, point in ((10, FOREHEAD), (152, CHIN), (6, NOSE_BRIDGE), (1, NOSE_TIP), (2, NOSE_BOTTOM)):
        points[number] = as_drawn(point)
    return {number: (round(float(x), 1), round(float(y), 1)) for number, (x, y) in sorted(points.items())}


def _along_jaw() -> np.ndarray:
    outline = smooth(FACE)
    jaw = resample(outline[np.abs(outline[:, 1] - EAR_Y).argmin() :], 201)
    middle = np.array([SIZE / 2, EAR_Y])
    return middle + (jaw[[round(200 * share) for share in JAW_SHARES]] - middle) * JAW_INSET

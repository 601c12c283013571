"""Makes assets/motions/sample.npz: sixteen seconds of a talking face that nobody acted.

The face is the project's mean face; a script of poses, glances, blinks and spoken sounds moves it as muscles would.
Run: ``python -m assets.sources.make_motion`` from the repository's root, or this file by its path.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from animator_core.clips.track_file import MotionTrack, write_track  # noqa: E402

FACE_MODEL = ROOT / "animator_core" / "tracking" / "face_model.npz"
OUTPUT = ROOT / "assets" / "motions" / "sample.npz"

FPS = 30.0
DURATION_S = 16.0
FRAME_SIZE = 640, 480
FACE_SIZE_PX = 205.0
"""Pixels of one face size (the unit of the mean face)."""
EYES_PX = 320.0, 205.0
"""Where the middle between the eyes is in the neutral pose."""
PIXEL_FRACTION = 32.0
"""Steps to a pixel in the file."""
NECK = np.array([0.0, 0.75, 0.45])
"""The joint about which the head turns, in face sizes from the middle between the eyes."""

# --- Landmark numbers of MediaPipe's mesh; right is the person's own right. -----------------------------------------
UPPER_LID_RIGHT = (246, 161, 160, 159, 158, 157, 173)
LOWER_LID_RIGHT = (7, 163, 144, 145, 153, 154, 155)
EYE_CORNERS_RIGHT = (33, 133)
AROUND_EYE_RIGHT = (130, 25, 110, 24, 23, 22, 26, 112, 243)
BROW_RIGHT = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)
IRIS_RIGHT, IRIS_LEFT = slice(468, 473), slice(473, 478)
UPPER_LIP_INNER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP_INNER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
UPPER_LIP_OUTER = (185, 40, 39, 37, 0, 267, 269, 270, 409)
LOWER_LIP_OUTER = (146, 91, 181, 84, 17, 314, 405, 321, 375)
MOUTH_CORNERS = (61, 78, 291, 308)
CHIN = (152, 148, 377, 175, 199, 171, 396)
CHEEK_APPLES = (205, 50, 425, 280)
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
NOSE = (1, 2, 4, 5, 6, 168, 195, 197, 98, 327, 48, 278)
FACE_POINTS = 468
JAW_HINGE = np.array([0.0, 0.16, 0.24])
EYEBALL_RADIUS, IRIS_RADIUS = 0.115, 0.036
IRIS_OFFSET = np.array([0.0, -0.014, -0.015])
"""From the middle between the eye corners to the iris."""

# --- What happens, as (second, value) knots; between two knots the value eases from one to the next. ----------------
YAW_DEG = ((1.4, 0), (2.3, -6), (3.2, 5), (4.6, 20), (5.5, 20), (6.5, 0), (8.0, -4), (9.3, -22), (10.3, -20), (11.4, 6))
YAW_DEG += ((12.4, -5), (13.6, 0), (15.4, 0))
PITCH_DEG = ((1.4, 0), (1.75, 7), (2.1, -1), (2.5, 5), (2.9, 0), (4.6, -3), (6.5, 1), (7.3, -2), (8.6, 6), (9.3, 0))
PITCH_DEG += ((10.6, 4), (11.8, -4), (12.5, 13), (13.1, 11), (13.8, -10), (14.4, -8), (15.3, 0))
ROLL_DEG = (
    (1.4, 0),
    (3.0, -4),
    (4.6, 3),
    (6.4, 0),
    (7.1, 12),
    (8.0, 10),
    (8.9, -5),
    (10.3, 4),
    (11.5, -11),
    (12.4, -2),
)
ROLL_DEG += ((13.8, 3), (15.3, 0))
LEAN = ((1.4, 0), (4.0, 0.05), (6.5, -0.02), (9.2, 0.07), (12.0, 0), (15.3, 0))
BROWS = (
    (1.5, 0),
    (1.75, 1),
    (2.2, 0.7),
    (2.7, 0),
    (4.1, 0),
    (4.3, 0.6),
    (5.0, 0.1),
    (8.3, 0),
    (8.6, -0.8),
    (9.2, -0.6),
)
BROWS += ((9.6, 0.3), (11.1, 0), (11.35, 0.9), (11.9, 0), (13.6, 0), (13.9, 0.7), (14.5, 0))
SMILE = ((1.4, 0), (1.9, 0.55), (2.6, 0.25), (6.2, 0.15), (6.7, 1), (7.9, 0.9), (8.4, 0.1), (12.2, 0.1), (14.3, 0))
SMILE += ((14.7, 0.6), (15.0, 0.6), (15.5, 0))
# Looking at (degrees right of, below the camera); the eyes jump there and hold while the head moves.
GLANCES = ((1.4, 0, 0), (4.3, 14, -3), (4.75, 0, 0), (6.2, 4, 2), (6.55, 0, 0), (8.95, -20, 3), (9.6, -34, 0))
GLANCES += ((10.2, -8, 0), (10.5, 0, 0), (11.0, 24, -4), (11.45, 0, 0), (12.2, -6, 24), (12.75, 8, 22))
GLANCES += ((13.3, 0, -18), (13.9, 16, -12), (14.5, 0, 0))
BLINKS_S = (1.95, 4.35, 6.25, 8.1, 9.0, 10.55, 12.15, 13.25, 14.55)
WINK_S = 7.35
SPEECH = (
    # second, sounds: one letter a sound of SOUND_S seconds; see SOUNDS.
    (2.35, "h e l o u . a i m a o . w e r i . h a p i . t u . m i t u . a l o f i u"),
    (8.55, "n a u . w a t e v e r . a i . s e . m a i . f e i s . m u v s . w i d . m i"),
    (11.75, "o . w a u . l u k . a t . d a t"),
)
SOUND_S = 0.092
SOUNDS = {
    # letter: jaw opening, wide (negative is round), lips pressed together
    **dict.fromkeys("mpb", (0.0, 0.0, 1.0)),
    **dict.fromkeys("fvw", (0.10, -0.35, 0.35)),
    **dict.fromkeys("tdnlsrkh", (0.24, 0.15, 0.0)),
    "a": (1.0, 0.1, 0.0),
    "e": (0.62, 0.55, 0.0),
    "i": (0.34, 0.95, 0.0),
    "o": (0.68, -0.7, 0.0),
    "u": (0.30, -1.0, 0.0),
    ".": (0.08, 0.0, 0.0),
}
JAW_DEG = 15.0
COARTICULATION_S = 0.036


def ease(times: np.ndarray, knots: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return the value at each of ``times`` (seconds): minimum-jerk moves from knot to knot."""
    at = np.array([knot[0] for knot in knots])
    value = np.array([knot[1] for knot in knots], np.float64)
    index = np.clip(np.searchsorted(at, times, side="right") - 1, 0, len(at) - 2)
    x = np.clip((times - at[index]) / (at[index + 1] - at[index]), 0, 1)
    return value[index] + (value[index + 1] - value[index]) * x**3 * (10 - 15 * x + 6 * x * x)


def sway(times: np.ndarray, seed: int) -> np.ndarray:
    """Return small unrest in about [-1, 1] that is still at both ends of the clip."""
    random = np.random.default_rng(seed)
    wave = sum(
        np.sin(2 * np.pi * (frequency * times + random.uniform())) * 0.5 for frequency in random.uniform(0.15, 0.9, 4)
    )
    return wave * ease(times, ((1.4, 0), (2.4, 1), (14.3, 1), (15.4, 0)))


def glances(times: np.ndarray) -> np.ndarray:
    """Return where the eyes look in degrees from the camera, (N, 2): 50 ms jumps between the glances."""
    angles = np.zeros((len(times), 2))
    for second, *target in GLANCES:
        move = ease(times, ((second, 0.0), (second + 0.05, 1.0)))[:, None]
        angles = angles * (1 - move) + np.array(target) * move
    return angles


def blinks(times: np.ndarray) -> np.ndarray:
    """Return how far each eye (right, left) is closed, (N, 2) in [0, 1]: 70 ms down, 80 ms shut, 120 ms up."""
    closed = np.zeros((len(times), 2))
    for second in BLINKS_S:
        closed = np.maximum(closed, _lid_move(times, second, 0.07, 0.08, 0.12)[:, None])
    closed[:, 1] = np.maximum(closed[:, 1], _lid_move(times, WINK_S, 0.12, 0.25, 0.16))
    return closed


def _lid_move(times: np.ndarray, second: float, down_s: float, shut_s: float, up_s: float) -> np.ndarray:
    down = second + down_s
    return ease(times, ((second, 0.0), (down, 1.0), (down + shut_s, 1.0), (down + shut_s + up_s, 0.0)))


def speech(times: np.ndarray) -> np.ndarray:
    """Return jaw opening, width and lip pressure over time, (N, 3): the sounds, run together as a mouth does."""
    fine_rate = 240.0
    track = np.zeros((int(DURATION_S * fine_rate), 3))
    for second, sounds in SPEECH:
        for index, sound in enumerate(sounds.replace(" ", "")):
            stress = 0.8 + 0.2 * np.sin(1.7 * index)
            start = second + index * SOUND_S
            track[int(start * fine_rate) : int((start + SOUND_S) * fine_rate)] = np.array(SOUNDS[sound]) * stress
    offsets = np.arange(-40, 41) / fine_rate
    kernel = np.exp(-0.5 * (offsets / COARTICULATION_S) ** 2)
    smooth = np.stack([np.convolve(column, kernel / kernel.sum(), "same") for column in track.T], 1)
    return np.stack([np.interp(times, np.arange(len(smooth)) / fine_rate, column) for column in smooth.T], 1)


class Face:
    """The mean face with the moves of its muscles; lengths in face sizes, x right, y down, z away."""

    def __init__(self) -> None:
        with np.load(FACE_MODEL, allow_pickle=False) as model:
            self.neutral = model["mean"].astype(np.float64)
            triangles = model["triangles"]
            self._mirror = model["mirror"]
        edges = np.concatenate([triangles[:, (0, 1)], triangles[:, (1, 2)], triangles[:, (2, 0)]]).astype(int)
        linked = np.zeros((FACE_POINTS, FACE_POINTS))
        linked[edges[:, 0], edges[:, 1]] = linked[edges[:, 1], edges[:, 0]] = 1
        self._laplacian = np.diag(linked.sum(1)) - linked
        self._close_mouth()
        self._round_irises()
        self.blink_right = self._blink_right()
        self.blink_left = self._mirrored(self.blink_right)
        self.brows_up = self._both_sides(dict.fromkeys(BROW_RIGHT, (0, -0.055, 0)), self._below_brows())
        self.smile = self._smile()
        self.wide = self._mouth_width(0.030, 0.0)
        self.round = self._mouth_width(-0.055, -0.045)
        self.jaw_weight = self._jaw_weight()

    def _spread(self, moves: dict[int, tuple[float, ...]], still: tuple[int, ...]) -> np.ndarray:
        """Return (478, n): the given moves, nothing at ``still``, and the smoothest skin between them."""
        fixed = {**dict.fromkeys(still, (0.0,) * len(next(iter(moves.values())))), **moves}
        known = np.array(list(fixed))
        values = np.array(list(fixed.values()), np.float64)
        free = np.setdiff1d(np.arange(FACE_POINTS), known)
        field = np.zeros((len(self.neutral), values.shape[1]))
        field[known] = values
        right_hand_side = -self._laplacian[np.ix_(free, known)] @ values
        field[free] = np.linalg.solve(self._laplacian[np.ix_(free, free)], right_hand_side)
        return field

    def _mirrored(self, field: np.ndarray) -> np.ndarray:
        return field[self._mirror] * np.array([-1, 1, 1])

    def _both_sides(self, moves: dict[int, tuple[float, ...]], still: tuple[int, ...]) -> np.ndarray:
        other = {int(self._mirror[point]): (-move[0], *move[1:]) for point, move in moves.items()}
        return self._spread({**moves, **other}, still)

    def _below_brows(self) -> tuple[int, ...]:
        right = UPPER_LID_RIGHT + LOWER_LID_RIGHT + EYE_CORNERS_RIGHT
        return (*right, *(int(self._mirror[point]) for point in right), *OVAL, *NOSE, *MOUTH_CORNERS, 152)

    def _close_mouth(self) -> None:
        moves: dict[int, tuple[float, ...]] = {}
        for upper, lower, outer in zip(UPPER_LIP_INNER, LOWER_LIP_INNER, LOWER_LIP_OUTER):
            gap = self.neutral[upper] - self.neutral[lower]
            moves[lower] = tuple(gap * [1, 1, 0.5])
            moves[outer] = tuple(gap * [0, 0.8, 0.5])
        still = (*UPPER_LIP_INNER, *UPPER_LIP_OUTER, *MOUTH_CORNERS, *CHIN, *OVAL, *NOSE)
        self.neutral = self.neutral + self._spread(moves, still)

    def _round_irises(self) -> None:
        ring = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0], [-1, 0, 0], [0, 1, 0]]) * IRIS_RADIUS
        for iris, corners in ((IRIS_RIGHT, EYE_CORNERS_RIGHT), (IRIS_LEFT, (362, 263))):
            self.neutral[iris] = ring + self.neutral[list(corners)].mean(0) + IRIS_OFFSET

    def _blink_right(self) -> np.ndarray:
        moves: dict[int, tuple[float, ...]] = {}
        for upper, lower in zip(UPPER_LID_RIGHT, LOWER_LID_RIGHT):
            gap = self.neutral[lower] - self.neutral[upper]
            moves[upper] = tuple(gap * 0.86 + [0, 0, -0.006])
            moves[lower] = tuple(gap * -0.14)
        left = tuple(int(self._mirror[point]) for point in UPPER_LID_RIGHT + LOWER_LID_RIGHT + BROW_RIGHT)
        still = (*EYE_CORNERS_RIGHT, *AROUND_EYE_RIGHT, *BROW_RIGHT, *NOSE, *OVAL, *left, *MOUTH_CORNERS)
        return self._spread(moves, still)

    def _smile(self) -> np.ndarray:
        moves: dict[int, tuple[float, ...]] = {61: (-0.042, -0.040, 0.030), 78: (-0.036, -0.036, 0.026)}
        # Both lips move alike along the seam, so that a smile alone does not part them.
        for point in (*UPPER_LIP_INNER[:4], *LOWER_LIP_INNER[:4]):
            share = (self.neutral[point, 0] / self.neutral[78, 0]) ** 2
            moves[point] = tuple(share * np.array(moves[78]))
        moves.update({205: (-0.020, -0.030, -0.010), 50: (-0.006, -0.020, -0.012)})
        moves.update(dict.fromkeys((144, 145, 153), (0.0, -0.008, 0.0)))
        upper = (*(int(self._mirror[point]) for point in BROW_RIGHT), *BROW_RIGHT, 159, 386)
        return self._both_sides(moves, (*upper, *OVAL, *NOSE, 152, 0, 17, 13, 14))

    def _mouth_width(self, outward: float, forward: float) -> np.ndarray:
        moves: dict[int, tuple[float, ...]] = {}
        for point in (*MOUTH_CORNERS, *UPPER_LIP_INNER, *UPPER_LIP_OUTER, *LOWER_LIP_INNER, *LOWER_LIP_OUTER):
            share = self.neutral[point, 0] / 0.15
            moves[point] = (outward * share, 0.0, forward * (1 - 0.5 * abs(share)))
        return self._spread(moves, (*OVAL, *NOSE, *CHEEK_APPLES, *CHIN))

    def _jaw_weight(self) -> np.ndarray:
        weights: dict[int, tuple[float, ...]] = dict.fromkeys(CHIN, (1.0,))
        for points, middle in (
            (UPPER_LIP_INNER + UPPER_LIP_OUTER, 0.0),
            (LOWER_LIP_INNER + LOWER_LIP_OUTER, 0.97),
            (MOUTH_CORNERS, 0.36),
        ):
            for point in points:
                share = min(abs(self.neutral[point, 0]) / 0.15, 1.0) ** 4
                weights[point] = (middle + (0.36 - middle) * share,)
        return self._spread(weights, (*OVAL, *NOSE, 159, 386, 145, 374, 50, 280))

    def pose_jaw(self, face: np.ndarray, angle_rad: float) -> np.ndarray:
        """Return ``face`` with the jaw swung open about its hinge below the ears."""
        cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
        arm = face - JAW_HINGE
        swung = np.stack([arm[:, 0], cosine * arm[:, 1] - sine * arm[:, 2], sine * arm[:, 1] + cosine * arm[:, 2]], 1)
        return face + self.jaw_weight * (swung - arm)


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """Return (3, 3): positive turns to the right of the picture, nods down, tilts clockwise in the picture."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    about_y = [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.array(about_z) @ np.array(about_y) @ np.array(about_x)


def make_motion() -> MotionTrack:
    """Return the motion: DURATION_S seconds that begin and end in the same neutral pose."""
    face = Face()
    times = np.arange(round(DURATION_S * FPS)) / FPS
    yaw = ease(times, YAW_DEG) + 1.2 * sway(times, 1)
    pitch = ease(times, PITCH_DEG) + 1.0 * sway(times, 2)
    roll = ease(times, ROLL_DEG) + 0.8 * sway(times, 3)
    lean = 1 + ease(times, LEAN) + 0.006 * sway(times, 4)
    brows, smile, closed, spoken = ease(times, BROWS), ease(times, SMILE), blinks(times), speech(times)
    # The eyes hold what they look at, so in the head they turn against the head.
    in_head = glances(times) - np.stack([yaw, pitch], 1)
    gaze = np.radians(np.clip(in_head, (-28, -20), (28, 20)))
    landmarks = np.empty((len(times), *face.neutral.shape), np.float32)
    for index in range(len(times)):
        shape = _expression(face, brows[index], smile[index], closed[index], gaze[index], *spoken[index])
        turned = (shape - NECK) @ rotation(yaw[index], pitch[index], roll[index]).T + NECK
        landmarks[index] = turned * FACE_SIZE_PX * lean[index] + (*EYES_PX, 0.0)
    # Whole fractions of a pixel compress better.
    return MotionTrack(FPS, *FRAME_SIZE, np.round(landmarks * PIXEL_FRACTION) / PIXEL_FRACTION)


def _expression(
    face: Face,
    brows: float,
    smile: float,
    closed: np.ndarray,
    gaze: np.ndarray,
    jaw: float,
    wide: float,
    pressed: float,
) -> np.ndarray:
    """Return the face in its own frame; gaze: radians right of and below straight ahead, the rest is 0 to 1."""
    shape = face.neutral + brows * face.brows_up + smile * face.smile
    shape = shape + max(wide, 0.0) * face.wide + max(-wide, 0.0) * face.round
    # Lids follow the gaze up and down.
    following = np.clip(1.1 * gaze[1], -0.25, 0.45)
    lids = np.where(closed > 0, np.maximum(closed, following), following)
    shape = shape + lids[0] * face.blink_right + lids[1] * face.blink_left
    shift = EYEBALL_RADIUS * np.array([np.sin(gaze[0]), np.sin(gaze[1]), 2 - np.cos(gaze[0]) - np.cos(gaze[1])])
    shape[IRIS_RIGHT] += shift
    shape[IRIS_LEFT] += shift
    return face.pose_jaw(shape, np.radians(JAW_DEG) * jaw * (1 - 0.9 * pressed))


def main() -> None:
    """Write the motion file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    write_track(parser.parse_args().output, make_motion())


if __name__ == "__main__":
    main()

"""Judges whether the face in a character's picture can be animated well, and says what to do if not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.characters.face_search import FoundFace, over_grey
from animator_core.tracking.face_model import (
    CHIN,
    FOREHEAD,
    INNER_LIPS,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_EYE,
)
from animator_core.tracking.pose import HeadPose, fit_pose, strangeness, with_true_depth

SMALL_FACE_PIXELS = 100
_LEAST_ROOM = 0.1
"""Share of the face's height that hair and background need at the top and the sides."""
_MOST_YAW_DEG, _MOST_ROLL_DEG = 30.0, 45.0
_COVERED_CONTRAST = 0.1
"""Contrast inside the lids, as a share of the skin's brightness: open eyes have .17 or more, what covers them .05."""
_DARK_GLASS = 0.17
"""Brightness around the lids against the skin's: .23 or more of bare skin, .13 or less of sunglasses."""
_SMALLEST_JUDGED_EYE = 8.0
"""Pixels between an eye's corners below which a small picture alone takes the contrast away."""
_CLOSED_EYE = 0.1
"""Height of the opening against its width."""
_COVERED_LIPS_CONTRAST, _COVERED_LIPS_COLOUR = 0.12, 6.0
"""Contrast of the lips as a share of the skin's brightness, and their distance from the skin around in L*a*b*: lips
have .2 and 8 or more in at least one of both, skin or cloth before them neither."""
_PATCH = (72, 48)
"""Columns and rows of the upright patch in which an eye or a mouth is judged."""
_SKIN_POINTS = (50, 280, 101, 330, 151, 9, 205, 425)
"""Landmarks on cheeks and forehead."""
_MOST_STRANGE = 0.2
"""`strangeness` of a tenth of the landmarks: .13 or less of people, .15 of anime drawings, .16 of cats."""
_PICK = "mark it with `prepare --pick {file}`"
_FRONTAL = "use a picture that looks at the viewer"
_NO_FACE = ("its eyes, mouth and chin do not lie as in a face", f"correct the marked points, or {_PICK} again")
_FREE = "use a picture that shows {what} uncovered"


@dataclass(frozen=True)
class FaceWarning:
    """Something about a face that makes its animation look wrong; as text ``message; remedy``."""

    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}"


def face_warnings(picture: UInt8Array, face: FoundFace, file: str) -> tuple[FaceWarning, ...]:
    """Return what is wrong with a face, the worst first.

    picture: (H, W, 4) uint8 RGBA, straight alpha. face: in its pixels; without shifts if the user marked it.
    file: the picture's name.
    """
    landmarks = with_true_depth(face.landmarks.astype(np.float32))
    pose = fit_pose(landmarks)
    return tuple(
        FaceWarning(message, remedy.format(file=file))
        for message, remedy in (
            *_doubts(face),
            *(_turns(pose) if _is_face_shaped(landmarks, pose) else [_NO_FACE]),
            *_covers(over_grey(picture), landmarks),
            *_places(picture.shape[:2], face.landmarks),
        )
    )


def _doubts(face: FoundFace) -> Iterator[tuple[str, str]]:
    """Tell that a detected face may be none."""
    if not face.is_steady:
        yield (
            "it is doubtful whether that is a face, or where its eyes and mouth are",
            f"look how it moves, use a frontal portrait of a person, or {_PICK}",
        )


def _is_face_shaped(landmarks: FloatArray, pose: HeadPose) -> bool:
    """Return whether the points lie as those of a face that is seen from the front; marked ones may not."""
    is_similar = np.percentile(strangeness(landmarks, pose), 90) < _MOST_STRANGE
    return bool(is_similar and pose.rotation[2, 2] > 0)


def _turns(pose: HeadPose) -> Iterator[tuple[str, str]]:
    """Tell of a profile, and of a face that lies on its side."""
    right, _, away = pose.rotation.T
    yaw = float(np.degrees(np.arctan2(abs(away[0]), away[2])))
    roll = float(np.degrees(np.arctan2(right[1], right[0])))
    if yaw > _MOST_YAW_DEG:
        yield f"the face is turned {yaw:.0f} degrees to the side, so that its far half is not seen", _FRONTAL
    if abs(roll) > _MOST_ROLL_DEG:
        yield f"the face is tilted by {abs(roll):.0f} degrees", "turn the picture upright"


def _covers(rgb: UInt8Array, landmarks: FloatArray) -> Iterator[tuple[str, str]]:
    """Tell of eyes that are covered or closed, and of a covered mouth."""
    size = float(np.linalg.norm(landmarks[FOREHEAD] - landmarks[CHIN]))
    # Noise of the picture is no contrast.
    smooth: AnyArray = cv2.GaussianBlur(rgb, (0, 0), max(0.6, 0.006 * size))
    skin = _skin_brightness(smooth, landmarks)
    eyes = [_eye_state(smooth, landmarks[list(ring)], skin) for ring in (RIGHT_EYE, LEFT_EYE)]
    if "covered" in eyes:
        which = "the eyes are" if eyes == ["covered"] * 2 else "an eye is"
        yield (
            f"{which} covered, by glasses or hair for example, and lids would be drawn over it",
            _FREE.format(what="both eyes"),
        )
    if "closed" in eyes:
        which = "the eyes are" if eyes == ["closed"] * 2 else "an eye is"
        yield f"{which} closed and cannot open", "use a picture with open eyes"
    if _is_mouth_covered(smooth, landmarks, skin):
        yield "the mouth is covered, or no lips are seen where it should be", _FREE.format(what="the mouth")


def _places(shape: Sequence[int], landmarks: FloatArray) -> Iterator[tuple[str, str]]:
    """Tell of a small face, and of one at the picture's edge."""
    height, width = shape
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    face = face_height(landmarks)
    if face < SMALL_FACE_PIXELS:
        yield (
            f"the face is only {face} px high and will look blurred",
            f"use a picture, or a part of it, in which the face has {SMALL_FACE_PIXELS} px or more",
        )
    if (low < 0).any() or high[0] > width or high[1] > height:
        yield "the picture's edge cuts the face", "use a picture that shows the whole head"
    elif min(low[1], low[0], width - high[0]) < face * _LEAST_ROOM:
        yield "there is little room around the face", "a picture with hair and shoulders moves better"


def face_height(landmarks: FloatArray) -> int:
    """Return the height of a face in whole pixels."""
    return round(float(np.ptp(landmarks[:, 1])))


def _skin_brightness(rgb: UInt8Array, landmarks: FloatArray) -> float:
    height, width = rgb.shape[:2]
    at = np.rint(landmarks[list(_SKIN_POINTS), :2]).astype(int).clip(0, (width - 1, height - 1))
    return max(float(np.median(_brightness(rgb[at[:, 1], at[:, 0]]))), 8.0)


def _eye_state(rgb: UInt8Array, ring: FloatArray, skin: float) -> str:
    """Return "open", "covered" or "closed"."""
    width = float(np.linalg.norm(ring[0, :2] - ring[8, :2]))
    if width < _SMALLEST_JUDGED_EYE:
        return "open"
    patch, opening = _upright(rgb, ring, corners=(0, 8))
    opening = cv2.dilate(opening, np.ones((3, 3), np.uint8))
    around = cv2.dilate(opening, np.ones((9, 9), np.uint8)) - opening
    light = _brightness(patch) / skin
    low, high = np.percentile(light[opening > 0], (8, 92))
    if high - low < _COVERED_CONTRAST or np.median(light[around > 0]) < _DARK_GLASS:
        return "covered"
    return "closed" if np.linalg.norm(ring[4, :2] - ring[12, :2]) < _CLOSED_EYE * width else "open"


def _is_mouth_covered(rgb: UInt8Array, landmarks: FloatArray, skin: float) -> bool:
    ring = landmarks[list(OUTER_LIPS)]
    if np.linalg.norm(ring[0, :2] - ring[10, :2]) < _SMALLEST_JUDGED_EYE:
        return False
    patch, lips = _upright(rgb, ring, corners=(0, 10))
    lips |= _upright(rgb, landmarks[list(INNER_LIPS)], corners=(0, 10), around=ring)[1]
    around = cv2.dilate(lips, np.ones((11, 11), np.uint8)) - cv2.dilate(lips, np.ones((3, 3), np.uint8))
    low, high = np.percentile(_brightness(patch)[lips > 0], (5, 95))
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).astype(np.float64)
    colour = float(np.linalg.norm(np.median(lab[lips > 0], axis=0) - np.median(lab[around > 0], axis=0)))
    return bool((high - low) / skin < _COVERED_LIPS_CONTRAST and colour < _COVERED_LIPS_COLOUR)


def _upright(
    rgb: UInt8Array, ring: FloatArray, *, corners: tuple[int, int], around: FloatArray | None = None
) -> tuple[UInt8Array, UInt8Array]:
    """Return an upright patch of `_PATCH` around an opening, (rows, columns, 3) uint8, and the opening's mask, 0 or 1.

    corners: indices of the left and the right end in ``ring``. around: the ring that the patch is made for, by default
    the same.
    """
    columns, rows = _PATCH
    whole = (ring if around is None else around)[:, :2].astype(np.float64)
    across = whole[corners[1]] - whole[corners[0]]
    width = max(float(np.linalg.norm(across)), 1e-6)
    cos, sin = across / width * (1 if across[0] >= 0 else -1)
    scale = columns / (1.5 * width)
    matrix: DoubleArray = scale * np.array([[cos, sin], [-sin, cos]])
    centre = np.array([columns, rows]) / 2 - matrix @ whole.mean(axis=0)
    patch_from_picture = np.column_stack([matrix, centre])
    patch = cv2.warpAffine(rgb, patch_from_picture, _PATCH, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    outline = ring[:, :2].astype(np.float64) @ matrix.T + centre
    mask = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], (1,))
    return np.asarray(patch, np.uint8), mask


def _brightness(rgb: AnyArray) -> DoubleArray:
    return np.asarray(rgb.astype(np.float64) @ (0.299, 0.587, 0.114))

"""Eyes: the eyeball moved by the gaze, and lids that close over it, painted over skin that does not move with them.

Lids and lashes move in the picture's own pixels, see `eye_outline`, and come into the frame by the map of the skin
around: so a turned head shows an eye as it shows its skin, and nothing beside the eye bends with it, be it a brow or
the rim of glasses.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, IntArray, UInt8Array
from animator_core.motion.driving import DrivingMotion
from animator_core.rendering.bands import equal_bands, in_bands
from animator_core.smoothstep import smooth_share
from animator_core.tracking.face_model import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from animator_core.tracking.pose import HeadPose
from animator_core.warp.canvas import MappedWindow
from animator_core.warp.eye_kernels import paint_eye
from animator_core.warp.eye_map import SHADOW_REACH, eye_map
from animator_core.warp.eye_outline import EyeOutline
from animator_core.warp.eye_patch import eye_layers
from animator_core.warp.iris import Iris, measured_iris
from animator_core.warp.lashes import LashReach
from animator_core.warp.lid_curves import segments
from animator_core.warp.likeness import human_likeness
from animator_core.warp.mouth_colours import drawn_share

EYES = ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))
_PATCH_WIDTH = 72.0
"""Least eye width in pixels of a patch; smaller eyes are enlarged."""
_LEFT, _ABOVE, _BELOW = 0.62, 0.85, 0.6
"""Reach of a patch beyond the eye's corners, above and below, in eye widths."""
_PIXEL_COST = 6
"""Time that a pixel of an eye takes, in pixels of the skin."""
_GAZE_GAIN, _MOST_GAZE = (1.5, 2.5), (0.4, 0.3)
"""Along and across the eye, and the most shift in eye widths. Of an iris that moves up or down by a known way the
tracker sees less than half, in a camera's frame as in a drawn one, and of one that moves aside three quarters."""
_MOST_IN_HEIGHTS = 0.45
"""Most shift across the eye in heights of its opening: an iris does not leave it."""
_GAZE_SHOWS, _LIDS_SHOW, _LOOK_SHOWS = 0.035, 0.05, 0.04
"""Gaze (eye widths) at which the painted eyeball has fully replaced the picture's; change of the openness and vertical
shift of the iris (eye widths) at which the painted lids have."""
_LIDS_DIFFER, _GAZE_DIFFERS = 0.25, 0.15
"""The same at which nothing is left of the details by which the picture differs from the painted eye."""
_LINE_WIDTH = 0.028
"""Half width of the line between closed lids, in eye widths."""
_LARGE_IRIS = 0.3
"""Least radius of a large iris, in eye widths; people's are 0.21 wide."""
_SAME_SIZE = 0.12
"""Logarithm of two irises' sizes that are taken for the same."""
_SMILE = 0.035
"""Rise of the mouth's corners in a full smile, in face units."""


def closing_triangles() -> IntArray:
    """Return (28, 3) int32 triangles over the openings of both eyes, clockwise on the screen."""
    found = []
    for ring, is_clockwise in ((RIGHT_EYE, True), (LEFT_EYE, False)):
        upper, lower = ring[:9], (ring[0], *ring[:7:-1])
        for i in range(8):
            for each in ((upper[i], upper[i + 1], lower[i + 1]), (upper[i], lower[i + 1], lower[i])):
                if len(set(each)) == 3:
                    found.append(each if is_clockwise else each[::-1])
    return np.array(found, np.int32)


class Eyes:
    """Both eyes of a character."""

    def __init__(self, picture: UInt8Array, landmarks: FloatArray, pose: HeadPose) -> None:
        """picture: (H, W, 3) uint8 BGR. landmarks: (478, 3) pixels. pose: the picture's own."""
        drawn = drawn_share(picture, landmarks)
        places = [_EyePlace(picture, landmarks, ring=ring, iris=iris, drawn=drawn) for ring, iris in EYES]
        _agree_on_irises(places)
        self._eyes = [_Eye(place, landmarks, pose=pose, drawn=drawn) for place in places]

    def bounds(self, points: FloatArray) -> AnyArray:
        """Return (4, 2) corners of the regions that the eyes are painted in; points: (478, 2) pixels of the frame."""
        return np.concatenate([eye.bounds(points) for eye in self._eyes])

    def draw(self, window: MappedWindow, points: FloatArray, motion: DrivingMotion) -> None:
        """Paint both eyes into the window; points: (478, 2) its pixels, with the skin of the lids at rest."""
        rise = -float(motion.expression[[61, 291], 1].mean()) + float(motion.expression[[33, 263], 1].mean())
        smile = smooth_share(rise / _SMILE)
        for eye, gaze, openness in zip(self._eyes, motion.gaze, motion.eye_openness):
            eye.draw(window, points, gaze=gaze, openness=float(openness), smile=smile)


class _EyePlace:
    """One eye's patch of the picture, and what is measured in it."""

    def __init__(
        self, picture: UInt8Array, landmarks: FloatArray, *, ring: tuple[int, ...], iris: int, drawn: float
    ) -> None:
        self.ring, self._drawn = np.array(ring), drawn
        upper, lower = np.array(ring[:9]), np.array([ring[0], *ring[:7:-1]])
        if landmarks[upper[0], 0] > landmarks[upper[8], 0]:
            upper, lower = upper[::-1], lower[::-1]
        left, right = landmarks[upper[0], :2].astype(np.float64), landmarks[upper[8], :2].astype(np.float64)
        width = max(float(np.linalg.norm(right - left)), 1.0)
        scale = max(_PATCH_WIDTH / width, 1.0)
        self.width, self.scale = scale * width, scale
        self.from_picture = _placed(left, right, scale)
        size = (round((1 + 2 * _LEFT) * self.width), round((_ABOVE + _BELOW) * self.width))
        self.patch: FloatArray = cv2.warpAffine(
            picture, self.from_picture, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        points = cv2.transform(landmarks[None, :, :2].astype(np.float64), self.from_picture)[0]
        self._lids = points[upper].astype(np.float32), points[lower].astype(np.float32)
        self._opening = points[self.ring].astype(np.float32)
        centre = points[iris]
        radius = float(np.linalg.norm(points[iris + 1 : iris + 5] - centre, axis=1).mean())
        self._tracked = Iris(centre, radius, radius)
        self.iris = measured_iris(self.patch, self._opening, guess=self._tracked, drawn=drawn)
        self.skin_light = _skin_light(self.patch, points[lower], self.width)

    @functools.cached_property
    def outline(self) -> EyeOutline:
        """The lids, further apart where the measured iris shows beyond the tracker's."""
        upper, lower = self._lids
        # The thick dark lashes of a drawing would be taken for the iris.
        if self.iris.clarity > 0 and self._drawn < 0.5 and self.iris.radius_x > _LARGE_IRIS * self.width:
            upper, lower = self._around_iris(upper, -1), self._around_iris(lower, 1)
        return EyeOutline(upper, lower)

    def _around_iris(self, lid: FloatArray, side: int) -> FloatArray:
        """Return a lid, (9, 2), moved up (side -1) or down (1) to the iris' rim where the picture shows it there."""
        iris, moved = self.iris, lid.copy()
        across = (lid[:, 0] - iris.centre[0]) / iris.radius_x
        rim = iris.centre[1] + side * iris.radius_y * np.sqrt(np.clip(1 - across**2, 0, 1))
        inside = self.patch[int(iris.centre[1]), int(iris.centre[0] - 0.6 * iris.radius_x)]
        for number in range(1, 8):
            if abs(across[number]) >= 1 or side * (rim[number] - lid[number, 1]) < 0.02 * self.width:
                continue
            between = np.linspace(lid[number, 1], rim[number], 8)[1:-1]
            column = self.patch[between.astype(int), int(lid[number, 0])]
            is_iris = np.abs(column - inside).max(1) < np.abs(column - self.skin_light).max(1)
            moved[number, 1] += is_iris.mean() * (rim[number] - lid[number, 1])
        return moved

    def iris_like(self, other: _EyePlace) -> Iris:
        """Return the iris measured again, at about the size of another eye's."""
        size = self.width / other.width
        guess = Iris(self._tracked.centre, size * other.iris.radius_x, size * other.iris.radius_y)
        return measured_iris(self.patch, self._opening, guess=guess, drawn=0.0, is_sure=True)


def _agree_on_irises(places: list[_EyePlace]) -> None:
    """Have both eyes show irises of one size: the one at which both are clear."""
    one, other = places
    ratio = (one.iris.radius_x / one.width) / (other.iris.radius_x / other.width)
    if abs(np.log(ratio)) < _SAME_SIZE:
        return
    for_one, for_other = one.iris_like(other), other.iris_like(one)
    if for_one.clarity + other.iris.clarity > one.iris.clarity + for_other.clarity:
        one.iris = for_one
    else:
        other.iris = for_other


class _Eye:
    """One eye of a character."""

    def __init__(self, place: _EyePlace, landmarks: FloatArray, *, pose: HeadPose, drawn: float) -> None:
        self._ring, self._width, self._outline, self.iris = place.ring, place.width, place.outline, place.iris
        self._patch_from_picture = place.from_picture
        reach = LashReach((0.14 + 0.16 * drawn) * self._width, (0.06 + 0.05 * drawn) * self._width)
        places = eye_map(place.outline, place.iris, place.patch.shape, picture_pixel=place.scale)
        fur = (1 - drawn) * (1 - human_likeness(landmarks, pose))
        self._layers = eye_layers(
            place.patch, places, place.iris, skin_light=place.skin_light, drawn=drawn, fur=fur, reach=reach
        )
        corners = pose.to_head(landmarks)[self._ring[[0, 8]]]
        span = float(np.linalg.norm(corners[0] - corners[1]))
        # Eye widths of the head's frontal plane → pixels of the patch.
        self._shift_from_gaze = self._patch_from_picture[:, :2] @ pose.frontal_plane * span
        self._line = 0.35 * (1 - drawn)
        self._layers = self._layers.with_rest(self._painted_at_rest(place.scale))
        self._most_gaze = _MOST_GAZE[0], min(_MOST_GAZE[1], _MOST_IN_HEIGHTS * self._outline.height / self._width)

    def bounds(self, points: FloatArray) -> FloatArray:
        """Return the (2, 2) corners of the region that the eye is painted in."""
        rim = points[self._ring]
        reach = 0.5 * float(np.linalg.norm(rim[0] - rim[8])) + 0.25 * float(np.ptp(rim[:, 1])) + 2
        return np.stack([rim.min(0) - reach, rim.max(0) + reach])

    def draw(self, window: MappedWindow, points: FloatArray, gaze: FloatArray, openness: float, smile: float) -> None:
        """Paint the eye; see `Eyes.draw`."""
        limited = [
            most * np.tanh(gain * value / most) for value, gain, most in zip(gaze.tolist(), _GAZE_GAIN, self._most_gaze)
        ]
        shift = self._shift_from_gaze @ limited
        widened, looked = abs(openness - 1), abs(float(shift[1])) / self._width
        aside = float(np.abs(gaze).max())
        lid_share = smooth_share(widened / _LIDS_SHOW + looked / _LOOK_SHOWS)
        eye_share = max(smooth_share(aside / _GAZE_SHOWS), lid_share)
        lid_change = smooth_share(widened / _LIDS_DIFFER + looked / _GAZE_DIFFERS)
        eye_change = max(smooth_share(aside / _GAZE_DIFFERS), lid_change)
        height, width = window.map_x.shape
        low, high = self.bounds(points)
        (left, top), (right, bottom) = (
            np.clip(np.floor(each).astype(int), 0, [width, height]).tolist() for each in (low, high + 1)
        )
        if eye_share <= 0 or right - left < 2 or bottom - top < 2:
            return
        lids = self._outline.at(openness, smile=smile, look_down=float(shift[1]))
        rest = self._outline.rest
        region = slice(top, bottom), slice(left, right)
        rim = points[self._ring]
        pixel = self._width / max(float(np.linalg.norm(rim[0] - rim[8])), 1.0)
        line = self._line * smooth_share((0.6 - openness) / 0.6)
        numbers = [*shift, lid_share, eye_share, lid_change, eye_change, *self._numbers(pixel=pixel, line=line)]
        maps = window.map_x[region], window.map_y[region]
        curves = segments(np.stack([lids.upper, lids.lower, rest.upper, rest.lower]))
        self._paint(window.frame[region], maps, affine=self._patch_from_picture, lids=curves, numbers=numbers)

    def _numbers(self, *, pixel: float, line: float) -> tuple[float, ...]:
        """Return the last of the kernel's numbers, which do not depend on the motion."""
        shadow = self._layers.shade, SHADOW_REACH * self._width
        return *shadow, pixel, line, _LINE_WIDTH * self._width

    def _paint(
        self,
        frame: UInt8Array,
        maps: tuple[FloatArray, FloatArray],
        *,
        affine: DoubleArray,
        lids: FloatArray,
        numbers: Sequence[float],
    ) -> None:
        """Paint the layers; see `eye_kernels.paint_eye`."""
        (map_x, map_y), layers = maps, self._layers
        to_patch, all_numbers = affine.astype(np.float32), np.array(numbers, np.float32)

        def paint_rows(begin: int, end: int) -> None:
            paint_eye(
                frame[begin:end],
                map_x[begin:end],
                map_y[begin:end],
                affine=to_patch,
                lids=lids,
                needs=layers.needs,
                layers=layers.packed,
                belongs_to=layers.belongs_to,
                reach=layers.reach,
                numbers=all_numbers,
            )

        height, width = frame.shape[:2]
        in_bands(paint_rows, equal_bands(np.full(height, _PIXEL_COST * width)))

    def _painted_at_rest(self, pixel: float) -> FloatArray:
        """Return what all layers make at rest, see `EyeLayers.with_rest`, by painting them on black and on white."""
        height, width = self._layers.needs.shape
        x, y = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in (width, height)))
        rest = self._outline.rest
        curves = segments(np.stack([rest.upper, rest.lower] * 2))
        numbers = [0, 0, 1, 1, 1, 1, *self._numbers(pixel=pixel, line=0.0)]
        on_black = np.zeros((height, width, 4), np.uint8)
        on_black[..., 3] = 255
        on_white = np.full_like(on_black, 255)
        for frame in (on_black, on_white):
            self._paint(frame, (x, y), affine=np.eye(2, 3), lids=curves, numbers=numbers)
        colour = on_black[..., :3].astype(np.float32)
        opacity = 255 - (on_white[..., :3] - colour).mean(2)
        return np.dstack([colour, opacity]).astype(np.float32)


def _placed(left: DoubleArray, right: DoubleArray, scale: float) -> DoubleArray:
    """Return the (2, 3) similarity from the picture to the patch of an eye with these corners."""
    along = (right - left) / max(float(np.linalg.norm(right - left)), 1e-6)
    turn = scale * np.array([[along[0], along[1]], [-along[1], along[0]]])
    width = float(np.linalg.norm(right - left)) * scale
    return np.column_stack([turn, np.array([_LEFT, _ABOVE]) * width - turn @ left])


def _skin_light(patch: FloatArray, lower: DoubleArray, width: float) -> DoubleArray:
    """Return the BGR colour, (3,), of the lit skin below the lower lid's curve, (9, 2)."""
    low = lower.max(0)[1] + 0.12 * width
    region = patch[int(low) : int(low + 0.3 * width), int(lower[0, 0]) : int(lower[-1, 0])].reshape(-1, 3)
    if not len(region):
        region = patch.reshape(-1, 3)
    light = region.mean(1)
    return np.asarray(np.median(region[light >= np.percentile(light, 40)], axis=0), np.float64)

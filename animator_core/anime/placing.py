"""Finds the head of a character for the anime networks, and says whether they will move it well.

The place is that of the description, else that of the landmarks, else the networks themselves find the eyes. Except for
the first, it is refined until the networks find the eyes in their proper place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from animator_core.anime.background import without_background
from animator_core.anime.network_picture import CENTER, linear_light, sampled
from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.anime.response import HIGHEST_TILT_DEG, Point, Response, place_of_eyes, respond, spots, winks_change
from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.characters.head_place import HeadPlace
from animator_core.errors import AnimatorError

_SEARCHED = 1080, 1080
"""Size to which larger pictures are reduced for the search."""
_REFINEMENTS = 4
_LANDMARK_EYES = ((33, 133), (263, 362))
_DRAWN_EYES = 1.13
"""Distance of drawn eyes in that of the landmarks, which sit too close together on large eyes."""
_VIEW = 320
"""Side of the search's view in network pixels; in larger ones the networks answer with nonsense at the edges."""
_STEP = 208
"""Between two views, so that a pair of eyes is whole in one of them."""
_BELOW_TOP = 128.0
"""Middle of the views, below the top of the silhouette: hair, ears and hats have room."""
_HEADS_HIGH = (130.0, 210.0, 340.0, 550.0, 880.0)
"""Heights of the whole character in network pixels, from only a head to seven heads."""
_CANDIDATES = 6
_LEAST_SPOT = 10.0
_LEAST_COVER = 0.1
_LEAST_SCALE = 0.3
"""Below it lids and mouth, which the networks paint in their own resolution, look blurred in the picture's."""
_TOO_LARGE = "its eyes close and its mouth opens, but the head is so large that both would be blurred"
_NO_HEAD = "no head found, upright and with open eyes; show it with `prepare --renderer anime --pick`"
_TWO_HEADS = "there are two heads; choose one with `prepare --renderer anime --pick`"
_NO_EYES = "the networks do not know its eyes: a photograph, a covered or turned face, or the wrong place"
_NO_MOUTH = "its eyes close, but its mouth does not open"
_HEAD_RADIUS = 72
_HEAD_HEIGHT = 120.0

Head = tuple[HeadPlace, Response]
"""A place, and the networks' answer there."""


@dataclass(frozen=True)
class Fit:
    """The place of the head, and whether the anime networks suit the character.

    source: "yaml", "landmarks", "networks" or "silhouette", the origin of the place. fits: whether the networks close
    its eyes and little else. prefers_anime: whether they move it better than the warp, so the mouth as well.
    reason: for the status, one line without a full stop. picture: the character's, without its background if it was
    opaque, (H, W, 4) uint8 RGBA.
    """

    place: HeadPlace
    source: str
    fits: bool
    reason: str
    prefers_anime: bool
    picture: UInt8Array


def find_place(character: Character, networks: AnimeNetworks) -> Fit:
    """Return the head's place; takes 1 to 3 s on a processor, up to 20 s if neither description nor landmarks give it.

    A character for which nothing is found gets a guess by its silhouette, and the reason why it does not fit.
    """
    try:
        picture = without_background(character.picture)
    except AnimatorError as exc:
        return _unfit(_guess(character.picture), "silhouette", str(exc), picture=character.picture)
    reduced = replace(character, picture=picture).within(_SEARCHED)
    fit = _found(reduced, networks)
    x, y = (picture.shape[axis] / reduced.picture.shape[axis] for axis in (1, 0))
    return replace(fit, place=character.head or fit.place.resized(x, y), picture=picture)


def _found(character: Character, networks: AnimeNetworks) -> Fit:
    picture = character.picture
    linear = linear_light(picture)
    if character.head is not None:
        return _judged(character.head, respond(networks, linear, character.head), source="yaml", picture=picture)
    place = None if character.landmarks is None else _place_of_landmarks(character.landmarks)
    source = "landmarks"
    found = None if place is None else refined(networks, linear, place)
    # Photographs have landmarks, and a search would only take time.
    if found is None and (place is None or character.renderer == "anime"):
        source, found = "networks", next(_search(networks, linear), None)
    tilt = 0.0 if character.landmarks is None else _tilt_deg(character.landmarks)
    if place is not None and abs(tilt) > (HIGHEST_TILT_DEG if found is None else 90):
        return _unfit(place, "landmarks", _tilted(tilt), picture=picture)
    if found is None:
        if place is None:
            return _unfit(_guess(picture), "silhouette", _NO_HEAD, picture=picture)
        return _judged(place, None, source="landmarks", picture=picture)
    fit = _judged(*found, source=source, picture=picture)
    if _has_other_head(networks, linear, found[0]):
        return replace(fit, fits=False, reason=_TWO_HEADS, prefers_anime=False)
    return fit


def _judged(place: HeadPlace, response: Response | None, *, source: str, picture: UInt8Array) -> Fit:
    if response is None or not response.is_face:
        return _unfit(place, source, _NO_EYES, picture=picture)
    if not response.is_upright:
        return _unfit(place, source, _tilted(response.tilt_deg), picture=picture)
    moves = response.has_mouth
    reason = "its eyes close and its mouth opens" if moves else _NO_MOUTH
    if moves and place.scale < _LEAST_SCALE:
        moves, reason = False, _TOO_LARGE
    return Fit(place, source, True, reason=reason, prefers_anime=moves, picture=picture)


def _unfit(place: HeadPlace, source: str, reason: str, *, picture: UInt8Array) -> Fit:
    return Fit(place, source, False, reason=reason, prefers_anime=False, picture=picture)


def _tilted(tilt_deg: float) -> str:
    return f"the head is not upright but tilted by {abs(tilt_deg):.0f} degrees"


def _eyes(landmarks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both eyes' middles, (x, y) in pixels from the picture's corner."""
    # Landmarks count from the first pixel's middle.
    left, right = (landmarks[list(corners), :2].mean(axis=0) + np.float32(0.5) for corners in _LANDMARK_EYES)
    return left, right


def _tilt_deg(landmarks: FloatArray) -> float:
    left, right = _eyes(landmarks)
    return float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))


def _place_of_landmarks(landmarks: FloatArray) -> HeadPlace:
    left, right = _eyes(landmarks)
    x, y = (left + right) / 2
    distance = max(1.0, float(np.linalg.norm(right - left)) * _DRAWN_EYES)
    return place_of_eyes(float(x), float(y), distance=distance)


def refined(networks: AnimeNetworks, linear: FloatArray, place: HeadPlace) -> Head | None:
    """Return the place near ``place`` with the eyes in theirs, and the answer there; None without a face."""
    response = respond(networks, linear, place)
    for _ in range(_REFINEMENTS):
        if response is None or not response.is_face or response.is_settled():
            break
        place = response.better(place)
        response = respond(networks, linear, place)
    return (place, response) if response is not None and response.is_face else None


def _search(networks: AnimeNetworks, linear: FloatArray) -> Iterator[Head]:
    """Yield the heads that the networks find at the top of the silhouette, the largest first."""
    left, top, right, bottom = _bounds(linear[3])
    for height in _HEADS_HIGH:
        scale = height / (bottom - top)
        for x in _middles(left, right, _STEP / scale):
            yield from _heads_in_view(networks, linear, HeadPlace((x, top + _BELOW_TOP / scale), scale))


def _heads_in_view(networks: AnimeNetworks, linear: FloatArray, view: HeadPlace) -> Iterator[Head]:
    """Yield the heads within the view round a place."""
    half = _VIEW // 2
    rows, columns = (slice(round(middle) - half, round(middle) + half) for middle in reversed(CENTER))
    seen = sampled(linear, view, (rows, columns))
    if seen[3].mean() < _LEAST_COVER:
        return
    for left, right in _pairs(spots(winks_change(networks, seen))):
        middle = (np.array(left) + right) / 2
        x, y = (middle - half) / view.scale + view.center
        distance = float(np.hypot(*(np.array(right) - left))) / view.scale
        found = refined(networks, linear, place_of_eyes(float(x), float(y), distance=distance))
        if found is not None:
            yield found
            return


def _pairs(found: list[tuple[float, Point]]) -> list[tuple[Point, Point]]:
    """Return pairs of spots that may be eyes, the left one first, at most two pairs."""
    largest = [each for each in found[:_CANDIDATES] if each[0] >= _LEAST_SPOT]
    pairs = []
    for (strong, a), (weak, b) in combinations(largest, 2):
        across, down = abs(a[0] - b[0]), abs(a[1] - b[1])
        if 18 < across < 90 and down < across / 2 and weak > strong / 5:
            pairs.append((weak, min(a, b), max(a, b)))
    return [(left, right) for _, left, right in sorted(pairs, reverse=True)[:2]]


def _has_other_head(networks: AnimeNetworks, linear: FloatArray, place: HeadPlace) -> bool:
    """Return whether there is another head of about the same size and height."""
    radius = _HEAD_RADIUS / place.scale
    columns, rows = (slice(max(0, round(middle - radius)), max(0, round(middle + radius))) for middle in place.center)
    others = linear.copy()
    others[:, rows, columns] = 0
    left, _, right, _ = _bounds(others[3, rows.start : rows.stop])
    views = (HeadPlace((x, place.center[1]), place.scale) for x in _middles(left, right, _STEP / place.scale))
    return any(True for view in views for _ in _heads_in_view(networks, others, view))


def _bounds(alpha: FloatArray) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what is visible, of the whole picture if nothing is."""
    rows, columns = np.flatnonzero((alpha > 0.5).any(axis=1)), np.flatnonzero((alpha > 0.5).any(axis=0))
    if not len(rows):
        return 0, 0, alpha.shape[1], alpha.shape[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _middles(first: float, last: float, step: float) -> FloatArray:
    """Return the middles of as many views as cover a length."""
    count = max(1, int(np.ceil((last - first) / step)))
    return np.asarray(first + (np.arange(count) + 0.5) * (last - first) / count)


def _guess(picture: UInt8Array) -> HeadPlace:
    """Return the head by the silhouette: from the top to the neck, the first clear narrowing, else the upper third."""
    is_visible = picture[..., 3] > 127
    left, top, right, bottom = _bounds(is_visible.astype(np.float32))
    widths = is_visible[top:bottom].sum(axis=1)
    widest = np.maximum.accumulate(widths)
    narrow = np.flatnonzero((widths < 0.7 * widest) & (widest > 0.2 * (right - left)))
    height = int(narrow[0]) if len(narrow) else (bottom - top) // 3
    height = max(8, height)
    columns = np.flatnonzero(is_visible[top : top + height].any(axis=0))
    x = float(columns.mean()) + 0.5 if len(columns) else (left + right) / 2
    return HeadPlace((x, top + height / 2), _HEAD_HEIGHT / height)

"""Whose face it is that is tracked: the streamer's, also after a moment in which only somebody else's was in view.

A tracker follows one face from frame to frame, and takes any other one as soon as it loses it. Here a face that is not
where the one before was counts as somebody else's: a clearly smaller one is not followed for some seconds, unless
the whole picture changed with it, as where a film is cut. Whenever
the streamer's face, or a clearly larger one, is seen beside the tracked one, the tracked one is painted over in what
the tracker is given, until it has let go of it.
"""

from __future__ import annotations

import logging
from typing import Callable

import numpy as np

from animator_core.errors import ModelError
from animator_core.tracking.finder import FaceFinder, FoundFace
from animator_core.tracking.observation import FaceObservation, FaceTracker

logger = logging.getLogger(__name__)

_SECOND = 1_000_000_000
_LOOK_NS = _SECOND // 2
_GRACE_NS = 3 * _SECOND
"""For so long a smaller face that appears elsewhere is not followed; then the streamer may have moved away."""
_HOME_NS = 60 * _SECOND
"""For so long a face that comes back to where the streamer was is the streamer's."""
_LARGER, _SMALLER = 1.3, 0.85
_SAME = 0.7
_NEAR = 0.8
_LOOKS_OF_A_LARGER = 4
"""Somebody who leans over to the camera for a moment does not count."""
_MOST_HIDDEN_FRAMES = 10
_STEP = 16
_CHANGED_LEVELS, _CUT_SHARE = 20, 0.8
"""So many of the looked-at pixels change by more than so many levels at a cut."""
_FIRST_PAUSE_NS, _LONGEST_PAUSE_NS = 4 * _SECOND, 64 * _SECOND
"""After a face was found that the tracker could not take, before the next one is believed."""


class MainFace:
    """Tracks with another tracker, but stays with the main face, or goes back to it; used by one thread.

    make_finder: called once, when other faces are looked for first; raises ModelError if there is no finder.
    """

    def __init__(self, tracker: FaceTracker, make_finder: Callable[[], FaceFinder]) -> None:
        self.name = tracker.name
        self._tracker = tracker
        self._make_finder: Callable[[], FaceFinder] | None = make_finder
        self._finder: FaceFinder | None = None
        self._main: FoundFace | None = None
        self._home: FoundFace | None = None
        self._home_until_ns = 0
        self._is_deputy = True
        """Whether the tracked face is the main one only because no larger one was in view."""
        self._stranger_since_ns: int | None = None
        self._scene = np.empty((0, 0, 3), np.int16)
        """Some of the pixels of the last frame in which the main face was."""
        self._hidden: FoundFace | None = None
        self._wanted: FoundFace | None = None
        self._hidden_frames = 0
        self._look_ns = 0
        self._larger_looks = 0
        self._pause_ns = _FIRST_PAUSE_NS

    def track(self, frame: np.ndarray, captured_ns: int) -> FaceObservation | None:
        """Return the main face in ``frame`` ((H, W, 3) uint8 RGB), or None where it is not there."""
        seen = self._tracker.track(self._shown(frame), captured_ns)
        face = None if seen is None else _face_of(seen.landmarks)
        if self._hidden is not None and not self._has_let_go(face, captured_ns):
            return None
        if face is None:
            return None
        if not self._may_follow(frame, face, captured_ns):
            self._look_for_another(frame, face, captured_ns)
            return None
        self._stranger_since_ns = None
        self._main, self._scene = face, _looked_at(frame)
        self._look_for_another(frame, face, captured_ns)
        return seen

    def close(self) -> None:
        """Free the models of the tracker and of the finder."""
        self._tracker.close()
        if self._finder is not None:
            self._finder.close()

    def __enter__(self) -> MainFace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _may_follow(self, frame: np.ndarray, face: FoundFace, now_ns: int) -> bool:
        """Return whether a tracked face is the main one, or is to be from now on."""
        main = self._main
        if main is None or face.distance(main) < _NEAR:
            return True
        if self._is_cut(frame):
            self._home, self._is_deputy, self._look_ns = None, True, 0
            return True
        # It jumped: it is another one, or the same person after a gap.
        if self._stranger_since_ns is None:
            self._stranger_since_ns, self._look_ns = now_ns, 0
        if face.size < _SMALLER * main.size and now_ns - self._stranger_since_ns < _GRACE_NS:
            return False
        if self._home is None or now_ns > self._home_until_ns:
            self._home, self._home_until_ns = main, now_ns + _HOME_NS
        self._is_deputy = True
        return True

    def _is_cut(self, frame: np.ndarray) -> bool:
        """Return whether the frame shows another scene than the last one in which the main face was."""
        now = _looked_at(frame)
        if now.shape != self._scene.shape:
            return True
        return float((np.abs(now - self._scene).max(2) > _CHANGED_LEVELS).mean()) > _CUT_SHARE

    def _look_for_another(self, frame: np.ndarray, face: FoundFace, now_ns: int) -> None:
        """Now and then, see whether the main face is another one than the tracked ``face``; have that one let go."""
        if now_ns < self._look_ns or (finder := self._ready_finder()) is None:
            return
        self._look_ns = now_ns + _LOOK_NS
        others = [each for each in finder.find(frame) if each.distance(face) > _NEAR / 2]
        is_stranger = self._stranger_since_ns is not None
        home = self._main if is_stranger else self._home if now_ns < self._home_until_ns else None
        returned = next((each for each in others if home is not None and _is_same(each, home)), None)
        largest = max(others, key=lambda each: each.size, default=face)
        self._larger_looks = self._larger_looks + 1 if largest.size > _LARGER * face.size else 0
        if returned is not None:
            self._have_let_go(face, returned)
        elif self._larger_looks >= (1 if self._is_deputy else _LOOKS_OF_A_LARGER):
            self._have_let_go(face, largest)
        elif home is None:
            self._is_deputy = False

    def _have_let_go(self, face: FoundFace, wanted: FoundFace) -> None:
        self._hidden, self._wanted, self._hidden_frames = face, wanted, 0

    def _has_let_go(self, face: FoundFace | None, now_ns: int) -> bool:
        """Return whether the tracker has left the painted-over face, or never will."""
        hidden, self._hidden_frames = self._hidden, self._hidden_frames + 1
        assert hidden is not None and self._wanted is not None
        if face is not None and face.distance(hidden) > _NEAR / 2:
            self._main, self._home, self._is_deputy = face, None, False
            self._stranger_since_ns, self._larger_looks, self._pause_ns = None, 0, _FIRST_PAUSE_NS
            self._hidden = None
            return True
        if self._hidden_frames >= _MOST_HIDDEN_FRAMES:
            # What was found is none that can be tracked: a pattern, a profile.
            self._hidden, self._larger_looks = None, 0
            self._look_ns = now_ns + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, _LONGEST_PAUSE_NS)
        return False

    def _shown(self, frame: np.ndarray) -> np.ndarray:
        """Return the frame, with what is to be let go painted over in a copy."""
        hidden, wanted = self._hidden, self._wanted
        if hidden is None or wanted is None:
            return frame
        # As much as can be without touching the other face.
        free = max(abs(hidden.x - wanted.x), abs(hidden.y - wanted.y)) - 0.6 * wanted.size
        half = max(0.5 * hidden.size, min(hidden.size, free))
        left, top = max(0, round(hidden.x - half)), max(0, round(hidden.y - half))
        painted = frame.copy()
        painted[top : round(hidden.y + half), left : round(hidden.x + half)] = 128
        return painted

    def _ready_finder(self) -> FaceFinder | None:
        make, self._make_finder = self._make_finder, None
        if make is not None:
            try:
                self._finder = make()
            except ModelError as exc:
                logger.info("other faces are not looked for: %s", exc)
        return self._finder


def _looked_at(frame: np.ndarray) -> np.ndarray:
    return frame[::_STEP, ::_STEP].astype(np.int16)


def _is_same(face: FoundFace, before: FoundFace) -> bool:
    return face.distance(before) < _NEAR and _SAME < face.size / before.size < 1 / _SAME


def _face_of(landmarks: np.ndarray) -> FoundFace:
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    x, y = (low + high) / 2
    return FoundFace(float(x), float(y), float((high - low).mean()))

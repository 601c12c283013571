"""Keeps the tracker on the streamer's face when other faces come into view.

A tracker follows one face from frame to frame, and takes any other one as soon as it loses it. Here a face at another
place than the last one counts as somebody else's: a clearly smaller one is not followed for some seconds, unless the
whole picture changed with it, as at a cut in a film. Whenever the streamer's face, or a clearly larger one, is detected
beside the tracked one, the tracked face is masked in the tracker's input until the tracker has lost it.
"""

from __future__ import annotations

import logging
from typing import Callable

import numpy as np

from animator_core.arrays import AnyArray, FloatArray, UInt8Array
from animator_core.errors import ModelError
from animator_core.tracking.face_detector import DetectedFace, FaceDetector
from animator_core.tracking.observation import FaceObservation, FaceTracker

logger = logging.getLogger(__name__)

_SECOND = 1_000_000_000
_INTERVAL_NS = _SECOND // 2
_GRACE_NS = 3 * _SECOND
"""Time for which a smaller face elsewhere is not followed; after it the streamer may have moved away."""
_HOME_NS = 60 * _SECOND
"""Time for which a face that returns to the streamer's place is the streamer's."""
_LARGER, _SMALLER = 1.3, 0.85
_SAME = 0.7
_NEAR = 0.8
_LARGER_DETECTIONS = 4
"""Detections of a larger face before it becomes the main one: leaning in for a moment does not count."""
_MAX_MASKED_FRAMES = 10
_STEP = 16
_CHANGED_LEVELS, _CUT_SHARE = 20, 0.8
"""At a cut, this share of the sampled pixels changes by more than this many levels."""
_FIRST_PAUSE_NS, _LONGEST_PAUSE_NS = 4 * _SECOND, 64 * _SECOND
"""Pauses between detections after a detected face could not be tracked."""


class MainFaceTracker:
    """Tracks with another tracker, but stays with the main face or returns to it; used by one thread.

    make_detector: called once, before the first detection of other faces; raises ModelError if there is no detector.
    """

    def __init__(self, tracker: FaceTracker, make_detector: Callable[[], FaceDetector]) -> None:
        self.name = tracker.name
        self._tracker = tracker
        self._make_detector: Callable[[], FaceDetector] | None = make_detector
        self._detector: FaceDetector | None = None
        self._main: DetectedFace | None = None
        self._home: DetectedFace | None = None
        self._home_until_ns = 0
        self._is_deputy = True
        """Whether the tracked face is the main one only because no larger one was in view."""
        self._stranger_since_ns: int | None = None
        self._scene: AnyArray = np.empty((0, 0, 3), np.int16)
        """Sampled pixels of the last frame that showed the main face."""
        self._masked: DetectedFace | None = None
        self._wanted: DetectedFace | None = None
        self._masked_frames = 0
        self._detect_at_ns = 0
        self._larger_detections = 0
        self._pause_ns = _FIRST_PAUSE_NS

    def track(self, frame: UInt8Array, captured_ns: int) -> FaceObservation | None:
        """Return the main face in ``frame``, (H, W, 3) uint8 RGB, or None."""
        seen = self._tracker.track(self._with_mask(frame), captured_ns)
        face = None if seen is None else _face_of(seen.landmarks)
        if self._masked is not None and not self._has_left_masked(face, captured_ns):
            return None
        if face is None:
            return None
        if not self._may_follow(frame, face, captured_ns):
            self._detect_others(frame, face, captured_ns)
            return None
        self._stranger_since_ns = None
        self._main, self._scene = face, _sampled(frame)
        self._detect_others(frame, face, captured_ns)
        return seen

    def close(self) -> None:
        """Free the models of the tracker and of the detector."""
        self._tracker.close()
        if self._detector is not None:
            self._detector.close()

    def _may_follow(self, frame: UInt8Array, face: DetectedFace, now_ns: int) -> bool:
        """Return whether a tracked face is the main one, or becomes it."""
        main = self._main
        if main is None or face.distance(main) < _NEAR:
            return True
        if self._is_cut(frame):
            self._home, self._is_deputy, self._detect_at_ns = None, True, 0
            return True
        # It jumped: another face, or the same person after a gap.
        if self._stranger_since_ns is None:
            self._stranger_since_ns, self._detect_at_ns = now_ns, 0
        if face.size < _SMALLER * main.size and now_ns - self._stranger_since_ns < _GRACE_NS:
            return False
        if self._home is None or now_ns > self._home_until_ns:
            self._home, self._home_until_ns = main, now_ns + _HOME_NS
        self._is_deputy = True
        return True

    def _is_cut(self, frame: UInt8Array) -> bool:
        """Return whether the frame shows another scene than the last frame with the main face."""
        now = _sampled(frame)
        if now.shape != self._scene.shape:
            return True
        return float((np.abs(now - self._scene).max(2) > _CHANGED_LEVELS).mean()) > _CUT_SHARE

    def _detect_others(self, frame: UInt8Array, face: DetectedFace, now_ns: int) -> None:
        """Every half second, detect whether the main face is another one than the tracked ``face``; if so, mask it."""
        if now_ns < self._detect_at_ns or (detector := self._loaded_detector()) is None:
            return
        self._detect_at_ns = now_ns + _INTERVAL_NS
        others = [each for each in detector.detect(frame) if each.distance(face) > _NEAR / 2]
        is_stranger = self._stranger_since_ns is not None
        home = self._main if is_stranger else self._home if now_ns < self._home_until_ns else None
        returned = next((each for each in others if home is not None and _is_same(each, home)), None)
        largest = max(others, key=lambda each: each.size, default=face)
        self._larger_detections = self._larger_detections + 1 if largest.size > _LARGER * face.size else 0
        if returned is not None:
            self._mask(face, returned)
        elif self._larger_detections >= (1 if self._is_deputy else _LARGER_DETECTIONS):
            self._mask(face, largest)
        elif home is None:
            self._is_deputy = False

    def _mask(self, face: DetectedFace, wanted: DetectedFace) -> None:
        self._masked, self._wanted, self._masked_frames = face, wanted, 0

    def _has_left_masked(self, face: DetectedFace | None, now_ns: int) -> bool:
        """Return whether the tracker has moved on from the masked face; unmask the face if it never will."""
        masked, self._masked_frames = self._masked, self._masked_frames + 1
        assert masked is not None and self._wanted is not None
        if face is not None and face.distance(masked) > _NEAR / 2:
            self._main, self._home, self._is_deputy = face, None, False
            self._stranger_since_ns, self._larger_detections, self._pause_ns = None, 0, _FIRST_PAUSE_NS
            self._masked = None
            return True
        if self._masked_frames >= _MAX_MASKED_FRAMES:
            # The detection cannot be tracked: a pattern, a profile.
            self._masked, self._larger_detections = None, 0
            self._detect_at_ns = now_ns + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, _LONGEST_PAUSE_NS)
        return False

    def _with_mask(self, frame: UInt8Array) -> UInt8Array:
        """Return the frame, or a copy of it in which the masked face is grey."""
        masked, wanted = self._masked, self._wanted
        if masked is None or wanted is None:
            return frame
        # As large as possible without touching the wanted face.
        free = max(abs(masked.x - wanted.x), abs(masked.y - wanted.y)) - 0.6 * wanted.size
        radius = max(0.5 * masked.size, min(masked.size, free))
        left, top = max(0, round(masked.x - radius)), max(0, round(masked.y - radius))
        painted = frame.copy()
        painted[top : round(masked.y + radius), left : round(masked.x + radius)] = 128
        return painted

    def _loaded_detector(self) -> FaceDetector | None:
        make, self._make_detector = self._make_detector, None
        if make is not None:
            try:
                self._detector = make()
            except ModelError as exc:
                logger.info("other faces are not detected: %s", exc)
        return self._detector


def _sampled(frame: UInt8Array) -> AnyArray:
    return frame[::_STEP, ::_STEP].astype(np.int16)


def _is_same(face: DetectedFace, before: DetectedFace) -> bool:
    return face.distance(before) < _NEAR and _SAME < face.size / before.size < 1 / _SAME


def _face_of(landmarks: FloatArray) -> DetectedFace:
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    x, y = (low + high) / 2
    return DetectedFace(float(x), float(y), float((high - low).mean()))

"""Creates the face tracker that this machine can run, which skips repeated frames."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.errors import ModelError
from animator_core.installation.model_files import FACE_LANDMARKER, verified_path
from animator_core.tracking.main_face import MainFaceTracker, detector_of_bundle, detector_of_package
from animator_core.tracking.observation import FaceObservation, FaceTracker

logger = logging.getLogger(__name__)
TRACKERS = ("auto", "face_mesh", "face_landmarker")
_ROWS_BETWEEN = 16


def create_tracker(
    models_dir: Path,
    min_detection_confidence: float = 0.5,
    min_tracking_confidence: float = 0.5,
    kind: str = "auto",
    is_static: bool = False,
    with_blendshapes: bool = True,
) -> FaceTracker:
    """Return a tracker of ``kind``: "auto" uses the landmarker if its model file is there, else the face mesh.

    The landmarker takes half as long again, but its head pose shakes a third as much (docs/PERFORMANCE.md).
    models_dir: the folder of ``face_landmarker.task``. with_blendshapes: have the landmarker
    score them, which takes a tenth longer.
    is_static: detect the face anew in every frame. Other trackers skip repeated frames and stay with the main face, see
    `MainFaceTracker`. Raises ModelError if no tracker can be loaded.
    """
    if kind not in TRACKERS:
        raise ModelError(f"tracker {kind!r} is unknown", f"choose one of {', '.join(TRACKERS)}")
    model = models_dir / FACE_LANDMARKER.name

    def make_mesh() -> FaceTracker:
        from animator_core.tracking.face_mesh import FaceMeshTracker

        return FaceMeshTracker(min_detection_confidence, min_tracking_confidence, is_static)

    if kind == "face_mesh" or (kind == "auto" and not model.exists() and has_face_mesh()):
        tracker = make_mesh()
    else:
        from animator_core.tracking.landmarker import LandmarkerTracker

        try:
            tracker = LandmarkerTracker(
                verified_path(models_dir, FACE_LANDMARKER.name),
                min_detection_confidence=min_detection_confidence,
                min_tracking_confidence=min_tracking_confidence,
                is_static=is_static,
                with_blendshapes=with_blendshapes,
            )
        except ModelError as exc:
            if kind != "auto" or not has_face_mesh():
                raise
            logger.warning("%s; tracking with the face mesh instead", exc)
            tracker = make_mesh()
    if is_static:
        return tracker
    make_detector = detector_of_package if tracker.name == "face_mesh" else partial(detector_of_bundle, model)
    return DuplicateFrameSkipper(MainFaceTracker(tracker, make_detector))


def has_face_mesh() -> bool:
    """Return whether the installed mediapipe contains the face mesh and its models (0.10.21 and before)."""
    import importlib.util

    spec = importlib.util.find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        return False
    root = Path(next(iter(spec.submodule_search_locations)))
    return (root / "modules" / "face_landmark" / "face_landmark_with_attention.tflite").is_file()


class DuplicateFrameSkipper:
    """Passes frames on to another tracker, except those that equal the frame before.

    OBS renders at 60 fps, most cameras deliver 30, and two frames of a real camera are never equal. A repeated frame
    gets the last observation with its own time.
    """

    def __init__(self, tracker: FaceTracker) -> None:
        self.name = tracker.name
        self._tracker = tracker
        self._frame = np.empty((0, 0, 3), np.uint8)
        self._observation: FaceObservation | None = None

    def track(self, frame: UInt8Array, captured_ns: int) -> FaceObservation | None:
        """Return the face in ``frame``, (H, W, 3) uint8 RGB, or None."""
        if self._is_unchanged(frame):
            seen = self._observation
            return None if seen is None else replace(seen, captured_ns=captured_ns)
        # Forgotten first: if the tracker fails on this frame, a repetition of it is tracked again.
        self._frame = np.empty((0, 0, 3), np.uint8)
        self._observation = self._tracker.track(frame, captured_ns)
        self._frame = frame.copy()
        return self._observation

    def _is_unchanged(self, frame: UInt8Array) -> bool:
        # A few rows are enough to tell most frames apart.
        step = _ROWS_BETWEEN
        return np.array_equal(frame[::step], self._frame[::step]) and np.array_equal(frame, self._frame)

    def close(self) -> None:
        """Free the tracker's models."""
        self._tracker.close()

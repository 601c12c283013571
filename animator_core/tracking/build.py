"""Chooses the tracker that this machine can run."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from animator_core.errors import ModelError
from animator_core.installation.model_files import FACE_LANDMARKER, verified_path
from animator_core.tracking.finder import finder_of_bundle, finder_of_package
from animator_core.tracking.main_face import MainFace
from animator_core.tracking.observation import FaceTracker
from animator_core.tracking.unchanged import OncePerPicture

logger = logging.getLogger(__name__)
TRACKERS = ("auto", "face_mesh", "face_landmarker")


def create_tracker(
    models_dir: Path,
    min_detection_confidence: float = 0.5,
    min_tracking_confidence: float = 0.5,
    kind: str = "auto",
    is_static: bool = False,
    with_blendshapes: bool = False,
) -> FaceTracker:
    """Return a tracker of ``kind``; "auto" takes the landmarker where its model file is, else the face mesh.

    But for static trackers, a frame that equals the one before is not looked at again, and the main face stays the one
    that is tracked, see `MainFace`.

    The landmarker takes half as long again, but its head pose shakes a third as much (docs/PERFORMANCE.md).
    models_dir: where ``face_landmarker.task`` lies. with_blendshapes: have the landmarker score them too.
    is_static: every frame is a picture of its own, detect anew.
    Raises ModelError where no tracker can be had.
    """
    if kind not in TRACKERS:
        raise ModelError(f"tracker {kind!r} is unknown", f"choose one of {', '.join(TRACKERS)}")
    tracker = _create(models_dir, min_detection_confidence, min_tracking_confidence, kind, is_static, with_blendshapes)
    if is_static:
        return tracker
    is_mesh = tracker.name == "face_mesh"
    find = finder_of_package if is_mesh else partial(finder_of_bundle, models_dir / FACE_LANDMARKER.name)
    return OncePerPicture(MainFace(tracker, find))


def _create(
    models_dir: Path,
    min_detection_confidence: float,
    min_tracking_confidence: float,
    kind: str,
    is_static: bool,
    with_blendshapes: bool,
) -> FaceTracker:
    from animator_core.tracking.face_mesh import FaceMeshTracker
    from animator_core.tracking.landmarker import LandmarkerTracker

    is_there = (models_dir / FACE_LANDMARKER.name).exists()
    if kind == "face_mesh" or (kind == "auto" and not is_there and has_face_mesh()):
        return FaceMeshTracker(min_detection_confidence, min_tracking_confidence, is_static)
    try:
        model = verified_path(models_dir, FACE_LANDMARKER.name)
        return LandmarkerTracker(model, min_detection_confidence, min_tracking_confidence, is_static, with_blendshapes)
    except ModelError as exc:
        if kind != "auto" or not has_face_mesh():
            raise
        logger.warning("%s; tracking with the face mesh instead", exc)
        return FaceMeshTracker(min_detection_confidence, min_tracking_confidence, is_static)


def has_face_mesh() -> bool:
    """Return whether the installed mediapipe carries the face mesh and its models (0.10.21 and before)."""
    import importlib.util

    spec = importlib.util.find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        return False
    root = Path(next(iter(spec.submodule_search_locations)))
    return (root / "modules" / "face_landmark" / "face_landmark_with_attention.tflite").is_file()

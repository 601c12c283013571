"""Which tracker is chosen, and that trackers see a face."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animator_core.errors import ModelError
from animator_core.model_files import FACE_LANDMARKER
from animator_core.tracking.build import create_tracker, has_face_mesh
from animator_core.tracking.detect import detect_face
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.unchanged import OncePerPicture
from tests.conftest import shared_file

ASTRONAUT = Path(__file__).parents[1] / "assets" / "characters" / "astronaut.png"
needs_face_mesh = pytest.mark.skipif(not has_face_mesh(), reason="this mediapipe carries no face mesh")


def astronaut() -> np.ndarray:
    picture = Image.open(ASTRONAUT)
    grey = Image.new("RGB", picture.size, (128, 128, 128))
    grey.paste(picture, mask=picture.getchannel("A"))
    return np.asarray(grey)


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """Return a folder that holds the landmarker's model."""
    shutil.copyfile(shared_file("models/face_landmarker_v2_with_blendshapes.task"), tmp_path / FACE_LANDMARKER.name)
    return tmp_path


@needs_face_mesh
def test_without_a_model_file_the_face_mesh_tracks(tmp_path: Path) -> None:
    tracker = create_tracker(tmp_path)
    assert tracker.name == "face_mesh"
    observation = tracker.track(astronaut(), 1)
    assert observation is not None
    assert observation.landmarks.shape == (478, 3)
    assert tracker.track(np.zeros((480, 640, 3), np.uint8), 2) is None
    tracker.close()


def test_with_its_model_file_the_landmarker_tracks_and_scores_blendshapes(models_dir: Path) -> None:
    tracker = create_tracker(models_dir, with_blendshapes=True)
    assert tracker.name == "face_landmarker"
    # The same millisecond twice is no error.
    for captured_ns in (1_000_000, 1_000_100):
        observation = tracker.track(astronaut(), captured_ns)
    assert observation is not None
    assert observation.blendshapes is not None
    assert observation.blendshapes["mouthSmileLeft"] > 0.3
    tracker.close()


@needs_face_mesh
def test_a_damaged_model_file_is_named_and_the_face_mesh_tracks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FACE_LANDMARKER.name).touch()
    with caplog.at_level(logging.WARNING):
        tracker = create_tracker(tmp_path)
    assert tracker.name == "face_mesh"
    assert "is empty (0 bytes)" in caplog.text
    tracker.close()
    with pytest.raises(ModelError, match=r"0 bytes.*install\.py"):
        create_tracker(tmp_path, kind="face_landmarker")


def test_an_unknown_tracker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'webcam' is unknown"):
        create_tracker(tmp_path, kind="webcam")


def test_both_trackers_see_the_same_face(models_dir: Path) -> None:
    if not has_face_mesh():
        pytest.skip("this mediapipe carries no face mesh")
    found = []
    for kind in ("face_mesh", "face_landmarker"):
        tracker = create_tracker(models_dir, kind=kind, is_static=True)
        found.append(detect_face(astronaut(), tracker))
        tracker.close()
    mesh, landmarker = found
    assert mesh is not None
    assert landmarker is not None
    face_height = np.linalg.norm(mesh[10, :2] - mesh[152, :2])
    assert np.linalg.norm(mesh[:468, :2] - landmarker[:468, :2], axis=1).mean() < 0.03 * face_height


class CountingTracker:
    """Sees a face as bright as the frame, unless it is black."""

    name = "counting"

    def __init__(self) -> None:
        self.count = 0

    def track(self, frame: np.ndarray, captured_ns: int) -> FaceObservation | None:
        self.count += 1
        level = float(frame.mean())
        return FaceObservation(np.full((478, 3), level, np.float32), 8, 40, captured_ns) if level else None

    def close(self) -> None:
        self.count = -1


def test_a_frame_that_equals_the_one_before_is_tracked_once() -> None:
    inner = CountingTracker()
    tracker = OncePerPicture(inner)
    frame = np.full((40, 8, 3), 7, np.uint8)
    first, second = tracker.track(frame, 1), tracker.track(frame.copy(), 2)
    assert first is not None and second is not None
    assert (inner.count, tracker.skipped_count) == (1, 1)
    assert (first.captured_ns, second.captured_ns) == (1, 2)
    assert second.landmarks is first.landmarks
    # One pixel anywhere makes another picture, also in the array that was tracked before.
    frame[39, 7, 2] = 8
    assert tracker.track(frame, 3) is not None
    assert inner.count == 2


def test_an_unchanged_frame_without_a_face_stays_without_one() -> None:
    inner = CountingTracker()
    tracker = OncePerPicture(inner)
    black = np.zeros((40, 8, 3), np.uint8)
    assert tracker.track(black, 1) is None and tracker.track(black, 2) is None
    assert inner.count == 1
    tracker.close()
    assert inner.count == -1

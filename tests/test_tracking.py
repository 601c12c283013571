"""Which tracker is chosen, and that trackers see a face."""

from __future__ import annotations

import gc
import logging
import shutil
import struct
import subprocess
import sys
import threading
from contextlib import closing
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from animator_core.config import PROJECT_ROOT
from animator_core.errors import ModelError
from animator_core.installation.model_files import FACE_LANDMARKER
from animator_core.tracking.closing import Closer
from animator_core.tracking.detect import detect_face
from animator_core.tracking.duplicate_frames import DuplicateFrameSkipper
from animator_core.tracking.landmark_packets import points_of
from animator_core.tracking.landmarker import LandmarkerTracker, without_blendshapes
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.trackers import create_tracker, has_face_mesh
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


def drifting_frames(count: int) -> list[np.ndarray]:
    """Return pictures in which the astronaut moves to the right."""
    picture = astronaut()
    return [np.ascontiguousarray(np.roll(picture, 3 * number, axis=1)) for number in range(count)]


def test_landmarks_by_packets_equal_the_documented_ones_bit_for_bit(models_dir: Path) -> None:
    model = models_dir / FACE_LANDMARKER.name
    lean, full = LandmarkerTracker(model, with_blendshapes=False), LandmarkerTracker(model)
    with closing(lean) as direct, closing(full) as documented:
        if direct._packets is None:
            pytest.skip("this mediapipe has no such packets")
        for number, frame in enumerate(drifting_frames(6)):
            kept = frame.copy()
            seen, expected = direct.track(frame, number), documented.track(frame, number)
            assert seen is not None and expected is not None
            np.testing.assert_array_equal(seen.landmarks, expected.landmarks)
            np.testing.assert_array_equal(frame, kept)
        nobody = np.zeros((480, 640, 3), np.uint8)
        assert [direct.track(nobody, number) for number in range(6, 9)] == [None] * 3


def test_a_mediapipe_with_other_internals_tracks_the_documented_way(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in 0.10.30 and later.
    monkeypatch.setitem(sys.modules, "mediapipe.python", None)
    tracker = LandmarkerTracker(models_dir / FACE_LANDMARKER.name, with_blendshapes=False)
    assert tracker._packets is None
    documented = LandmarkerTracker(models_dir / FACE_LANDMARKER.name)
    for number, frame in enumerate(drifting_frames(2)):
        seen, expected = tracker.track(frame, number), documented.track(frame, number)
        assert seen is not None and expected is not None
        np.testing.assert_array_equal(seen.landmarks, expected.landmarks)
    assert tracker.track(np.zeros((480, 640, 3), np.uint8), 2) is None
    tracker.close()
    documented.close()


def test_the_model_without_blendshapes_keeps_every_other_part_in_its_place() -> None:
    bundle = shared_file("models/face_landmarker_v2_with_blendshapes.task").read_bytes()
    parts = [(entry.filename, entry.header_offset) for entry in ZipFile(BytesIO(bundle)).infolist()]
    kept = [(entry.filename, entry.header_offset) for entry in ZipFile(BytesIO(without_blendshapes(bundle))).infolist()]
    changed = [before for before, after in zip(parts, kept) if before != after]
    assert [name for name, _ in changed] == ["face_blendshapes.tflite"]
    assert len(kept) == len(parts)


def test_nobody_computes_blendshapes_that_are_not_asked_for(models_dir: Path) -> None:
    with closing(LandmarkerTracker(models_dir / FACE_LANDMARKER.name, with_blendshapes=False)) as lean:
        if not hasattr(lean._landmarker, "get_graph_config"):
            pytest.skip("this mediapipe does not tell its graph")
        assert "faceblendshapesgraph" not in str(lean._landmarker.get_graph_config())


class Landmarks:
    """Stands for MediaPipe's list of landmarks, some of which may have more than x, y and z."""

    def __init__(self, wire: bytes, points: list[tuple[float, float, float]]) -> None:
        self.landmark = [SimpleNamespace(x=x, y=y, z=z) for x, y, z in points]
        self._wire = wire

    def SerializeToString(self) -> bytes:
        return self._wire


def test_landmarks_that_say_more_than_where_they_are_are_read_too() -> None:
    points = [(0.25, 0.5, -0.125), (1.5, 0.75, 2.0)]
    plain = b"".join(b"\x0a\x0f\x0d%b\x15%b\x1d%b" % tuple(struct.pack("<f", v) for v in p) for p in points)
    with_presence = plain.replace(b"\x0a\x0f", b"\x0a\x14") + struct.pack("<Bf", 0x2D, 1.0)
    for wire in (plain, with_presence):
        read = points_of(Landmarks(wire, points))
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, np.array(points, np.float32))


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
    tracker = DuplicateFrameSkipper(inner)
    frame = np.full((40, 8, 3), 7, np.uint8)
    first, second = tracker.track(frame, 1), tracker.track(frame.copy(), 2)
    assert first is not None and second is not None
    assert inner.count == 1
    assert (first.captured_ns, second.captured_ns) == (1, 2)
    assert second.landmarks is first.landmarks
    # One pixel anywhere makes another picture, also in the array that was tracked before.
    frame[39, 7, 2] = 8
    assert tracker.track(frame, 3) is not None
    assert inner.count == 2


def test_an_unchanged_frame_without_a_face_stays_without_one() -> None:
    inner = CountingTracker()
    tracker = DuplicateFrameSkipper(inner)
    black = np.zeros((40, 8, 3), np.uint8)
    assert tracker.track(black, 1) is None and tracker.track(black, 2) is None
    assert inner.count == 1
    tracker.close()
    assert inner.count == -1


class Task:
    """Stands for one of MediaPipe's: being destroyed while it is open hangs for ever."""

    def __init__(self) -> None:
        self.is_closed = threading.Event()
        self.closed_by: list[int] = []

    def close(self) -> None:
        self.closed_by.append(threading.get_ident())
        self.is_closed.set()


class Owner:
    def __init__(self, task: Task) -> None:
        self.close = Closer(self, task.close)
        self.itself = self


@pytest.mark.slow
def test_a_task_that_somebody_forgot_is_closed_beside_the_garbage_collector() -> None:
    task = Task()
    Owner(task)
    gc.collect()
    assert task.is_closed.wait(10)
    assert task.closed_by != [threading.get_ident()]


@pytest.mark.slow
def test_a_task_is_closed_once_and_by_whoever_closes_it() -> None:
    task = Task()
    owner = Owner(task)
    owner.close()
    owner.close()
    del owner
    gc.collect()
    assert task.closed_by == [threading.get_ident()]


@pytest.mark.slow
def test_at_the_end_of_the_interpreter_a_task_is_closed_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task()
    monkeypatch.setattr(threading, "main_thread", lambda: SimpleNamespace(is_alive=lambda: False))
    Owner(task)
    gc.collect()
    assert task.closed_by == [threading.get_ident()]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["face_landmarker", "face_mesh"])
def test_real_trackers_that_die_open_in_a_circle_hang_nothing(tmp_path: Path, kind: str) -> None:
    if kind == "face_landmarker":
        shutil.copyfile(shared_file("models/face_landmarker_v2_with_blendshapes.task"), tmp_path / FACE_LANDMARKER.name)
    elif not has_face_mesh():
        pytest.skip("this mediapipe carries no face mesh")
    code = (
        "import gc, sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from animator_core.tracking.trackers import create_tracker\n"
        "for is_static in (True, False):\n"
        "    tracker = create_tracker(Path(sys.argv[1]), kind=sys.argv[2], is_static=is_static)\n"
        "    tracker.track(np.zeros((64, 64, 3), np.uint8), 1)\n"
        "    tracker.itself = tracker\n"
        "    if not is_static:\n"
        "        tracker._tracker._tracker.itself = tracker\n"
        "    del tracker\n"
        "    gc.collect()\n"
        "left = create_tracker(Path(sys.argv[1]), kind=sys.argv[2])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path), kind]
    done = subprocess.run(command, cwd=PROJECT_ROOT, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

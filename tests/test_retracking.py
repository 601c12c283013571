"""The judgement of the warp renderer: a face tracker that watches its output sees the driving motion again."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from animator_core.characters.library import CharacterLibrary
from animator_core.clips.video import VideoReader
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.face_state import face_state
from animator_core.motion.rotation import euler_angles
from animator_core.tracking.face_mesh import FaceMeshTracker
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.trackers import has_face_mesh
from animator_core.warp.renderer import WarpRenderer
from tests.conftest import shared_file

FRAMES = 150


def measures(observation: FaceObservation) -> list[float]:
    state = face_state(observation)
    mouth = np.linalg.norm(state.shape[13] - state.shape[14]) / np.linalg.norm(state.shape[61] - state.shape[291])
    return [euler_angles(state.pose.rotation)[0], float(mouth), float(state.eye_ratio.mean())]


@pytest.mark.slow
@pytest.mark.skipif(not has_face_mesh(), reason="this mediapipe carries no face mesh")
def test_a_tracker_sees_the_driving_motion_in_the_output() -> None:
    clip, portrait = shared_file("faces/driving/d3.mp4"), shared_file("faces/source/s1.jpg")
    seen = FaceMeshTracker()
    observations = []
    with VideoReader(clip) as reader:
        for number, frame in enumerate(itertools.islice(reader, FRAMES)):
            found = seen.track(frame.picture, (number + 1) * 33_333_333)
            assert found is not None
            observations.append(found)
    seen.close()
    estimator = MotionEstimator(FaceSettings())
    estimator.calibrate_from(observations[:30])
    renderer = WarpRenderer()
    renderer.set_character(CharacterLibrary(Path(portrait).parent).load(portrait.name))
    watcher = FaceMeshTracker()
    driving, produced = [], []
    for observation in observations:
        frame = renderer.render(estimator.update(observation, observation.captured_ns))
        found = watcher.track(np.ascontiguousarray(frame[..., 2::-1]), observation.captured_ns)
        assert found is not None, "the face was lost in the output"
        driving.append(measures(observation))
        produced.append(measures(found))
    watcher.close()
    yaw, mouth, eyes = (np.corrcoef(a, b)[0, 1] for a, b in zip(np.array(driving).T, np.array(produced).T))
    assert yaw > 0.95
    assert mouth > 0.9
    assert eyes > 0.85

"""A worker whose tracker and renderer are doubles: quick, and failing when told so by what they are given.

Tracker: a black frame has no face; a magenta one raises. Renderer: one plain colour for each character; ``crash.png``
raises in every frame, ``hang.png`` never comes back from one, ``slow.png`` takes two seconds to prepare,
``refused.png`` is refused by `set_character`, ``lazy.png`` is drawn in four seconds as if by LivePortrait on a CPU,
``lost.png`` as if by LivePortrait until after five frames the GPU is lost, ``cold.png`` keeps its render thread busy
for three seconds while that is warmed up.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

from animator_core.animation.preparation import PreparationThread
from animator_core.animation.services import Services
from animator_core.characters.character import Character
from animator_core.characters.library import CharacterLibrary
from animator_core.config import load_config
from animator_core.errors import CharacterError, DeviceLostError, WeightsError
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.visible_change import signature
from animator_core.rendering.contract import Placement
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation
from animator_core.warp.driver import LandmarkDriver
from animator_core.worker.channel import claim_standard_streams
from animator_core.worker.process import ParentWatch
from animator_core.worker.role import session_maker
from animator_core.worker.service import FilterService

_MAGNIFIED = 20
MARKED = "DRAWN_BY_A_HOST"
"""Environment variable by which the worker of a host paints a white mark of `MARK` pixels."""
MARK = 32


class TrackerDouble:
    name = "double"

    def track(self, frame: np.ndarray, captured_ns: int) -> FaceObservation | None:
        if (frame[0, 0] == (255, 0, 255)).all():
            raise RuntimeError("the tracker broke")
        if frame.max() < 10:
            return None
        # As if the frame were larger: the worker warns of a face of few pixels.
        height, width = (side * _MAGNIFIED for side in frame.shape[:2])
        landmarks = face_model().mean * height / 4 + np.array([width / 2, height / 2, 0], np.float32)
        # A face at rest is never quite still; an unchanged motion would not be rendered.
        landmarks = landmarks + np.float32(0.001 * height * np.sin(captured_ns * 1e-8))
        return FaceObservation(landmarks.astype(np.float32), width, height, captured_ns)

    def close(self) -> None:
        pass


class RendererDouble:
    name = "warp"
    device = "CPU"
    note = None
    is_computing = False

    def __init__(self) -> None:
        self._character: Character | None = None
        self._drawn_count = 0

    def create_driver(self, estimator: MotionEstimator) -> LandmarkDriver:
        return LandmarkDriver(self, estimator)

    def prepare(self, character: Character) -> None:
        if character.name == "slow.png":
            time.sleep(2.0)

    def set_character(self, character: Character) -> None:
        if character.name == "refused.png":
            raise CharacterError("refused.png cannot be drawn", "use another")
        self._character = character
        self.name = "liveportrait" if character.name in ("lazy.png", "lost.png") else "warp"

    def place(self, motion: DrivingMotion) -> Placement:
        return Placement(signature(motion), motion, motion.captured_ns)

    def draw(self, placement: Placement) -> np.ndarray:
        return self.render(placement.content)

    def render(self, motion: DrivingMotion) -> np.ndarray:
        if self._character.name == "crash.png":
            raise RuntimeError("the renderer broke")
        if self._character.name == "hang.png":
            time.sleep(600)
        if self._character.name == "lazy.png":
            time.sleep(4)
        if self._character.name == "lost.png":
            self._drawn_count += 1
            if self._drawn_count > 5:
                raise DeviceLostError("the GPU is lost (device-side assert)", "update the driver")
        print("a library prints what it likes")
        os.write(1, b"and so does one written in C++\n")
        picture = np.ascontiguousarray(self._character.picture[..., [2, 1, 0, 3]])
        if os.environ.get(MARKED):
            picture[:MARK, :MARK, :3] = 255
        return picture

    def warm_up(self) -> None:
        if self._character.name == "cold.png" and threading.current_thread().name.startswith("render"):
            time.sleep(3)
        self.render(DrivingMotion())

    def close(self) -> None:
        pass


def create_renderer(name: str) -> RendererDouble:
    if name == "liveportrait":
        raise WeightsError("the LivePortrait weights are missing", "run install.py")
    return RendererDouble()


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    config = load_config(Path(sys.argv[1]))
    library = CharacterLibrary(config.character.images_path, detect=lambda rgb: None)
    channel = claim_standard_streams()
    services = Services(
        config, library, PreparationThread(), create_tracker=TrackerDouble, create_renderer=create_renderer
    )
    parent = int(sys.argv[2]) if len(sys.argv) > 2 else None
    make_session, problem = session_maker(config)
    assert problem is None
    os._exit(FilterService(channel, services, ParentWatch(parent), make_session).run())


if __name__ == "__main__":
    main()

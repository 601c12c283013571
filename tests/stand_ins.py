"""Small stand-ins that command-line tests put where a model, a camera or a real picture would be."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animator_core import assembly
from animator_core.animation.services import Services
from animator_core.characters.character import Character
from animator_core.clips.track_file import MotionTrack, write_track
from animator_core.liveportrait.motion.template import MotionTemplate, write_template
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.visible_change import signature
from animator_core.rendering.contract import Placement
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from animator_core.warp.driver import LandmarkDriver

FRAME_WIDTH, FRAME_HEIGHT = 320, 240


def face_landmarks(shift: float = 0.0) -> np.ndarray:
    """Return the mean face in a frame of 320×240, moved right by ``shift`` pixels: (478, 3) float32."""
    landmarks = face_model().mean * 110 + np.array([160 + shift, 110, 0])
    return np.asarray(landmarks, np.float32)


def write_motion(path: Path, frames: int, fps: float = 29.97, missing: tuple[int, ...] = (), step: float = 0.5) -> Path:
    """Write a motion in which the face goes right by ``step`` pixels a frame, and is not there in ``missing``."""
    landmarks = np.stack([face_landmarks(step * number) for number in range(frames)])
    landmarks[list(missing)] = np.nan
    write_track(path, MotionTrack(fps, FRAME_WIDTH, FRAME_HEIGHT, landmarks))
    return path


def template(frames: int = 3, turn: float = 0.1) -> MotionTemplate:
    """Return a template in which the head turns further and further."""
    angles = turn * np.arange(frames)
    rotation = np.tile(np.eye(3, dtype=np.float32), (frames, 1, 1))
    rotation[:, 0, 0] = rotation[:, 2, 2] = np.cos(angles)
    rotation[:, 0, 2], rotation[:, 2, 0] = -np.sin(angles), np.sin(angles)
    ones, zeros = np.ones((frames, 1), np.float32), np.zeros((frames, 21, 3), np.float32)
    return MotionTemplate(25.0, rotation, zeros, ones, zeros[:, 0])


def write_template_file(path: Path, frames: int = 3) -> Path:
    """Write that template."""
    write_template(path, template(frames))
    return path


def character(width: int = 64, height: int = 48, is_transparent: bool = False) -> Character:
    """Return an orange picture, whose right half is see-through where asked for."""
    picture = np.zeros((height, width, 4), np.uint8)
    picture[:] = (210, 120, 40, 255)
    if is_transparent:
        picture[:, width // 2 :, 3] = 128
    return Character("orange.png", "Orange", picture, face_landmarks() / 5, "0" * 64)


class FlatRenderer:
    """Draws the picture as it is, premultiplied in linear light, and remembers the motions."""

    name, device, note = "flat", "nowhere", None
    is_computing = False

    def __init__(self) -> None:
        self.motions: list[DrivingMotion] = []
        self.prepared: list[str] = []
        self.is_closed = False
        self._frame = np.zeros((1, 1, 4), np.uint8)

    def create_driver(self, estimator: MotionEstimator) -> LandmarkDriver:
        return LandmarkDriver(self, estimator)

    def prepare(self, character: Character) -> None:
        self.prepared.append(character.name)

    def set_character(self, character: Character) -> None:
        colour = character.picture[..., 2::-1] / 255.0
        alpha = character.picture[..., 3:] / 255.0
        light = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4) * alpha
        encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
        self._frame = np.concatenate([np.rint(encoded * 255), alpha * 255], axis=2).astype(np.uint8)

    def place(self, motion: DrivingMotion) -> Placement:
        return Placement(signature(motion), motion, motion.captured_ns)

    def draw(self, placement: Placement) -> np.ndarray:
        self.motions.append(placement.content)
        return self._frame

    def settled(self, report: Any) -> Any:
        return self

    def warm_up(self) -> None:
        self.draw(self.place(DrivingMotion()))

    def close(self) -> None:
        self.is_closed = True


class ReplayingRenderer(FlatRenderer):
    """Remembers what it is to replay as well, and from which frames it is to take the neutral face."""

    name = "replaying"

    def __init__(self) -> None:
        super().__init__()
        self.replayed: MotionTemplate | None = None
        self.batch_sizes: list[int] = []
        self.faces: list[TrackedFrame] = []

    def replay(self, template: MotionTemplate) -> list[Placement]:
        self.replayed = template
        return [self.place(DrivingMotion())] * len(template)

    def draw_each(self, placements: Sequence[Placement]) -> Iterator[np.ndarray]:
        self.batch_sizes.append(len(placements))
        for placement in placements:
            yield self.draw(placement)

    def create_driver(self, estimator: MotionEstimator) -> LandmarkDriver:
        driver = super().create_driver(estimator)

        def calibrate_from(faces: Iterable[TrackedFrame]) -> None:
            assert not self.motions, "the neutral face comes too late"
            self.faces = list(faces)

        driver.calibrate_from = calibrate_from  # type: ignore[method-assign]
        return driver


class PixelTracker:
    """Sees the mean face in every frame that is not black."""

    name = "pixel"

    def __init__(self) -> None:
        self.times: list[int] = []
        self.is_closed = False

    def track(self, frame: np.ndarray, captured_ns: int) -> FaceObservation | None:
        self.times.append(captured_ns)
        if frame.mean() < 8:
            return None
        height, width = frame.shape[:2]
        return FaceObservation(face_landmarks(), width, height, captured_ns)

    def close(self) -> None:
        self.is_closed = True


def put_in_place(
    monkeypatch: pytest.MonkeyPatch, shown: Character | None = None, renderer: FlatRenderer | None = None
) -> tuple[FlatRenderer, PixelTracker]:
    """Make the commands use a `FlatRenderer`, or the given one, a `PixelTracker` and, where given, one character."""
    renderer, tracker = renderer or FlatRenderer(), PixelTracker()

    @contextlib.contextmanager
    def made_renderer(name: str | None, config: Any, *options: Any, **named: Any) -> Iterator[FlatRenderer]:
        yield renderer
        renderer.close()

    make_services = assembly.make_services

    def services(config: Any) -> Services:
        return dataclasses.replace(make_services(config), create_renderer=lambda name: renderer)

    monkeypatch.setattr(assembly, "made_renderer", made_renderer)
    monkeypatch.setattr(assembly, "make_services", services)
    monkeypatch.setattr(assembly, "load_anime_networks", lambda config: None)
    monkeypatch.setattr(assembly, "make_tracker", lambda config: tracker)
    if shown is not None:
        monkeypatch.setattr(assembly, "load_character", lambda text, config: shown)
    return renderer, tracker


def put_recorder_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the commands record templates in which nothing moves, without weights."""
    import torch

    from animator_core.clips.recording import TemplateRecorder
    from animator_core.liveportrait.networks.keypoints import KeypointMotion

    def look(crops: torch.Tensor) -> KeypointMotion:
        zero, still = torch.zeros(len(crops)), torch.zeros(len(crops), 21, 3)
        return KeypointMotion(zero, zero, zero, still[:, 0], still, torch.ones(len(crops), 1), still)

    def make(config: Any, mirror: bool = False, most_waiting: int | None = None) -> TemplateRecorder:
        return TemplateRecorder(look, config.compute.batch_size, mirror, most_waiting)

    monkeypatch.setattr(assembly, "make_template_recorder", make)

"""Puts parts together as the settings say: library, character, tracker, estimator, renderer, clip."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from animator_core.errors import CharacterError

if TYPE_CHECKING:
    from animator_core.characters.character import Character
    from animator_core.characters.library import CharacterLibrary
    from animator_core.clips.driving_clip import DrivingClip
    from animator_core.clips.recording import TemplateRecorder
    from animator_core.config import Config
    from animator_core.motion.estimator import MotionEstimator
    from animator_core.renderers import RendererSource
    from animator_core.rendering.contract import Renderer
    from animator_core.tracking.observation import FaceTracker


def make_library(config: Config) -> CharacterLibrary:
    """Return the library that the settings describe."""
    from animator_core.characters.library import CharacterLibrary

    character = config.character
    return CharacterLibrary(
        character.images_path,
        config.performance.cache_dir if config.ai_model.use_feature_cache else None,
        character.target_size,
        character.auto_crop,
    )


def find_in_library(library: CharacterLibrary, text: str) -> str | None:
    """Return the file name of a character named by its file name, its file name's stem or its display name."""
    from animator_core.ipc.character_names import as_text

    entries, text = library.list(), as_text(text)
    for key in (
        lambda entry: entry.file,
        lambda entry: Path(entry.file).stem,
        lambda entry: entry.display_name,
    ):
        for entry in entries:
            if key(entry).casefold() == text.casefold():
                return str(entry.file)
    return None


def picture_path(text: str, library: CharacterLibrary) -> Path:
    """Return the picture that ``text`` names: a file, or one of the library; raises CharacterError for none."""
    if os.path.isfile(text):
        return Path(text)
    name = find_in_library(library, text)
    if name is None:
        known = ", ".join(entry.file for entry in library.list()[:10]) or "none"
        raise CharacterError(
            f"there is no picture {text} and no character of that name in {library.directory}",
            f"check the path or choose one of the library (there are: {known})",
        )
    return library.path(name)


def load_character(text: str | None, config: Config) -> Character:
    """Return the character that ``text`` names: a picture file, or one of the library; None is the settings' one.

    Raises CharacterError where there is none, or it cannot be used.
    """
    library = make_library(config)
    text = text or config.character.current_character
    if not text:
        entries = library.list()
        if not entries:
            raise CharacterError(
                f"there is no picture in {library.directory}", "put one there or give --character FILE"
            )
        return library.load(entries[0].file)
    return library.load_file(picture_path(text, library))


def make_tracker(config: Config) -> FaceTracker:
    """Return the face tracker that the settings describe."""
    from animator_core.config import MODELS_DIR
    from animator_core.tracking.build import create_tracker

    tracking = config.tracking
    return create_tracker(MODELS_DIR, tracking.min_detection_confidence, tracking.min_tracking_confidence)


def make_estimator(config: Config, mirror: bool = False) -> MotionEstimator:
    """Return a fresh motion estimator with the settings' smoothing and sensitivities."""
    from animator_core.motion.estimator import MotionEstimator, MotionSettings

    options = config.liveportrait
    return MotionEstimator(
        MotionSettings(
            mirror, options.sensitivity_expression, options.sensitivity_pose, smoothing=config.tracking.smoothing
        )
    )


def make_renderer_source(config: Config) -> RendererSource:
    """Return what makes renderers as the settings say."""
    from animator_core.renderers import RendererSettings, RendererSource

    model, performance = config.ai_model, config.performance
    return RendererSource(
        RendererSettings(
            model.model_path,
            model.device,
            model.fp16,
            performance.cache_dir,
            model.use_feature_cache,
            performance.enable_optimizer,
            model.use_tensorrt,
            config.liveportrait,
            model.backend,
            model.onnx_provider,
            model.use_compile,
        ),
        _gpu_name,
    )


def _gpu_name() -> str:
    from animator_core.installation.torch_build import detect_gpu

    gpu = detect_gpu()
    return gpu.name if gpu else ""


def make_template_recorder(config: Config, mirror: bool = False, most_waiting: int | None = None) -> TemplateRecorder:
    """Return what records templates, with the motion extractor alone; raises WeightsError where it cannot be had."""
    from animator_core.clips.recording import TemplateRecorder
    from animator_core.liveportrait.execution.device import choose_device
    from animator_core.liveportrait.networks.motion_only import load_motion_extractor

    model = config.ai_model
    choice = choose_device(model.device, model.fp16)
    extract = load_motion_extractor(model.model_path, choice.device, choice.dtype)
    return TemplateRecorder(extract, model.batch_size, mirror, most_waiting)


@contextlib.contextmanager
def made_renderer(
    name: str | None, config: Config, source: RendererSource | None = None, enable_optimizer: bool | None = None
) -> Iterator[Renderer]:
    """Give the renderer of that name, the settings' one for None, and free it afterwards.

    source: where several renderers share what they can. enable_optimizer: other than the settings say.
    """
    source = source or make_renderer_source(config)
    renderer = source.create(name or config.ai_model.type, enable_optimizer)
    try:
        yield renderer
    finally:
        renderer.close()


@contextlib.contextmanager
def opened_clip(path: Path, config: Config) -> Iterator[DrivingClip]:
    """Give the driving clip in a file, and close it afterwards."""
    from animator_core.clips.driving_clip import open_clip

    clip = open_clip(path, lambda: make_tracker(config))
    try:
        yield clip
    finally:
        clip.close()

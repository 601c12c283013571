"""Makes library, character, tracker, estimator, renderer, clip and the live loops' services from the settings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from animator_core.errors import CharacterError

if TYPE_CHECKING:
    from animator_core.animation.services import Services
    from animator_core.anime.networks.chain import AnimeNetworks
    from animator_core.characters.character import Character
    from animator_core.characters.library import CharacterLibrary
    from animator_core.clips.driving_clip import DrivingClip
    from animator_core.clips.recording import TemplateRecorder
    from animator_core.config import Config
    from animator_core.ipc.protocol import AnimationSettings
    from animator_core.motion.estimator import MotionEstimator
    from animator_core.renderers import RendererSource
    from animator_core.rendering.contract import Renderer
    from animator_core.tracking.observation import FaceTracker
    from animator_core.vmc.link import VmcLink


def make_library(config: Config) -> CharacterLibrary:
    """Return the settings' character library."""
    from animator_core.characters.library import CharacterLibrary

    character = config.character
    return CharacterLibrary(
        character.images_path,
        cache_dir=config.performance.cache_dir if config.ai_model.use_feature_cache else None,
        target_size=character.target_size,
        auto_crop=character.auto_crop,
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


def choose_character(text: str | None, library: CharacterLibrary, config: Config) -> str:
    """Return the name, in ``library``, of the character that ``text`` names; None is the settings' one, else the first.

    A picture file from elsewhere is included in the library. Raises CharacterError if there is none.
    """
    text = text or config.character.current_character
    if text:
        return library.include(picture_path(text, library))
    entries = library.list()
    if not entries:
        raise CharacterError(f"there is no picture in {library.directory}", "put one there or give --character FILE")
    return entries[0].file


def load_character(text: str | None, config: Config) -> Character:
    """Return the character that `choose_character` chooses; raises CharacterError if it cannot be used."""
    library = make_library(config)
    return library.load(choose_character(text, library, config))


def make_tracker(config: Config) -> FaceTracker:
    """Return the settings' face tracker."""
    from animator_core.config import MODELS_DIR
    from animator_core.tracking.trackers import create_tracker

    tracking = config.tracking
    return create_tracker(
        MODELS_DIR,
        min_detection_confidence=tracking.min_detection_confidence,
        min_tracking_confidence=tracking.min_tracking_confidence,
    )


def make_estimator(config: Config, mirror: bool = False) -> MotionEstimator:
    """Return a fresh motion estimator with the settings' smoothing and sensitivities."""
    from animator_core.motion.estimator import MotionEstimator

    return MotionEstimator(config.face(mirror))


def make_renderer_source(config: Config) -> RendererSource:
    """Return a source of renderers with the settings' options."""
    from animator_core.config import MODELS_DIR
    from animator_core.renderers import RendererSettings, RendererSource

    model, performance = config.ai_model, config.performance
    settings = RendererSettings(
        weights_dir=model.model_path,
        compute=config.compute,
        cache_dir=performance.cache_dir,
        use_feature_cache=model.use_feature_cache,
        use_motion_cache=performance.use_motion_cache,
        options=config.liveportrait,
        anime_dir=MODELS_DIR / "anime",
        anime=config.anime,
    )
    return RendererSource(settings, _gpu_name)


def load_anime_networks(config: Config) -> AnimeNetworks | None:
    """Return the anime networks on the CPU, None without their weights; raises WeightsError for damaged ones."""
    if not has_anime_weights():
        return None
    from animator_core.anime.networks.weights import load_networks
    from animator_core.config import MODELS_DIR

    return load_networks(MODELS_DIR / "anime", config.performance.cache_dir)


def may_draw_as_anime(character: Character, config: Config) -> bool:
    """Return whether the settings and the installed weights let the anime renderer draw ``character`` if it fits."""
    wanted = config.ai_model.type if config.ai_model.type != "auto" else character.renderer
    return wanted in ("auto", "anime") and has_anime_weights()


def has_anime_weights() -> bool:
    """Return whether the weights of the anime networks are installed."""
    from animator_core.config import MODELS_DIR
    from animator_core.installation.model_files import ANIME

    return all((MODELS_DIR / "anime" / model.name).is_file() for model in ANIME)


def _gpu_name() -> str:
    from animator_core.installation.torch_build import detect_gpu

    gpu = detect_gpu()
    return gpu.name if gpu else ""


def make_services(config: Config) -> Services:
    """Return the services that live loops share; their preparation thread, and the VMC receiver, run from now on."""
    from animator_core.animation.preparation import PreparationThread
    from animator_core.animation.services import Services

    link = make_link(config)
    return Services(
        config,
        make_library(config),
        PreparationThread(),
        create_tracker=(link and link.create_tracker) or (lambda: make_tracker(config)),
        create_renderer=make_renderer_source(config).create,
        link=link,
    )


def make_link(config: Config) -> VmcLink | None:
    """Return the way of faces from other programs and to them, which receives from now on; None if it is off."""
    if not (config.vmc.receive or config.vmc.send):
        return None
    from animator_core.vmc.link import VmcLink

    return VmcLink(config.vmc)


def make_settings(config: Config, character: str, mirror: bool) -> AnimationSettings:
    """Return the settings of a live loop without a panel; character: file name in the library of its services."""
    from animator_core.ipc.protocol import AnimationSettings

    return AnimationSettings(character, face=config.face(mirror), frame_rate=config.performance.target_fps)


def make_template_recorder(config: Config, mirror: bool = False, most_waiting: int | None = None) -> TemplateRecorder:
    """Return a recorder of templates, which loads the motion extractor alone; raises WeightsError."""
    from animator_core.clips.recording import TemplateRecorder
    from animator_core.liveportrait.execution.device import choose_device
    from animator_core.liveportrait.networks.build import load_motion_extractor

    compute = config.compute
    choice = choose_device(compute.device, compute.fp16)
    extract = load_motion_extractor(config.ai_model.model_path, choice.device, choice.dtype)
    return TemplateRecorder(extract, compute.batch_size, is_mirrored=mirror, most_waiting=most_waiting)


@contextlib.contextmanager
def made_renderer(
    name: str | None, config: Config, source: RendererSource | None = None, use_motion_cache: bool | None = None
) -> Iterator[Renderer]:
    """Yield the renderer of that name, the settings' one for None, and free it afterwards.

    source: shares networks and features between renderers. use_motion_cache: overrides the settings.
    """
    source = source or make_renderer_source(config)
    renderer = source.create(name or config.ai_model.type, use_motion_cache)
    try:
        yield renderer
    finally:
        renderer.close()


@contextlib.contextmanager
def opened_clip(path: Path, config: Config) -> Iterator[DrivingClip]:
    """Yield the driving clip in a file, and close it afterwards."""
    from animator_core.clips.driving_clip import open_clip

    clip = open_clip(path, lambda: make_tracker(config))
    try:
        yield clip
    finally:
        clip.close()

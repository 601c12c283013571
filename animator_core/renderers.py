"""Chooses the renderer that this machine can run."""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from animator_core.config import AnimeConfig, ComputeConfig
from animator_core.errors import AnimatorError, DeviceLostError, ModelError, WeightsError, loading
from animator_core.installation.model_files import ANIME
from animator_core.ipc.protocol import RENDERERS
from animator_core.motion.options import MotionOptions
from animator_core.rendering.contract import Renderer

if TYPE_CHECKING:
    from animator_core.anime.engine import AnimeEngine
    from animator_core.anime.renderer import AnimeRenderer
    from animator_core.liveportrait.engine import Engine
    from animator_core.liveportrait.execution.device import DeviceChoice

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RendererSettings:
    """How LivePortrait and the anime networks run; the keys of the same names in assets/config.yaml say more.

    weights_dir: folder of LivePortrait's weights, None for none. compute: where its networks run. cache_dir: folder of
    converted weights and, with use_feature_cache, of features; None keeps none. use_motion_cache: see `MotionCache`.
    options: of motion transfer. anime_dir: folder of the anime networks' weights, None for none.
    """

    weights_dir: Path | None = None
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    cache_dir: Path | None = None
    use_feature_cache: bool = True
    use_motion_cache: bool = False
    options: MotionOptions = field(default_factory=MotionOptions)
    anime_dir: Path | None = None
    anime: AnimeConfig = field(default_factory=AnimeConfig)


class _NoGpu(ModelError):
    """This computer has no GPU, which is no fault."""


class RendererSource:
    """Makes renderers; those of LivePortrait share one copy of networks and features while any of them is in use.

    find_gpu: returns the name of the GPU that is unused if the weights are missing, "" for none.
    """

    def __init__(
        self,
        settings: RendererSettings | None = None,
        find_gpu: Callable[[], str] = str,
    ) -> None:
        self.settings = settings or RendererSettings()
        self._find_gpu = find_gpu
        self._engine: weakref.ref[Engine] | None = None
        self._anime_engine: weakref.ref[AnimeEngine] | None = None
        self._failed_device = ""
        self._lock = threading.Lock()

    def create(self, name: str = "auto", use_motion_cache: bool | None = None) -> Renderer:
        """Return a renderer; "auto" takes LivePortrait if its weights and a capable GPU are there, else the warp,
        and for each anime character its motion basis if the networks' weights are there.

        use_motion_cache: overrides the settings.

        If "auto" takes the warp although there is a GPU, the renderer's ``note`` is the reason; without a GPU it is
        only logged. Raises WeightsError or ModelError if "liveportrait" or "anime" cannot run, AnimatorError for an
        unknown name.
        """
        if name not in RENDERERS:
            raise AnimatorError(f"renderer {name!r} is unknown", f"choose one of {', '.join(RENDERERS)}")
        if name == "liveportrait":
            return self._liveportrait(False, use_motion_cache)
        if name == "anime":
            return self._anime()
        if name == "warp":
            return self._warp()
        return self._with_anime(self._usual(use_motion_cache))

    def _usual(self, use_motion_cache: bool | None) -> Renderer:
        """Return the renderer of characters that are not drawn, or not for the anime networks."""
        if not self._has_weights():
            return self._warp(self._note_without_weights())
        try:
            return self._liveportrait(True, use_motion_cache)
        except _NoGpu as exc:
            logger.info("%s", exc)
            note: AnimatorError | None = None
        except DeviceLostError:
            raise
        except ModelError as exc:
            note = exc.without_traceback()
        return self._warp(note)

    def _warp(self, note: AnimatorError | None = None) -> Renderer:
        with loading("numba"):
            from animator_core.warp.renderer import WarpRenderer

        if self._failed_device:
            from animator_core.liveportrait.execution.device_errors import release_memory

            # Only now: the error held the loaded networks.
            release_memory(self._failed_device)
            self._failed_device = ""
        return WarpRenderer(note=note)

    def _has_anime(self) -> bool:
        folder = self.settings.anime_dir
        return folder is not None and all((folder / model.name).is_file() for model in ANIME)

    def _anime(self) -> Renderer:
        self._require_anime()
        return self._with_anime(self._warp(), is_forced=True)

    def _require_anime(self) -> None:
        if not self._has_anime():
            raise WeightsError(
                f"the weights of the anime networks are not in {self.settings.anime_dir}",
                "run install.py to get them, or use the warp renderer",
            )

    def _with_anime(self, usual: Renderer, is_forced: bool = False) -> Renderer:
        from animator_core.anime.background import may_be_cut_out
        from animator_core.rendering.per_character import PerCharacterRenderer

        warp = usual if usual.name == "warp" else self._warp()
        return PerCharacterRenderer(
            usual,
            lambda: self._anime_renderer(is_forced),
            warp=warp,
            may_suit=may_be_cut_out if self._has_anime() else lambda character: False,
            is_forced=is_forced,
        )

    def _anime_renderer(self, is_forced: bool) -> AnimeRenderer:
        self._require_anime()
        with loading("torch"):
            from animator_core.anime.engine import AnimeEngine
            from animator_core.anime.renderer import AnimeRenderer
            from animator_core.liveportrait.execution.device import choose_device

        settings = self.settings
        with self._lock:
            engine = self._anime_engine() if self._anime_engine else None
            if engine is None:
                assert settings.anime_dir is not None
                choice = choose_device(settings.compute.device, False)
                cache_dir = settings.cache_dir if settings.use_feature_cache else None
                engine = AnimeEngine(settings.anime_dir, cache_dir, choice.device)
                self._anime_engine = weakref.ref(engine)
        return AnimeRenderer(engine, live_networks=settings.anime.live_networks, is_forced=is_forced)

    def _note_without_weights(self) -> AnimatorError | None:
        gpu = self._find_gpu()
        if not gpu:
            return None
        return WeightsError(
            f"{gpu} could animate by LivePortrait, but its weights are not in {self.settings.weights_dir}, so the warp "
            "renderer is used",
            "run install.py to get them, or choose warp",
        )

    def _has_weights(self) -> bool:
        folder = self.settings.weights_dir
        return folder is not None and any(path.suffix in (".pth", ".safetensors") for path in folder.glob("*"))

    def _liveportrait(self, must_be_capable: bool, use_motion_cache: bool | None) -> Renderer:
        settings = self.settings
        if not self._has_weights():
            raise WeightsError(
                f"the LivePortrait weights are not in {settings.weights_dir}",
                "run install.py to get them, or use the warp renderer",
            )
        with self._lock:
            engine = self._engine() if self._engine else None
            if engine is None:
                engine = self._loaded(must_be_capable)
                self._engine = weakref.ref(engine)
        return engine.make_renderer(settings.use_motion_cache if use_motion_cache is None else use_motion_cache)

    def _loaded(self, must_be_capable: bool) -> Engine:
        with loading("torch"):
            from animator_core.liveportrait.execution.backend import choose_backend, torch_instead

        choice = choose_backend(self.settings.compute)
        try:
            return self._engine_on(choice, must_be_capable)
        except (WeightsError, _NoGpu):
            raise
        except ModelError as exc:
            if choice.provider is None:
                raise
            logger.warning("%s", exc)
            return self._engine_on(torch_instead(exc, self.settings.compute), must_be_capable)

    def _engine_on(self, choice: DeviceChoice, must_be_capable: bool) -> Engine:
        from animator_core.liveportrait.engine import load_engine

        if must_be_capable and not choice.is_capable:
            if choice.note:
                raise choice.note.without_traceback()
            raise _NoGpu(
                "LivePortrait has no GPU here and takes seconds a frame on the CPU, so the warp renderer is used",
                "choose liveportrait to have it anyway",
            )
        settings = self.settings
        assert settings.weights_dir is not None
        try:
            return load_engine(
                settings.weights_dir,
                choice,
                settings.cache_dir,
                feature_dir=settings.cache_dir if settings.use_feature_cache else None,
                options=settings.options,
            )
        except ModelError:
            self._failed_device = choice.device
            raise

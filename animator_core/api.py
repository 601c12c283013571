"""The public face for programs: pictures and camera frames in, animated pictures out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from animator_core.animation.pipeline import CharacterPipeline
from animator_core.animation.reuse import RenderReuse
from animator_core.characters.character import Character
from animator_core.characters.library import CharacterLibrary
from animator_core.config import MODELS_DIR, ComputeConfig
from animator_core.errors import CharacterError
from animator_core.ipc.frame_ring import now_ns
from animator_core.liveportrait.source.optimizer import require_picture
from animator_core.motion.estimator import MotionEstimator
from animator_core.renderers import RendererSettings, RendererSource
from animator_core.tracking.build import create_tracker


class AIAnimator:
    """Animates prepared characters by the face in camera frames; used by one thread, also as a context manager.

    model_path: folder of the LivePortrait weights. renderer: auto, liveportrait or warp. device, fp16: as in
    assets/config.yaml. enable_optimizer: reuse pictures, motions and features. cache_dir: where features are kept.
    """

    def __init__(
        self,
        model_path: Path | str = MODELS_DIR / "liveportrait",
        renderer: str = "auto",
        device: str = "auto",
        fp16: bool = True,
        enable_optimizer: bool = True,
        cache_dir: Path | str | None = None,
    ) -> None:
        cache = Path(cache_dir) if cache_dir is not None else None
        settings = RendererSettings(
            weights_dir=Path(model_path),
            compute=ComputeConfig(device=device, fp16=fp16),
            cache_dir=cache,
            use_feature_cache=enable_optimizer,
            enable_optimizer=enable_optimizer,
        )
        self._library = CharacterLibrary(Path(), cache)
        self._characters: dict[str, Character] = {}
        self._renderer = RendererSource(settings).create(renderer)
        self._tracker = create_tracker(MODELS_DIR)
        self._pipeline = CharacterPipeline(MotionEstimator(), self._renderer, reuse=RenderReuse(enable_optimizer))
        self._shown = ""
        self._captured_ns = 0
        self._is_closed = False

    def preprocess_character(self, character_id: str, character: Path | str | Character) -> Character:
        """Prepare a picture file, or a character, under a name; raises CharacterError where it cannot be animated."""
        self._require_open()
        made = character if isinstance(character, Character) else self._library.load_file(Path(character))
        self._renderer.prepare(made)
        self._characters[character_id] = made
        return made

    def animate_frame(self, frame: np.ndarray, character_id: str | None = None) -> np.ndarray:
        """Return the character, the last one where None, as the person in ``frame`` looks.

        frame: (H, W, 3) uint8 RGB. (H, W, 4) uint8 BGRA comes back, premultiplied, see `Renderer.render`; a copy.
        Raises CharacterError for a character that is not prepared, AnimatorError for an array that is no picture.
        """
        self._require_open()
        require_picture(frame, "the frame")
        self._show(character_id or self._shown or next(iter(self._characters), ""))
        self._captured_ns = max(now_ns(), self._captured_ns + 1)
        observation = self._tracker.track(np.ascontiguousarray(frame), self._captured_ns)
        if observation is None:
            self._pipeline.estimator.face_lost(self._captured_ns)
        return self._pipeline.animate(observation, self._captured_ns, frame).picture.copy()

    def get_info(self) -> dict[str, Any]:
        """Return what runs where, and what was saved."""
        optimizer = getattr(self._renderer, "optimizer", None)
        reuse = self._pipeline.reuse.get_info()
        return {
            "renderer": self._renderer.name,
            "device": self._renderer.device,
            "note": str(self._renderer.note or ""),
            "characters": sorted(self._characters),
            "rendered": reuse.rendered,
            "reused": reuse.reused,
            "optimizer": optimizer.get_stats() if optimizer else {},
        }

    def close(self) -> None:
        """Free tracker, renderer and characters; may be called again."""
        if not self._is_closed:
            self._is_closed = True
            self._tracker.close()
            self._renderer.close()
            self._characters.clear()

    def __enter__(self) -> AIAnimator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _show(self, character_id: str) -> None:
        if character_id not in self._characters:
            raise CharacterError(f"no character {character_id!r} is prepared", "call preprocess_character first")
        if character_id != self._shown or self._pipeline.character is not self._characters[character_id]:
            self._pipeline.set_character(self._characters[character_id])
            self._shown = character_id

    def _require_open(self) -> None:
        if self._is_closed:
            raise CharacterError("the animator is closed", "make another")

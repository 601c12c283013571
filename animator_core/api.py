"""The Python API, documented in docs/API.md; the worker and the commands use the parts behind it directly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Callable

import cv2
import numpy as np
import torch

from animator_core.animation.pipeline import CharacterPipeline, RenderReuse
from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.characters.library import CharacterLibrary
from animator_core.config import MODELS_DIR, ComputeConfig
from animator_core.errors import AnimatorError, CharacterError
from animator_core.ipc.frame_ring import now_ns
from animator_core.liveportrait.model import PortraitModel, SourceFeatures, to_bytes, to_tensor
from animator_core.liveportrait.motion.crop import DRIVING_CROP_SIZE, crop_driving, driving_square
from animator_core.liveportrait.motion.face_motion import face_motion, ratio_tensors
from animator_core.liveportrait.motion.motion_cache import MotionCache
from animator_core.liveportrait.motion.transfer import MotionTransfer
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.renderer import LivePortraitRenderer
from animator_core.liveportrait.source.features import CharacterFeatures
from animator_core.liveportrait.source.preparation import FeaturePreparation, feature_key, unseen_features
from animator_core.lru import CacheStatistics, LruCache
from animator_core.renderers import RendererSettings, RendererSource
from animator_core.rendering.per_character import PerCharacterRenderer
from animator_core.tracking.observation import TrackedFrame
from animator_core.tracking.trackers import create_tracker

_FEATURE_BYTES = 100_000_000
"""22 characters in half precision, 11 in single."""


class AIAnimator:
    """Animates prepared characters by the face in camera frames; used by one thread, also as a context manager.

    model_path: folder of the LivePortrait weights. renderer: auto, liveportrait, anime or warp. device, fp16: as in
    assets/config.yaml. enable_optimizer: reuse pictures, motions and features. cache_dir: folder of kept features.
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
            use_motion_cache=enable_optimizer,
            anime_dir=MODELS_DIR / "anime",
        )
        self._library = CharacterLibrary(Path(), cache)
        self._characters: dict[str, Character] = {}
        self._renderer = RendererSource(settings).create(renderer)
        self._tracker = create_tracker(MODELS_DIR)
        self._pipeline = CharacterPipeline(reuse=RenderReuse(enable_optimizer))
        self._pipeline.use(self._renderer)
        self._shown = ""
        self._captured_ns = 0
        self._is_closed = False

    def preprocess_character(self, character_id: str, character: Path | str | Character) -> Character:
        """Prepare a picture file, or a character, under a name; raises CharacterError if it cannot be animated."""
        self._require_open()
        made = character if isinstance(character, Character) else self._library.load_file(Path(character))
        self._renderer.prepare(made)
        self._characters[character_id] = made
        return made

    def animate_frame(self, frame: UInt8Array, character_id: str | None = None) -> UInt8Array:
        """Return the character with the expression and pose of the face in ``frame``; None: the last character.

        frame: (H, W, 3) uint8 RGB. The result is (H, W, 4) uint8 BGRA, premultiplied, see `Renderer.draw`; a copy.
        Raises CharacterError for a character that is not prepared, AnimatorError for an array that is no picture.
        """
        self._require_open()
        _require_picture(frame, "the frame")
        self._show(character_id or self._shown or next(iter(self._characters), ""))
        self._captured_ns = max(now_ns(), self._captured_ns + 1)
        observation = self._tracker.track(np.ascontiguousarray(frame), self._captured_ns)
        return self._pipeline.animate(TrackedFrame(observation, frame), self._captured_ns).picture.copy()

    def get_info(self) -> dict[str, Any]:
        """Return renderer, device, characters, and the counts of reuse and caches (`InferenceOptimizer.get_stats`)."""
        reuse = self._pipeline.reuse.get_info()
        return {
            "renderer": self._renderer.name,
            "device": self._renderer.device,
            "note": str(self._renderer.note or ""),
            "characters": sorted(self._characters),
            "rendered": reuse.rendered,
            "reused": reuse.reused,
            "optimizer": self._cache_statistics(),
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

    def _cache_statistics(self) -> dict[str, float]:
        renderer = self._renderer.active if isinstance(self._renderer, PerCharacterRenderer) else self._renderer
        if self._is_closed or not isinstance(renderer, LivePortraitRenderer):
            return {}
        scenes = renderer.scenes
        return _statistics(renderer.motion_cache, scenes.statistics, scenes.preparation)

    def _require_open(self) -> None:
        if self._is_closed:
            raise CharacterError("the animator is closed", "make another")


class LivePortraitModel(PortraitModel):
    """LivePortrait's networks, with the original project's three methods; see `load` for how to make it."""

    @torch.inference_mode()
    def inference_with_features(
        self,
        source_features: SourceFeatures,
        driving_tensor: torch.Tensor,
        cached_motion: KeypointMotion | None = None,
        landmarks: FloatArray | None = None,
        neutral_motion: KeypointMotion | None = None,
    ) -> torch.Tensor:
        """Return the source with the driver's motion: (1, 3, 512, 512) float32 RGB in [0, 1].

        driving_tensor: (1, 3, 256, 256) RGB in [0, 1]; unused if ``cached_motion`` has its `extract_motion`.
        landmarks: (478, 2 or 3) of the driver in any unit, for retargeting. neutral_motion: the driver's motion is
        added relative to it; without one it replaces the source's own.
        """
        motion = cached_motion or self.extract_motion(driving_tensor)
        ratios = (None, None) if landmarks is None else ratio_tensors(landmarks)
        driving = face_motion(motion, *ratios).to("cpu")
        source = face_motion(source_features.motion).to("cpu")
        neutral = driving if neutral_motion is None else face_motion(neutral_motion).to("cpu")
        options = replace(self.options, is_relative=neutral_motion is not None)
        keypoints = MotionTransfer(source, self.retargeters, options).keypoints_driving(driving, neutral)
        return self.paint(source_features, keypoints).picture

    def inference(self, source_tensor: torch.Tensor, driving_tensor: torch.Tensor) -> torch.Tensor:
        """Return the same from two pictures, nothing precomputed; both (1, 3, 256, 256) RGB in [0, 1]."""
        return self.inference_with_features(self.extract_features(source_tensor), driving_tensor)

    def animate_optimized(
        self,
        source_features: SourceFeatures,
        driving_frame: UInt8Array,
        landmarks: FloatArray | None = None,
        cached_motion: KeypointMotion | None = None,
        neutral_motion: KeypointMotion | None = None,
    ) -> UInt8Array:
        """Return the face square with the driver's motion: (512, 512, 3) uint8 RGB.

        driving_frame: (H, W, 3) uint8 RGB. landmarks: (478, 2 or 3) pixels of the face in it; without them the frame
        is taken for the face's square. Other arguments: see `inference_with_features`.
        """
        driving = driving_tensor(driving_frame, landmarks)
        picture = self.inference_with_features(
            source_features, driving, cached_motion=cached_motion, landmarks=landmarks, neutral_motion=neutral_motion
        )
        return _first_picture(picture)


class InferenceOptimizer:
    """Keeps the features of characters, on the device and on disk, and the motions of faces.

    It takes any model. Only ``inference(source, driving)`` is needed; ``version``, ``extract_features(source)``,
    ``extract_motion(driving)`` and ``inference_with_features(features, driving, cached_motion=, landmarks=)`` are used
    if they are there. Of a model with ``inference`` only, whole pictures are kept.

    device: keeps the features ready. fp16: keep appearance features in half precision there. cache_dir: keeps features
    on disk, in its folder ``features``; None keeps none. enable_motion_cache: see `MotionCache`.
    """

    def __init__(
        self,
        device: str = "cpu",
        fp16: bool = False,
        cache_dir: Path | str | None = None,
        enable_motion_cache: bool = True,
    ) -> None:
        self._device = device
        self._is_half = fp16 and not device.startswith("cpu")
        self._preparation = FeaturePreparation(Path(cache_dir) if cache_dir is not None else None)
        self._features: LruCache[str, CharacterFeatures] = LruCache(_FEATURE_BYTES, lambda each: each.nbytes)
        self._motions: MotionCache[Any] | None = MotionCache() if enable_motion_cache else None

    def preprocess_character(
        self,
        character_id: str,
        character_image: UInt8Array | Character,
        model: Any,
        landmarks: FloatArray | None = None,
    ) -> CharacterFeatures:
        """Return a character's features on the device, computed only if neither memory nor disk has them.

        character_image: (H, W, 3 or 4) uint8 RGB(A), or a whole character. landmarks: (478, 2 or 3) of the face in
        it; without them the picture's middle square counts as the face's. Raises CharacterError for a picture that
        cannot be used, ModelError for a model whose features are not finite.
        """
        if isinstance(character_image, Character):
            picture, landmarks = character_image.picture, character_image.require_landmarks()
        else:
            picture = character_image
        _require_picture(picture, f"the picture of {character_id}", (3, 4))
        version = _version(model)

        def prepare() -> CharacterFeatures:
            if not hasattr(model, "extract_features"):
                return unseen_features(character_id, picture, landmarks).to(self._device)
            extractor = _Extractor(version, model.extract_features)
            features = self._preparation.features(extractor, character_id, picture, landmarks=landmarks)
            return self._in_precision(features).to(self._device)

        return self._features.get_or_make(
            feature_key(version, character_id, picture, landmarks=landmarks).digest, prepare
        )

    def optimize_inference(
        self, character_features: CharacterFeatures, driving_frame: UInt8Array, landmarks: FloatArray | None, model: Any
    ) -> UInt8Array:
        """Return the character's square with the driver's motion: (512, 512, 3) uint8 RGB, or of the model's own size.

        driving_frame: (H, W, 3) uint8 RGB. landmarks: (478, 2 or 3) pixels of the face in it; without them the frame
        is taken for the face's square, and no motion is reused.
        """
        _require_picture(driving_frame, "the driving frame")
        known = None if landmarks is None else driving_square(landmarks).places(landmarks)
        driving = driving_tensor(driving_frame, landmarks)
        if character_features.features is None or not hasattr(model, "inference_with_features"):
            scope = (character_features.character_id, _version(model))
            source = character_features.source_tensor
            # A copy: the caller may write to the result.
            picture = self._known(known, lambda: _first_picture(model.inference(source, driving)), scope)
            return np.array(picture, np.uint8)
        motion = None
        if hasattr(model, "extract_motion"):
            motion = self._known(known, lambda: model.extract_motion(driving))
        seen = character_features.features
        return _first_picture(model.inference_with_features(seen, driving, cached_motion=motion, landmarks=landmarks))

    def get_stats(self) -> dict[str, float]:
        """Return counts by name; ``cache_hit_rate``: share of faces, 0 to 1, whose motion was known."""
        return _statistics(self._motions, self._features.statistics, self._preparation)

    def clear_cache(self) -> None:
        """Forget all features, in memory and on disk, and all motions."""
        self._features.clear()
        if self._motions:
            self._motions.clear()
        if self._preparation.store:
            self._preparation.store.clear()

    def _known(self, landmarks: FloatArray | None, make: Callable[[], Any], scope: Any = None) -> Any:
        if self._motions is None or landmarks is None:
            return make()
        return self._motions.get_or_make(landmarks, make, scope)

    def _in_precision(self, features: CharacterFeatures) -> CharacterFeatures:
        if not self._is_half:
            return features
        half = features.seen.appearance_features.to(torch.float16)
        return replace(features, features=replace(features.seen, appearance_features=half))


@dataclass(frozen=True)
class _Extractor:
    """A model's `FeatureExtractor`."""

    version: str
    extract_features: Callable[[torch.Tensor], SourceFeatures]


def driving_tensor(frame: UInt8Array, landmarks: FloatArray | None = None) -> torch.Tensor:
    """Return a driving frame, (H, W, 3) uint8 RGB, as the motion extractor's input: (1, 3, 256, 256) in [0, 1]."""
    if landmarks is None:
        size = (DRIVING_CROP_SIZE, DRIVING_CROP_SIZE)
        return to_tensor(np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR), np.uint8))
    return to_tensor(crop_driving(frame, driving_square(landmarks)))


def _first_picture(pictures: torch.Tensor) -> UInt8Array:
    return np.asarray(to_bytes(pictures)[0])


def _version(model: Any) -> str:
    return str(getattr(model, "version", type(model).__name__))


def _require_picture(picture: UInt8Array, what: str, channels: tuple[int, ...] = (3,)) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in channels or not picture.size:
        counts = " or ".join(map(str, channels))
        raise AnimatorError(f"{what} is {picture.dtype} of shape {picture.shape}", f"give (H, W, {counts}) uint8 RGB")


def _statistics(
    motions: MotionCache[Any] | None, features: CacheStatistics, preparation: FeaturePreparation
) -> dict[str, float]:
    known = motions.statistics if motions else CacheStatistics()
    return {
        "cache_hit_rate": known.hit_rate,
        "motion_cache_hits": known.hits,
        "motion_cache_misses": known.misses,
        "motion_cache_entries": known.entries,
        "cached_characters": features.entries,
        "resident_bytes": features.size,
        "disk_bytes": preparation.store.nbytes if preparation.store else 0,
        "features_loaded": preparation.loaded,
        "features_computed": preparation.computed,
    }

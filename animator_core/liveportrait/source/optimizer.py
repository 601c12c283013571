"""What is computed once and used again: a character's features, and the motion of a face that looked the same before.

Works with any model. What it can use of one, all optional but the last: ``version``, ``extract_features(source)``,
``extract_motion(driving)``, ``inference_with_features(features, driving, cached_motion=, landmarks=)`` and
``inference(source, driving)``; a model that has only the last is given the same tensors, and its pictures are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from animator_core.characters.character import Character
from animator_core.errors import AnimatorError, CharacterError, ModelError
from animator_core.liveportrait.model import driving_tensor, to_bytes, to_tensor
from animator_core.liveportrait.motion.crop import driving_square
from animator_core.liveportrait.motion.motion_cache import MotionCache
from animator_core.liveportrait.source.features import CharacterFeatures, check_features
from animator_core.liveportrait.source.residency import FeatureResidency
from animator_core.liveportrait.source.square import source_square
from animator_core.liveportrait.source.store import FeatureKey, FeatureStore

_SQUARE_VERSION = "square-1"
"""Raised when `source_square` changes, so that older features are not used."""


class InferenceOptimizer:
    """Keeps features of characters (memory of the device, then disk) and motions of faces.

    device: where features are kept ready. fp16: keep appearance features in half precision there. cache_dir: the
    folder under which features are kept on disk; None keeps none. enable_motion_cache: see `MotionCache`.
    residency: features that are ready, where several optimizers share them.
    """

    def __init__(
        self,
        device: str = "cpu",
        fp16: bool = False,
        cache_dir: Path | str | None = None,
        enable_motion_cache: bool = True,
        residency: FeatureResidency | None = None,
    ) -> None:
        self.residency = residency or FeatureResidency(device)
        self._dtype = torch.float16 if fp16 and not device.startswith("cpu") else None
        self._store = FeatureStore(Path(cache_dir) / "features") if cache_dir is not None else None
        self._motions: MotionCache[Any] | None = MotionCache() if enable_motion_cache else None
        self._loaded = self._computed = 0

    def preprocess_character(
        self,
        character_id: str,
        character_image: np.ndarray | Character,
        model: Any,
        landmarks: np.ndarray | None = None,
    ) -> CharacterFeatures:
        """Return a character's features on the device, computed only where neither memory nor disk has them.

        character_image: (H, W, 3 or 4) uint8 RGB(A), or a whole character. landmarks: (478, 2 or 3) of the face in
        it; without them the picture's middle square is taken for the face's. Raises CharacterError for a picture that
        cannot be used, ModelError for a model that sees no numbers in it.
        """
        if isinstance(character_image, Character):
            character_image, landmarks = character_image.picture, character_image.landmarks
        require_picture(character_image, f"the picture of {character_id}", (3, 4))
        key = self._key(character_id, character_image, landmarks, model)
        name = f"{character_id}\0{key.digest}"
        features = self.residency.get(name)
        if features is not None:
            return features
        features = self._store.get(character_id, key) if self._store else None
        if features is not None:
            self._loaded += 1
        else:
            features = _computed(character_id, character_image, landmarks, model)
            self._computed += 1
            if self._store and features.features is not None:
                self._store.put(key, features)
        return self.residency.put(name, self._in_precision(features))

    def optimize_inference(
        self, character_features: CharacterFeatures, driving_frame: np.ndarray, landmarks: np.ndarray | None, model: Any
    ) -> np.ndarray:
        """Return the character's square as the driver looks: (512, 512, 3) uint8 RGB (or of the model's own size).

        driving_frame: (H, W, 3) uint8 RGB. landmarks: (478, 2 or 3) pixels of the face in it; None: the frame is the
        face's square, and nothing is known by which a motion could be recognised.
        """
        require_picture(driving_frame, "the driving frame")
        known = None if landmarks is None else driving_square(landmarks).places(landmarks)
        driving = driving_tensor(driving_frame, landmarks)
        can_keep = character_features.features is not None and hasattr(model, "inference_with_features")
        if not can_keep:
            return self._plain_inference(character_features, driving, known, model)
        motion = self.driving_motion(model, driving, known) if hasattr(model, "extract_motion") else None
        picture = model.inference_with_features(
            character_features.features, driving, cached_motion=motion, landmarks=landmarks
        )
        return np.asarray(to_bytes(picture)[0])

    def driving_motion(self, model: Any, driving: torch.Tensor, landmarks: np.ndarray | None) -> Any:
        """Return what the model's ``extract_motion`` sees in a driving square, or saw in nearly the same face before.

        driving: (1, 3, 256, 256) RGB in [0, 1]. landmarks: (478, 2 or 3) in sides of that square, None where unknown.
        """
        if self._motions is None or landmarks is None:
            return model.extract_motion(driving)
        motion = self._motions.get(landmarks)
        if motion is None:
            motion = model.extract_motion(driving)
            self._motions.put(landmarks, motion)
        return motion

    def get_stats(self) -> dict[str, float]:
        """Return the counts so far; ``cache_hit_rate``: share of faces, 0 to 1, whose motion was known."""
        resident = self.residency.get_stats()
        motions = self._motions.get_stats() if self._motions else None
        return {
            "cache_hit_rate": motions.hit_rate if motions else 0.0,
            "motion_cache_hits": motions.hits if motions else 0,
            "motion_cache_misses": motions.misses if motions else 0,
            "motion_cache_entries": motions.entries if motions else 0,
            "cached_characters": resident.characters,
            "resident_bytes": resident.nbytes,
            "disk_bytes": self._store.nbytes if self._store else 0,
            "features_loaded": self._loaded,
            "features_computed": self._computed,
        }

    def clear_cache(self) -> None:
        """Forget all features, in memory and on disk, and all motions."""
        self.residency.clear()
        self.forget_motions()
        if self._store:
            self._store.clear()

    def forget_motions(self) -> None:
        """Forget the motions: the driver or the light is another."""
        if self._motions:
            self._motions.clear()

    def _plain_inference(
        self, character: CharacterFeatures, driving: torch.Tensor, known: np.ndarray | None, model: Any
    ) -> np.ndarray:
        scope = (character.character_id, getattr(model, "version", type(model).__name__))
        if self._motions is not None and known is not None:
            picture = self._motions.get(known, scope)
            if picture is not None:
                return np.array(picture)
        picture = np.asarray(to_bytes(model.inference(character.source_tensor, driving))[0])
        if self._motions is not None and known is not None:
            self._motions.put(known, picture.copy(), scope)
        return picture

    def _key(self, character_id: str, image: np.ndarray, landmarks: np.ndarray | None, model: Any) -> FeatureKey:
        digest = hashlib.sha256(repr((character_id, image.shape)).encode())
        digest.update(np.ascontiguousarray(image))
        if landmarks is not None:
            digest.update(np.ascontiguousarray(landmarks, np.float32))
        version = str(getattr(model, "version", type(model).__name__))
        return FeatureKey(digest.hexdigest(), version, _SQUARE_VERSION)

    def _in_precision(self, features: CharacterFeatures) -> CharacterFeatures:
        if self._dtype is None or features.features is None:
            return features
        half = features.features.appearance_features.to(self._dtype)
        return replace(features, features=replace(features.features, appearance_features=half))


def require_picture(picture: np.ndarray, what: str, channels: tuple[int, ...] = (3,)) -> None:
    """Raise AnimatorError unless ``picture`` is (H, W, one of ``channels``) uint8."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in channels or not picture.size:
        counts = " or ".join(map(str, channels))
        raise AnimatorError(f"{what} is {picture.dtype} of shape {picture.shape}", f"give (H, W, {counts}) uint8 RGB")


def _computed(character_id: str, image: np.ndarray, landmarks: np.ndarray | None, model: Any) -> CharacterFeatures:
    if landmarks is None:
        landmarks_free = _middle_square(image)
        features = CharacterFeatures(character_id, (to_tensor(landmarks_free[0]) * 255).byte(), landmarks_free[1])
    else:
        features = CharacterFeatures.of(character_id, source_square(image, landmarks))
    if not hasattr(model, "extract_features"):
        return features
    features = replace(features, features=model.extract_features(features.source_tensor))
    try:
        check_features(features)
    except ValueError as exc:
        raise ModelError(
            f"what the model sees in {character_id} cannot be used ({exc})", "run install.py again"
        ) from exc
    return features


def _middle_square(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle square of a picture in 256 pixels, and what carries the picture into the 512 square."""
    import cv2

    height, width = image.shape[:2]
    side = min(height, width)
    if side < 64:
        raise CharacterError(f"the picture has {width}x{height} pixels", "use one of at least 64 on a side")
    left, top = (width - side) // 2, (height - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side, :3])
    scale = 512 / side
    transform = np.array([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1]])
    return cv2.resize(square, (256, 256), interpolation=cv2.INTER_AREA), transform

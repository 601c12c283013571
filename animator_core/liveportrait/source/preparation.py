"""Gets the features of a character: from disk if they are kept there, else from the networks."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.errors import ModelError
from animator_core.liveportrait.model import SourceFeatures
from animator_core.liveportrait.source.features import CharacterFeatures, check_features
from animator_core.liveportrait.source.square import middle_square, source_square
from animator_core.liveportrait.source.store import FeatureKey, FeatureStore

_SQUARE_VERSION = "square-1"
"""Raised when `source_square` changes, so that older features are not used."""


class FeatureExtractor(Protocol):
    """The part of a model that sees a source picture; version: differs if its features do."""

    @property
    def version(self) -> str: ...

    def extract_features(self, source_tensor: torch.Tensor, /) -> SourceFeatures: ...


class FeaturePreparation:
    """Loads or computes features, and counts both; cache_dir: has them in its folder ``features``, None keeps none."""

    def __init__(self, cache_dir: Path | None) -> None:
        self.store = FeatureStore(cache_dir / "features") if cache_dir is not None else None
        self.loaded = 0
        self.computed = 0

    def features(
        self, model: FeatureExtractor, name: str, picture: UInt8Array, *, landmarks: FloatArray | None
    ) -> CharacterFeatures:
        """Return the features of a picture, on the CPU or on the model's device.

        picture: (H, W, 3 or 4) uint8 RGB(A), straight alpha. landmarks: (478, 2 or 3) float32 in its pixels; without
        them the middle square counts as the face's. Raises CharacterError for a picture that cannot be used, ModelError
        for a model whose features are not finite.
        """
        key = feature_key(model.version, name, picture, landmarks=landmarks)
        features = self.store.get(name, key) if self.store else None
        if features is not None:
            self.loaded += 1
            return features
        features = _computed(unseen_features(name, picture, landmarks), model)
        self.computed += 1
        if self.store:
            self.store.put(key, features)
        return features


def feature_key(version: str, name: str, picture: UInt8Array, *, landmarks: FloatArray | None) -> FeatureKey:
    """Return the key of a picture's features; version: the model's. Other arguments: see `FeaturePreparation`."""
    digest = hashlib.sha256(repr((name, picture.shape)).encode())
    digest.update(np.ascontiguousarray(picture).data)
    if landmarks is not None:
        digest.update(np.ascontiguousarray(landmarks, np.float32).data)
    return FeatureKey(digest.hexdigest(), version, _SQUARE_VERSION)


def unseen_features(name: str, picture: UInt8Array, landmarks: FloatArray | None) -> CharacterFeatures:
    """Return the features that no network computes; raises CharacterError. Arguments: see `FeaturePreparation`."""
    square = middle_square(picture) if landmarks is None else source_square(picture, landmarks)
    return CharacterFeatures.of(name, square)


def _computed(unseen: CharacterFeatures, model: FeatureExtractor) -> CharacterFeatures:
    features = replace(unseen, features=model.extract_features(unseen.source_tensor))
    try:
        check_features(features)
    except ValueError as exc:
        problem = f"the features that the model finds in {unseen.character_id} cannot be used ({exc})"
        raise ModelError(problem, "run install.py again") from exc
    return features

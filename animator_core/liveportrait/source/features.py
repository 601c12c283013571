"""Everything of a character that does not depend on the driving frame, computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from animator_core.arrays import DoubleArray, FloatArray, UInt8Array
from animator_core.errors import CharacterError
from animator_core.liveportrait.model import SourceFeatures
from animator_core.liveportrait.motion.face_motion import FaceMotion, face_motion
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.source.square import CROP_SIDE, SourceSquare


@dataclass(frozen=True)
class CharacterFeatures:
    """A character as a model sees it.

    character_id: its name. source: (1, 3, 256, 256) uint8 RGB, the face's square over its background.
    features: the networks' output for it; None for a model that keeps nothing.
    alpha: (512, 512) uint8 matte of the square, None if every pixel is opaque; plain_colour: (3,) float32 RGB in
    [0, 1], the background behind a matte.
    crop_from_image: (3, 3) float64, pixels of the picture → pixels of the 512 square.
    eye_ratios: (2,) float32, the picture's own lid openings; lip_ratio: its lips' (`liveportrait.motion.retargeting`).
    """

    character_id: str
    source: torch.Tensor
    crop_from_image: DoubleArray
    features: SourceFeatures | None = None
    alpha: UInt8Array | None = None
    plain_colour: FloatArray | None = None
    eye_ratios: FloatArray | None = None
    lip_ratio: float = 0.0

    @classmethod
    def of(cls, character_id: str, square: SourceSquare) -> CharacterFeatures:
        """Return the features of a character that no network has seen yet."""
        return cls(
            character_id,
            torch.from_numpy(np.ascontiguousarray(square.source.transpose(2, 0, 1))[None]),
            np.asarray(square.crop_from_image, np.float64),
            alpha=square.alpha,
            plain_colour=square.plain_colour,
            eye_ratios=square.eye_ratios,
            lip_ratio=square.lip_ratio,
        )

    @property
    def source_tensor(self) -> torch.Tensor:
        """The networks' input: (1, 3, 256, 256) float32 RGB in [0, 1]."""
        return self.source.float() / 255.0

    @property
    def canonical_keypoints(self) -> torch.Tensor:
        """The face in no pose and without expression, (1, 21, 3)."""
        return self.seen.motion.canonical_keypoints

    @property
    def source_motion(self) -> KeypointMotion:
        """The pose and expression that the face has in the picture."""
        return self.seen.motion

    @property
    def seen(self) -> SourceFeatures:
        """The networks' output; raises CharacterError if there is none."""
        if self.features is None:
            problem = f"{self.character_id} was prepared by a model that keeps no features"
            raise CharacterError(problem, "use another")
        return self.features

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All tensors on the device, by name."""
        tensors = {"source": self.source}
        if self.features is not None:
            tensors["appearance_features"] = self.features.appearance_features
            tensors["keypoints_source"] = self.features.keypoints_source
            tensors |= {f"motion.{name}": getattr(self.features.motion, name) for name in _MOTION}
        return tensors

    @property
    def nbytes(self) -> int:
        """Memory of the device, in bytes."""
        return nbytes_of(self.tensors.values())

    @property
    def face_motion(self) -> FaceMotion:
        """The source's motion with its ratios, on the CPU, for `MotionTransfer`."""
        ratios = torch.zeros(1, 2) if self.eye_ratios is None else torch.from_numpy(self.eye_ratios)[None]
        return face_motion(self.source_motion, ratios, torch.tensor([[self.lip_ratio]])).to("cpu")

    def to(self, device: torch.device | str) -> CharacterFeatures:
        """Return the same features on ``device``."""
        moved = {name: tensor.to(device) for name, tensor in self.tensors.items()}
        return replace(self, source=moved["source"], features=_features(moved))


def nbytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Return the bytes that tensors take, memory that several of them share counted once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def to_tensors(features: CharacterFeatures) -> dict[str, torch.Tensor]:
    """Return everything but the name as tensors on the CPU, for a file."""
    # Copies: tensors that share memory with others cannot be written to a file.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in features.tensors.items()}
    tensors["crop_from_image"] = torch.from_numpy(np.array(features.crop_from_image, np.float64))
    tensors["lip_ratio"] = torch.tensor(features.lip_ratio, dtype=torch.float64)
    for name in _OPTIONAL:
        array = getattr(features, name)
        if array is not None:
            tensors[name] = torch.from_numpy(np.array(array))
    return tensors


def from_tensors(character_id: str, tensors: Mapping[str, torch.Tensor]) -> CharacterFeatures:
    """Return the features that `to_tensors` took apart; raises ValueError for missing, misshapen or infinite parts."""
    try:
        found = CharacterFeatures(
            character_id,
            tensors["source"],
            tensors["crop_from_image"].numpy(),
            features=_features(tensors),
            lip_ratio=float(tensors["lip_ratio"]),
            **{name: tensors[name].numpy() for name in _OPTIONAL if name in tensors},
        )
    except KeyError as exc:
        raise ValueError(f"{exc.args[0]} is missing") from exc
    check_features(found)
    return found


def check_features(features: CharacterFeatures) -> None:
    """Raise ValueError unless every part has its shape and holds finite numbers."""
    shapes = {"source": (1, 3, 256, 256), "appearance_features": (1, 32, 16, 64, 64), "keypoints_source": (1, 21, 3)}
    tensors = to_tensors(features)
    for name, tensor in tensors.items():
        if name in shapes and tuple(tensor.shape) != shapes[name]:
            raise ValueError(f"{name} has the shape {tuple(tensor.shape)}, expected {shapes[name]}")
        if not torch.isfinite(tensor.float()).all():
            raise ValueError(f"{name} is not finite")
    if (features.alpha is None) != (features.plain_colour is None):
        raise ValueError("of alpha and plain_colour only one is there")
    if features.alpha is not None and features.alpha.shape != (CROP_SIDE, CROP_SIDE):
        raise ValueError(f"alpha has the shape {features.alpha.shape}")
    if features.crop_from_image.shape != (3, 3) or abs(np.linalg.det(features.crop_from_image)) < 1e-12:
        raise ValueError("crop_from_image cannot be inverted")


_MOTION = tuple(field.name for field in fields(KeypointMotion))
_OPTIONAL = ("alpha", "plain_colour", "eye_ratios")


def _features(tensors: Mapping[str, torch.Tensor]) -> SourceFeatures | None:
    if "appearance_features" not in tensors:
        return None
    motion = KeypointMotion(**{name: tensors[f"motion.{name}"] for name in _MOTION})
    return SourceFeatures(tensors["appearance_features"], motion, tensors["keypoints_source"])

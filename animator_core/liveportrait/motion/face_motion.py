"""The motion of a face in LivePortrait's terms: of a source, a driving frame or a recorded template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Callable

import numpy as np
import torch

from animator_core.arrays import AnyArray, FloatArray
from animator_core.liveportrait.networks.keypoints import KeypointMotion, place_keypoints

# Upper and lower lid, the corners of that eye: the eye on the left of the picture, the one on the right; then the lips.
_RATIO_POINTS = {
    203: ((6, 18, 0, 12), (30, 42, 24, 36), (90, 102, 48, 66)),
    478: ((159, 145, 33, 133), (386, 374, 362, 263), (13, 14, 61, 291)),
}


@dataclass(frozen=True)
class FaceMotion:
    """The motion of N faces (frames of a clip, or one); all float32 on one device.

    rotation: (N, 3, 3), multiplied from the right. expression: (N, 21, 3). scale: (N, 1). translation: (N, 3).
    canonical_keypoints: (N, 21, 3), needed of a source. eye_ratios: (N, 2), how far the eye on the left of the picture
    and the one on the right are open, and lip_ratio: (N, 1), see `close_ratios`: needed to retarget eyes or lips.
    """

    rotation: torch.Tensor
    expression: torch.Tensor
    scale: torch.Tensor
    translation: torch.Tensor
    canonical_keypoints: torch.Tensor | None = None
    eye_ratios: torch.Tensor | None = None
    lip_ratio: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.rotation)

    @property
    def keypoints(self) -> torch.Tensor:
        """The keypoints in the crop, (N, 21, 3), of a motion with canonical keypoints."""
        if self.canonical_keypoints is None:
            raise ValueError("this motion has no canonical keypoints; only a source's motion is placed by itself")
        return place_keypoints(
            self.canonical_keypoints,
            self.rotation,
            expression=self.expression,
            scale=self.scale,
            translation=self.translation,
        )

    def frame(self, index: int) -> FaceMotion:
        """Return the motion of one frame, N = 1."""
        return self.frames(index, index + 1)

    def frames(self, start: int, end: int) -> FaceMotion:
        """Return the motion of the frames from ``start`` to before ``end``."""
        return self._map(lambda value: value[start:end])

    def to(self, device: torch.device | str) -> FaceMotion:
        """Return the motion on ``device``."""
        return self._map(lambda value: value.to(device))

    def median(self) -> FaceMotion:
        """Return the median of every number over the frames, N = 1; that of the rotations is no rotation."""
        return self._map(lambda value: value.median(0, keepdim=True).values)

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> FaceMotion:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(self, **{name: change(value) for name, value in values.items() if value is not None})


def face_motion(
    seen: KeypointMotion, eye_ratios: torch.Tensor | None = None, lip_ratio: torch.Tensor | None = None
) -> FaceMotion:
    """Return the motion extractor's output as a motion; eye_ratios: (N, 2), lip_ratio: (N, 1)."""
    device = seen.expression.device

    def here(value: torch.Tensor | None) -> torch.Tensor | None:
        return None if value is None else value.to(device, torch.float32)

    return FaceMotion(
        seen.rotation,
        expression=seen.expression,
        scale=seen.scale,
        translation=seen.translation,
        canonical_keypoints=seen.canonical_keypoints,
        eye_ratios=here(eye_ratios),
        lip_ratio=here(lip_ratio),
    )


def close_ratios(landmarks: AnyArray) -> tuple[float, float, float]:
    """Return how far left eye, right eye and lips are open, each by its width; left as in the picture.

    landmarks: (478, 2 or more) of MediaPipe, or (203, 2), in any unit; depth is not looked at.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    if len(points) not in _RATIO_POINTS:
        raise ValueError(f"{len(points)} landmarks have no known lids and lips; known are {sorted(_RATIO_POINTS)}")
    left, right, lips = (_ratio(points[list(indices)]) for indices in _RATIO_POINTS[len(points)])
    return left, right, lips


def ratio_tensors(landmarks: AnyArray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (eye_ratios (1, 2), lip_ratio (1, 1)) float32 of landmarks as `close_ratios` takes them."""
    left, right, lips = close_ratios(landmarks)
    return torch.tensor([[left, right]], dtype=torch.float32), torch.tensor([[lips]], dtype=torch.float32)


def _ratio(points: AnyArray) -> float:
    upper, lower, first, last = points
    return float(np.linalg.norm(upper - lower) / (np.linalg.norm(first - last) + 1e-6))


def motion_from_arrays(arrays: Mapping[str, FloatArray]) -> FaceMotion:
    """Return the motion of a recorded template's arrays, by the names of the fields."""
    return FaceMotion(**{name: torch.from_numpy(array.copy()) for name, array in arrays.items()})


def motion_to_arrays(motion: FaceMotion) -> dict[str, FloatArray]:
    """Return the arrays of a motion by the names of the fields, for a template."""
    values = {each.name: getattr(motion, each.name) for each in fields(motion)}
    return {name: value.cpu().numpy() for name, value in values.items() if value is not None}


def joined(motions: Sequence[FaceMotion]) -> FaceMotion:
    """Return one motion of all frames; a part that one of them lacks is left out."""

    def all_of(name: str) -> torch.Tensor | None:
        values = [getattr(motion, name) for motion in motions]
        return None if any(value is None for value in values) else torch.cat(values)

    return FaceMotion(**{each.name: all_of(each.name) for each in fields(FaceMotion)})  # type: ignore[arg-type]


def rotation_from_vector(vector: torch.Tensor) -> torch.Tensor:
    """Return the rotation (N, 3, 3), for column vectors, about each vector ((N, 3)) by its length in radians."""
    x, y, z = vector.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), 1).reshape(-1, 3, 3)
    # Rodrigues: R = 1 + sin a/a · K + (1 − cos a)/a² · K²; sinc(x) is sin πx / πx, and 1 − cos a = 2 sin² a/2.
    turns = (vector.norm(dim=1) / math.pi)[:, None, None]
    unit = torch.eye(3, dtype=vector.dtype, device=vector.device)
    return unit + torch.sinc(turns) * cross + 0.5 * torch.sinc(turns / 2) ** 2 * (cross @ cross)


def vector_from_rotation(rotation: torch.Tensor) -> torch.Tensor:
    """Return the rotation vector (N, 3) in radians of rotations of less than half a turn, (N, 3, 3)."""
    difference = rotation - rotation.transpose(1, 2)
    skew = torch.stack((difference[:, 2, 1], difference[:, 0, 2], difference[:, 1, 0]), 1)
    # |skew| = 2 sin, trace = 1 + 2 cos
    sine = skew.norm(dim=1, keepdim=True) / 2
    cosine = (rotation.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) - 1) / 2
    angle = torch.atan2(sine, cosine)
    return skew * torch.where(sine > 1e-7, angle / (2 * sine.clamp(min=1e-7)), torch.full_like(sine, 0.5))

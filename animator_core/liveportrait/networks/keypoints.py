"""From the motion extractor's outputs to keypoints: pose angles, rotation matrix, keypoint transform."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch

KEYPOINT_COUNT = 21
POSE_BINS = 66
_BIN_DEGREES = 3.0
_FIRST_BIN_DEGREES = -97.5


@dataclass(frozen=True)
class KeypointMotion:
    """The motion of a batch of faces, as extracted; all float32, B the batch.

    pitch, yaw, roll: (B,) degrees. translation: (B, 3). expression: (B, 21, 3), added to the rotated canonical
    keypoints. scale: (B, 1). canonical_keypoints: (B, 21, 3), the face in the neutral pose without expression.
    Coordinates: x right, y down, z away from the viewer, -1 to 1 over the 256-pixel crop.
    """

    pitch: torch.Tensor
    yaw: torch.Tensor
    roll: torch.Tensor
    translation: torch.Tensor
    expression: torch.Tensor
    scale: torch.Tensor
    canonical_keypoints: torch.Tensor

    @property
    def rotation(self) -> torch.Tensor:
        """The head's rotation, (B, 3, 3), for row vectors: canonical_keypoints @ rotation."""
        return rotation_matrix(self.pitch, self.yaw, self.roll)

    @property
    def packed(self) -> torch.Tensor:
        """All fields in one tensor, (B, 133), for one copy between devices instead of seven; see `unpacked`."""
        angles = torch.stack((self.pitch, self.yaw, self.roll), 1)
        points = (self.translation, self.expression.flatten(1), self.scale, self.canonical_keypoints.flatten(1))
        return torch.cat((angles, *points), 1)

    def frame(self, index: int) -> KeypointMotion:
        """Return the motion of one face of the batch, B = 1."""
        return KeypointMotion(**{each.name: getattr(self, each.name)[index : index + 1] for each in fields(self)})


def unpacked(values: torch.Tensor) -> KeypointMotion:
    """Return the motion of `KeypointMotion.packed`."""
    sizes = (1, 1, 1, 3, 3 * KEYPOINT_COUNT, 1, 3 * KEYPOINT_COUNT)
    pitch, yaw, roll, translation, expression, scale, canonical = values.split(sizes, 1)
    shape = (-1, KEYPOINT_COUNT, 3)
    return KeypointMotion(
        pitch=pitch[:, 0],
        yaw=yaw[:, 0],
        roll=roll[:, 0],
        translation=translation,
        expression=expression.reshape(shape),
        scale=scale,
        canonical_keypoints=canonical.reshape(shape),
    )


def degrees_from_bins(logits: torch.Tensor) -> torch.Tensor:
    """Return the expected angle in degrees, (B,) float32, of (B, 66) logits over 3° bins."""
    bins = torch.arange(POSE_BINS, dtype=torch.float32, device=logits.device)
    return (logits.float().softmax(1) * bins).sum(1) * _BIN_DEGREES + _FIRST_BIN_DEGREES


def rotation_matrix(pitch: torch.Tensor, yaw: torch.Tensor, roll: torch.Tensor) -> torch.Tensor:
    """Return the rotation (B, 3, 3) of angles in degrees, each (B,) or (B, 1), for row vectors: x @ R."""
    x, y, z = (angle.reshape(-1) * (math.pi / 180) for angle in (pitch, yaw, roll))
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    rotation_x = _matrix([one, zero, zero], [zero, x.cos(), -x.sin()], [zero, x.sin(), x.cos()])
    rotation_y = _matrix([y.cos(), zero, y.sin()], [zero, one, zero], [-y.sin(), zero, y.cos()])
    rotation_z = _matrix([z.cos(), -z.sin(), zero], [z.sin(), z.cos(), zero], [zero, zero, one])
    # R = (Rz Ry Rx)^T
    return (rotation_z @ rotation_y @ rotation_x).transpose(1, 2)


def _matrix(*rows: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([entry for row in rows for entry in row], 1).reshape(-1, 3, 3)


def transform_keypoints(motion: KeypointMotion) -> torch.Tensor:
    """Return the keypoints in the crop, (B, 21, 3) float32: rotated, with expression, scaled, translated."""
    return place_keypoints(
        canonical_keypoints=motion.canonical_keypoints,
        rotation=motion.rotation,
        expression=motion.expression,
        scale=motion.scale,
        translation=motion.translation,
    )


def place_keypoints(
    canonical_keypoints: torch.Tensor,
    rotation: torch.Tensor,
    expression: torch.Tensor,
    scale: torch.Tensor,
    translation: torch.Tensor,
) -> torch.Tensor:
    """Return the keypoints in the crop, (N, 21, 3), shapes as in `FaceMotion`; N may be 1 in any of them."""
    # x = s · (x_c R + δ) + t, with t_z left out
    placed = scale[:, :, None] * (canonical_keypoints @ rotation + expression)
    moved = placed[..., :2] + translation[:, None, :2]
    return torch.cat((moved, placed[..., 2:].expand(len(moved), -1, -1)), 2)

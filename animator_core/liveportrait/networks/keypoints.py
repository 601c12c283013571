"""From the motion extractor's numbers to keypoints: angles, rotation, and what moves where."""

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
    """What the motion extractor sees in a batch of faces; all float32, B the batch.

    pitch, yaw, roll: (B,) degrees. translation: (B, 3). expression: (B, 21, 3), added to the turned canonical
    keypoints. scale: (B, 1). canonical_keypoints: (B, 21, 3), the face in no pose and without expression.
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
        """The head's rotation, (B, 3, 3), to be multiplied from the right: canonical_keypoints @ rotation."""
        return rotation_matrix(self.pitch, self.yaw, self.roll)

    @property
    def packed(self) -> torch.Tensor:
        """All of it in one tensor, (B, 133): one copy between devices in place of seven; see `unpacked`."""
        angles = torch.stack((self.pitch, self.yaw, self.roll), 1)
        points = (self.translation, self.expression.flatten(1), self.scale, self.canonical_keypoints.flatten(1))
        return torch.cat((angles, *points), 1)

    def frame(self, index: int) -> KeypointMotion:
        """Return the motion of one face of the batch, B = 1."""
        return KeypointMotion(**{each.name: getattr(self, each.name)[index : index + 1] for each in fields(self)})


def unpacked(values: torch.Tensor) -> KeypointMotion:
    """Return the motion that was ``packed``."""
    sizes = (1, 1, 1, 3, 3 * KEYPOINT_COUNT, 1, 3 * KEYPOINT_COUNT)
    pitch, yaw, roll, translation, expression, scale, canonical = values.split(sizes, 1)
    shape = (-1, KEYPOINT_COUNT, 3)
    return KeypointMotion(
        pitch[:, 0], yaw[:, 0], roll[:, 0], translation, expression.reshape(shape), scale, canonical.reshape(shape)
    )


def degrees_from_bins(logits: torch.Tensor) -> torch.Tensor:
    """Return the expected angle in degrees, (B,) float32, of (B, 66) logits over bins of three degrees."""
    bins = torch.arange(POSE_BINS, dtype=torch.float32, device=logits.device)
    return (logits.float().softmax(1) * bins).sum(1) * _BIN_DEGREES + _FIRST_BIN_DEGREES


def rotation_matrix(pitch: torch.Tensor, yaw: torch.Tensor, roll: torch.Tensor) -> torch.Tensor:
    """Return the rotation (B, 3, 3) of angles in degrees, each (B,) or (B, 1), for row vectors: x @ R."""
    x, y, z = (angle.reshape(-1) * (math.pi / 180) for angle in (pitch, yaw, roll))
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    turn_x = _stack(one, zero, zero, zero, x.cos(), -x.sin(), zero, x.sin(), x.cos())
    turn_y = _stack(y.cos(), zero, y.sin(), zero, one, zero, -y.sin(), zero, y.cos())
    turn_z = _stack(z.cos(), -z.sin(), zero, z.sin(), z.cos(), zero, zero, zero, one)
    # R = (Rz Ry Rx)^T
    return (turn_z @ turn_y @ turn_x).transpose(1, 2)


def _stack(*entries: torch.Tensor) -> torch.Tensor:
    return torch.stack(entries, 1).reshape(-1, 3, 3)


def transform_keypoints(motion: KeypointMotion) -> torch.Tensor:
    """Return the keypoints in the image, (B, 21, 3) float32: turned, with expression, scaled and moved."""
    return place_keypoints(
        motion.canonical_keypoints, motion.rotation, motion.expression, motion.scale, motion.translation
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

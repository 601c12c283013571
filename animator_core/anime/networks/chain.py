"""The five networks as one: a picture and 45 parameters in, the change of every part out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.anime import parameters
from animator_core.anime.networks.eyebrows import EyebrowDecomposer, EyebrowMorphingCombiner
from animator_core.anime.networks.face import FaceChange, FaceMorpher
from animator_core.anime.networks.layers import sample
from animator_core.anime.networks.rotation import BodyChange, Editor, Rotator

SIDE = 512
BROWS = slice(64, 192), slice(192, 320)
"""Rows and columns of the picture that the brow networks see."""
FACE = slice(32, 224), slice(160, 352)
"""Rows and columns that the face network sees; the brows lie in its middle."""
_BROWS_IN_FACE = slice(32, 160), slice(32, 160)


@dataclass(frozen=True)
class Layers:
    """The brows of a character apart from the skin below them; computed once. Each (1, 4, 128, 128)."""

    background: torch.Tensor
    brows: torch.Tensor


class AnimeNetworks(nn.Module):
    """The published chain, each step callable on its own. All pictures as in `anime.networks`."""

    def __init__(self) -> None:
        super().__init__()
        self.eyebrow_decomposer = EyebrowDecomposer()
        self.eyebrow_morphing_combiner = EyebrowMorphingCombiner()
        self.face_morpher = FaceMorpher()
        self.two_algo_face_body_rotator = Rotator()
        self.editor = Editor()

    def decompose(self, picture: torch.Tensor) -> Layers:
        """Return the brows of a character; picture: (1, 4, 512, 512)."""
        return Layers(*self.eyebrow_decomposer(picture[:, :, BROWS[0], BROWS[1]]))

    def move_brows(self, picture: torch.Tensor, layers: Layers, pose: torch.Tensor) -> torch.Tensor:
        """Return the face with moved brows, (N, 4, 192, 192); pose: (N, 45)."""
        count = len(pose)
        background, brows = (each.expand(count, -1, -1, -1) for each in (layers.background, layers.brows))
        face = picture[:, :, FACE[0], FACE[1]].expand(count, -1, -1, -1).clone()
        moved = self.eyebrow_morphing_combiner(background, brows, pose[:, parameters.EYEBROW_PART])
        face[:, :, _BROWS_IN_FACE[0], _BROWS_IN_FACE[1]] = moved
        return face

    def change_face(self, face: torch.Tensor, pose: torch.Tensor) -> FaceChange:
        """Return the change of eyes, irises and mouth; face: of `move_brows`; pose: (N, 45)."""
        change: FaceChange = self.face_morpher(face, pose[:, parameters.FACE_PART])
        return change

    def with_expression(self, picture: torch.Tensor, layers: Layers, pose: torch.Tensor) -> torch.Tensor:
        """Return the whole picture with the expression, (N, 4, 512, 512); pose: (N, 45)."""
        face = self.move_brows(picture, layers, pose)
        whole = picture.expand(len(pose), -1, -1, -1).clone()
        whole[:, :, FACE[0], FACE[1]] = self.change_face(face, pose).apply(face)
        return whole

    def change_body(self, picture: torch.Tensor, pose: torch.Tensor) -> BodyChange:
        """Return the change of head and body; picture: (N, 4, 512, 512), with the expression; pose: (N, 45)."""
        body = pose[:, parameters.BODY_PART]
        half = _resized(picture, SIDE // 2)
        flow = self.two_algo_face_body_rotator(half, body)
        turned = _resized(sample(half, flow), SIDE)
        change: BodyChange = self.editor(picture, turned, _resized(flow, SIDE), body)
        return change

    def forward(self, picture: torch.Tensor, layers: Layers, pose: torch.Tensor) -> torch.Tensor:
        """Return the character in ``pose``, (N, 4, 512, 512); picture: (1, 4, 512, 512); pose: (N, 45)."""
        whole = self.with_expression(picture, layers, pose)
        return self.change_body(whole, pose).apply(whole)


def _resized(values: torch.Tensor, side: int) -> torch.Tensor:
    return F.interpolate(values, size=(side, side), mode="bilinear", align_corners=False)

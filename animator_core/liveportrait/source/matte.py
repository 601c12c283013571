"""A clean moving edge for characters with a transparent background, which LivePortrait itself does not know.

The networks see the character over one plain colour that its edge does not have. Two estimates give the alpha of the
generated square: the picture's own matte, warped by the deformation that warped the features, and the share of the
plain colour in each pixel near that edge. The first is exact to 0.1 levels if the generator follows the deformation,
the second to 3 to 6 levels in any case: the first is used as long as both agree, the second otherwise.
docs/measurements has a comparison with the alternatives.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from animator_core.arrays import FloatArray, UInt8Array

_EDGE_PIXELS = 9
"""Distance from the warped matte's edge, in pixels of the 512 square, within which the real edge is looked for."""
_AGREE, _DIFFER = 0.05, 0.12
_LEAST_CONTRAST, _ENOUGH_CONTRAST = 0.15, 0.40
_SMALLEST_COVER = 0.05
_NEIGHBOURHOOD = 41


class MovingMatte:
    """The matte of one character's square; alpha: (512, 512) uint8, colour: (3,) RGB in [0, 1], the background."""

    def __init__(self, alpha: UInt8Array, colour: FloatArray, device: torch.device | str) -> None:
        self._alpha = torch.from_numpy(np.array(alpha, np.uint8)).to(device)[None, None]
        self._colour = torch.from_numpy(np.asarray(colour, np.float32)).to(device).reshape(1, 3, 1, 1)

    @property
    def nbytes(self) -> int:
        """Memory of the device, in bytes."""
        return self._alpha.numel()

    def cut(self, picture: torch.Tensor, deformation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the painted character without its background: straight colour (1, 3, S, S), alpha (1, 1, S, S).

        picture: (1, 3, S, S) RGB in [0, 1]. deformation: (1, D, H, W, 3), see `liveportrait.warping.Warping`.
        """
        moved = self.moved(deformation)
        alpha = self._refined(picture, moved)
        # C = (I − (1 − α) B) / α
        colour = (picture - (1 - alpha) * self._colour) / alpha.clamp(min=_SMALLEST_COVER)
        return colour.clamp(0, 1), alpha

    def moved(self, deformation: torch.Tensor) -> torch.Tensor:
        """Return the matte warped by the deformation, (1, 1, S, S) in [0, 1]; see `cut`."""
        # The silhouette has no one depth: the mean over all of them.
        flat = deformation.float()[..., :2].mean(1)
        # The volume's places are counted from its first voxel to its last, the matte's from edge to edge.
        shift = flat - _places(flat.shape[1], step=2.0 / (flat.shape[1] - 1), first=-1.0, device=flat.device)
        side = self._alpha.shape[-1]
        fine = F.interpolate(shift.permute(0, 3, 1, 2), size=(side, side), mode="bilinear", align_corners=False)
        places = _places(side, step=2.0 / side, first=1.0 / side - 1.0, device=flat.device) + fine.permute(0, 2, 3, 1)
        alpha = self._alpha.float() / 255.0
        return F.grid_sample(alpha, places, mode="bilinear", padding_mode="border", align_corners=False)

    def _refined(self, picture: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
        least, most = -_widest(-moved), _widest(moved)
        inside = (least > 0.98).float()
        difference = _spread(picture, inside) - self._colour
        squared = (difference * difference).sum(1, keepdim=True)
        # α = (I − B)·(F − B) / |F − B|²
        seen = ((picture - self._colour) * difference).sum(1, keepdim=True) / squared.clamp(min=1e-4)
        contrast = (squared.sqrt() - _LEAST_CONTRAST) / (_ENOUGH_CONTRAST - _LEAST_CONTRAST)
        seen = torch.lerp(moved, seen.clamp(0, 1), contrast.clamp(0, 1))
        seen = torch.minimum(torch.maximum(seen, least), most)
        band = (most - least > 0.1).float()
        disagreement = _mean((seen - moved).abs() * band) / _mean(band).clamp(min=1e-3)
        share = ((disagreement - _AGREE) / (_DIFFER - _AGREE)).clamp(0, 1)
        return torch.lerp(moved, seen, share)


def _places(side: int, step: float, first: float, device: torch.device) -> torch.Tensor:
    """Return the places (x, y) of a square's pixels, (1, side, side, 2) float32."""
    along = torch.arange(side, device=device, dtype=torch.float32) * step + first
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack((x, y), -1)[None]


def _widest(values: torch.Tensor) -> torch.Tensor:
    size = 2 * _EDGE_PIXELS + 1
    rows = F.max_pool2d(values, (size, 1), stride=1, padding=(_EDGE_PIXELS, 0))
    return F.max_pool2d(rows, (1, size), stride=1, padding=(0, _EDGE_PIXELS))


def _mean(values: torch.Tensor) -> torch.Tensor:
    padding = _NEIGHBOURHOOD // 2
    rows = F.avg_pool2d(values, (_NEIGHBOURHOOD, 1), stride=1, padding=(padding, 0))
    return F.avg_pool2d(rows, (1, _NEIGHBOURHOOD), stride=1, padding=(0, padding))


def _spread(picture: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Return the picture with everything outside of ``inside`` filled from the nearest colours (a pyramid of means)."""
    levels = [torch.cat((picture * inside, inside), 1)]
    while levels[-1].shape[-1] > 8:
        levels.append(F.avg_pool2d(levels[-1], 2))
    filled = levels[-1][:, :3] / levels[-1][:, 3:].clamp(min=1e-4)
    for level in reversed(levels[:-1]):
        coarse = F.interpolate(filled, size=level.shape[-2:], mode="bilinear", align_corners=False)
        weight = level[:, 3:]
        filled = torch.where(weight > 0.02, level[:, :3] / weight.clamp(min=1e-4), coarse)
    return filled

"""Puts a generated face square back into the whole picture, on the device where it was generated."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from animator_core.liveportrait.cropping import feather_mask
from animator_core.render.texture import premultiplied_bgra


class PasteBack:
    """One character's picture, of any size, and where the square lies in it.

    picture: (H, W, 4) uint8 RGBA, straight alpha. crop_from_image: (3, 3), pixels of the picture → of the square.
    square_side: pixels a side of what is pasted. Only the part of the picture under the square is computed.
    """

    def __init__(
        self, picture: np.ndarray, crop_from_image: np.ndarray, device: torch.device | str, square_side: int = 512
    ) -> None:
        self._frame = premultiplied_bgra(picture)
        height, width = picture.shape[:2]
        left, top, right, bottom = _covered(np.asarray(crop_from_image, np.float64), width, height, square_side)
        self._rows, self._columns = slice(top, bottom), slice(left, right)
        self.is_outside = left >= right or top >= bottom
        self.nbytes = 0
        """How much memory of the device it takes."""
        if self.is_outside:
            return
        self._grid = _grid(crop_from_image, (left, top, right, bottom), square_side).to(device)
        mask = torch.from_numpy(feather_mask(square_side)).to(device)[None, None].float()
        # Whole levels of the mask, as officially.
        self._mask = self._sample(mask).round() / 255.0
        under = torch.from_numpy(picture[self._rows, self._columns].copy()).to(device)
        rgba = under.permute(2, 0, 1)[None].float()
        alpha = rgba[:, 3:] / 255.0
        self._has_alpha = bool((rgba[:, 3] < 255).any())
        # (1 − m) · C α, and (1 − m) · α
        self._under = (1 - self._mask) * rgba[:, :3] * alpha
        self._under_alpha = (1 - self._mask) * alpha
        kept = (self._grid, self._mask, self._under, self._under_alpha)
        self.nbytes = sum(tensor.numel() * tensor.element_size() for tensor in kept)

    def paste(self, square: torch.Tensor, alpha: torch.Tensor | None = None) -> np.ndarray:
        """Return the picture with ``square`` in it: (H, W, 4) uint8 BGRA, premultiplied in linear light; reused.

        square: (1, 3, S, S) RGB in [0, 1], straight. alpha: (1, 1, S, S) in [0, 1]; None is opaque.
        """
        if self.is_outside:
            return self._frame
        square = square.float() * 255.0
        if alpha is None and not self._has_alpha:
            pasted = self._mask * self._sample(square) + self._under
            self._frame[self._rows, self._columns, :3] = _pixels(pasted.flip(1))
            return self._frame
        alpha = torch.ones_like(square[:, :1]) if alpha is None else alpha.float()
        # Colour and alpha are resampled together, so that nothing shows what a transparent pixel hides.
        moved = self._sample(torch.cat((square * alpha, alpha), 1))
        colour = self._mask * moved[:, :3] + self._under
        cover = self._mask * moved[:, 3:] + self._under_alpha
        self._frame[self._rows, self._columns] = _pixels(_premultiplied_in_light(colour.flip(1), cover))
        return self._frame

    def _sample(self, square: torch.Tensor) -> torch.Tensor:
        return F.grid_sample(square, self._grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def _covered(crop_from_image: np.ndarray, width: int, height: int, side: int) -> tuple[int, int, int, int]:
    """Return the part (left, top, right, bottom) of the picture in which the square has its corners."""
    corners = np.array([(0, 0, 1), (side - 1, 0, 1), (side - 1, side - 1, 1), (0, side - 1, 1)], np.float64)
    places = corners @ np.linalg.inv(crop_from_image).T
    low, high = np.floor(places[:, :2].min(0)), np.ceil(places[:, :2].max(0)) + 1
    left, top = np.clip(low, 0, (width, height)).astype(int)
    right, bottom = np.clip(high, 0, (width, height)).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _grid(crop_from_image: np.ndarray, part: tuple[int, int, int, int], side: int) -> torch.Tensor:
    """Return where each pixel of the part lies in the square: (1, h, w, 2) float32 in [-1, 1]."""
    left, top, right, bottom = part
    x, y = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
    places = np.stack([x, y, np.ones_like(x)], -1) @ np.asarray(crop_from_image, np.float64).T
    return torch.from_numpy((places[..., :2] * (2.0 / (side - 1)) - 1.0).astype(np.float32))[None]


def _premultiplied_in_light(colour: torch.Tensor, cover: torch.Tensor) -> torch.Tensor:
    """Return (1, 4, h, w) in 0..255: colour is (1, 3, h, w) in 0..255 times the cover in [0, 1], both sRGB-encoded."""
    straight = (colour / cover.clamp(min=1e-4)).clamp(0, 255) / 255.0
    light = torch.where(straight <= 0.04045, straight / 12.92, ((straight + 0.055) / 1.055) ** 2.4) * cover
    encoded = torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=1e-9) ** (1 / 2.4) - 0.055)
    is_opaque = cover >= 1 - 1e-3
    shown = torch.where(is_opaque, straight * 255.0, (encoded * 255.0).round())
    return torch.cat((shown, (cover * 255.0).round()), 1)


def _pixels(values: torch.Tensor) -> np.ndarray:
    """Return (1, C, h, w) in 0..255 as (h, w, C) uint8, cut off, not rounded, as officially."""
    # A hundredth of a level covers what float32 loses on the way there and back.
    return (values[0] + 0.01).clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()

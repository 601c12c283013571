"""Puts a generated face square back into the whole picture, with a clean edge, on the device that generated it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.rendering.srgb import premultiplied_bgra

_STRIP_PIXELS = 1 << 20
"""Computed at once: bounds what large pictures take for a moment, some 60 bytes a pixel."""
_FEATHER = 16
_EDGE_PIXELS = 9
"""Distance from the warped matte's edge, in pixels of the 512 square, within which the real edge is looked for."""
_AGREE, _DIFFER = 0.05, 0.12
_LEAST_CONTRAST, _ENOUGH_CONTRAST = 0.15, 0.40
_SMALLEST_COVER = 0.05
_NEIGHBOURHOOD = 41


class PasteBack:
    """One character's picture, of any size, and the square's place in it; shared by all who draw the character.

    picture: (H, W, 4) uint8 RGBA, straight alpha. crop_from_image: (3, 3), pixels of the picture → of the square.
    square_side: pixels a side of the pasted square. Only the part of the picture under the square is computed, and only
    that part is kept on the device, 5 bytes a pixel.
    """

    def __init__(
        self, picture: UInt8Array, crop_from_image: DoubleArray, device: torch.device | str, square_side: int = 512
    ) -> None:
        self._still = premultiplied_bgra(picture)
        height, width = picture.shape[:2]
        left, top, right, bottom = _covered(np.asarray(crop_from_image, np.float64), (width, height), square_side)
        self._rows, self._columns = slice(top, bottom), slice(left, right)
        self.is_outside = left >= right or top >= bottom
        self.nbytes = 0
        """Memory of the device, in bytes."""
        if self.is_outside:
            return
        self._along_x, self._along_y = (
            places.to(device) for places in _places(crop_from_image, (left, top, right, bottom), square_side)
        )
        self._under = torch.from_numpy(picture[self._rows, self._columns].copy()).to(device)
        self._has_alpha = bool((self._under[..., 3] < 255).any())
        mask = torch.from_numpy(feather_mask(square_side)).to(device)[None, None].float()
        # Whole levels of the mask, as officially.
        strips = [self._sample(mask, rows)[0, 0].round().to(torch.uint8) for rows in self._strips()]
        self._mask = torch.cat(strips)
        kept = (self._along_x, self._along_y, self._under, self._mask)
        self._buffers = _PinnedBuffers()
        self.nbytes = sum(tensor.numel() * tensor.element_size() for tensor in kept)

    def new_frame(self) -> UInt8Array:
        """Return the still picture, for `PastedPart.put_into`: (H, W, 4) uint8 BGRA, premultiplied in linear light."""
        return self._still.copy()

    def start(self, square: torch.Tensor, alpha: torch.Tensor | None) -> PastedPart:
        """Have the device compute the part under ``square`` and send it; a GPU does so while the caller goes on.

        square: (1, 3, S, S) RGB in [0, 1], straight. alpha: (1, 1, S, S) in [0, 1]; None is opaque.
        """
        if self.is_outside:
            return PastedPart(self, None, None)
        # One block of bytes on its way, in place of rows with gaps.
        pixels = torch.empty_like(self._under)
        square = square.float() * 255.0
        if alpha is None and not self._has_alpha:
            pixels[..., 3] = 255
            for rows in self._strips():
                pixels[rows, :, :3] = self._opaque(square, rows)
        else:
            alpha = torch.ones_like(square[:, :1]) if alpha is None else alpha.float()
            # Colour and alpha are resampled together, so that the colour of transparent pixels does not bleed in.
            premultiplied = torch.cat((square * alpha, alpha), 1)
            for rows in self._strips():
                pixels[rows] = self._transparent(premultiplied, rows)
        if pixels.device.type != "cuda":
            return PastedPart(self, pixels.cpu(), None)
        return self._sent(pixels)

    def _sent(self, pixels: torch.Tensor) -> PastedPart:
        # An event is recorded on a stream of the present device, which need not be the one that sends.
        with torch.cuda.device(pixels.device):
            arriving = self._buffers.take(pixels)
            arriving.copy_(pixels, non_blocking=True)
            # Waiting for it leaves the core to OBS.
            has_arrived = torch.cuda.Event(blocking=True)
            has_arrived.record()
        return PastedPart(self, arriving, has_arrived)

    def put(self, pixels: torch.Tensor, frame: UInt8Array) -> None:
        """Copy the result of `start` into ``frame``; for `PastedPart`."""
        np.copyto(frame[self._rows, self._columns], pixels.numpy())
        self._buffers.give_back(pixels)

    def _opaque(self, square: torch.Tensor, rows: slice) -> torch.Tensor:
        mask = self._mask[rows] / 255.0
        under = self._under[rows, :, :3].permute(2, 0, 1).float()
        return _pixels((mask * self._sample(square, rows)[0] + (1 - mask) * under).flip(0))

    def _transparent(self, premultiplied: torch.Tensor, rows: slice) -> torch.Tensor:
        mask = self._mask[rows] / 255.0
        under = self._under[rows].permute(2, 0, 1).float()
        alpha = under[3:] / 255.0
        moved = self._sample(premultiplied, rows)[0]
        # m · C α + (1 − m) · C' α', and m · α + (1 − m) · α'
        colour = mask * moved[:3] + (1 - mask) * under[:3] * alpha
        cover = mask * moved[3:] + (1 - mask) * alpha
        return _pixels(_premultiplied_in_light(colour.flip(0), cover))

    def _strips(self) -> Iterator[slice]:
        height, width = self._under.shape[:2]
        step = max(1, _STRIP_PIXELS // width)
        return (slice(start, min(start + step, height)) for start in range(0, height, step))

    def _sample(self, square: torch.Tensor, rows: slice) -> torch.Tensor:
        grid = (self._along_y[rows, None] + self._along_x[None])[None]
        return F.grid_sample(square, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


class PastedPart:
    """A part of the picture that may still be on its way from the device; to be put into one frame, once."""

    def __init__(
        self, paste_back: PasteBack, pixels: torch.Tensor | None, has_arrived: torch.cuda.Event | None
    ) -> None:
        self._paste_back, self._pixels, self._has_arrived = paste_back, pixels, has_arrived

    def put_into(self, frame: UInt8Array) -> None:
        """Wait for the part and put it into ``frame``, which `PasteBack.new_frame` made; the rest is not touched."""
        if self._has_arrived is not None:
            self._has_arrived.synchronize()
        if self._pixels is not None:
            self._paste_back.put(self._pixels, frame)
            self._pixels = None


class _PinnedBuffers:
    """Page-locked buffers for copies from the GPU; locking memory takes longer than a frame, so they are kept."""

    def __init__(self) -> None:
        self._free: list[torch.Tensor] = []
        self._lock = threading.Lock()

    def take(self, like: torch.Tensor) -> torch.Tensor:
        """Return a buffer of the shape and type of ``like``, always the same."""
        with self._lock:
            if self._free:
                return self._free.pop()
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)

    def give_back(self, buffer: torch.Tensor) -> None:
        """Take back a buffer of `take`; other tensors are let go."""
        if buffer.is_pinned():
            with self._lock:
                self._free.append(buffer)


def _covered(crop_from_image: DoubleArray, size: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    """Return the part (left, top, right, bottom) of the picture that holds the square's corners."""
    corners = np.array([(0, 0, 1), (side - 1, 0, 1), (side - 1, side - 1, 1), (0, side - 1, 1)], np.float64)
    places = corners @ np.linalg.inv(crop_from_image).T
    low, high = np.floor(places[:, :2].min(0)), np.ceil(places[:, :2].max(0)) + 1
    left, top = np.clip(low, 0, size).astype(int)
    right, bottom = np.clip(high, 0, size).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _places(
    crop_from_image: DoubleArray, part: tuple[int, int, int, int], side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the part's sampling grid as a sum, in [-1, 1] of the square: (w, 2) and (h, 2) float32.

    The place of (x, y) is along_x[x] + along_y[y].
    """
    left, top, right, bottom = part
    # From pixels of the square to [-1, 1]: p · 2 / (side − 1) − 1
    matrix = np.asarray(crop_from_image, np.float64)[:2] * (2.0 / (side - 1))
    along_x = np.arange(left, right)[:, None] * matrix[:, 0] + matrix[:, 2] - 1.0
    along_y = np.arange(top, bottom)[:, None] * matrix[:, 1]
    return torch.from_numpy(along_x.astype(np.float32)), torch.from_numpy(along_y.astype(np.float32))


def _premultiplied_in_light(colour: torch.Tensor, cover: torch.Tensor) -> torch.Tensor:
    """Return (4, h, w) in 0..255: colour is (3, h, w) in 0..255 times the cover (1, h, w) in [0, 1], sRGB-encoded."""
    straight = (colour / cover.clamp(min=1e-4)).clamp(0, 255) / 255.0
    light = torch.where(straight <= 0.04045, straight / 12.92, ((straight + 0.055) / 1.055) ** 2.4) * cover
    encoded = torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=1e-9) ** (1 / 2.4) - 0.055)
    is_opaque = cover >= 1 - 1e-3
    shown = torch.where(is_opaque, straight * 255.0, (encoded * 255.0).round())
    return torch.cat((shown, (cover * 255.0).round()))


def _pixels(values: torch.Tensor) -> torch.Tensor:
    """Return (C, h, w) in 0..255 as (h, w, C) uint8, cut off, not rounded, as officially."""
    # A hundredth of a level covers what float32 loses on the way there and back.
    return (values + 0.01).clamp(0, 255).to(torch.uint8).permute(1, 2, 0)


def feather_mask(size: int = 512) -> AnyArray:
    """Return (size, size) uint8: 255 inside the crop, falling to 0 over its outer 16 pixels, rounded at the corners."""
    index = np.arange(size)
    outside = np.maximum(np.maximum(_FEATHER - index, index - (size - _FEATHER)), 0).astype(np.float64)
    distance = np.sqrt(outside[:, None] ** 2 + outside[None, :] ** 2)
    return np.asarray(np.floor(255 * (1 - np.minimum(distance / _FEATHER, 1))), np.uint8)


class MovingMatte:
    """A clean moving edge for characters with a transparent background, which LivePortrait itself does not know.

    alpha: (512, 512) uint8, the matte of the square. colour: (3,) RGB in [0, 1], the background.

    The networks see the character over one plain colour that its edge does not have. Two estimates give the alpha of
    the generated square: the picture's own matte, warped by the deformation that warped the features, and the share of
    the plain colour in each pixel near that edge. The first is exact to 0.1 levels if the generator follows the
    deformation, the second to 3 to 6 levels in any case: the first is used as long as both agree, the second otherwise.
    docs/measurements has a comparison with the alternatives.
    """

    def __init__(self, alpha: UInt8Array, colour: FloatArray, device: torch.device | str) -> None:
        self._alpha = torch.from_numpy(np.array(alpha, np.uint8)).to(device)[None, None]
        self._colour = torch.from_numpy(np.asarray(colour, np.float32)).to(device).reshape(1, 3, 1, 1)

    @property
    def nbytes(self) -> int:
        """Memory of the device, in bytes."""
        return self._alpha.numel()

    def cut(self, picture: torch.Tensor, deformation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the painted character without its background: straight colour (1, 3, S, S), alpha (1, 1, S, S).

        picture: (1, 3, S, S) RGB in [0, 1]. deformation: (1, D, H, W, 3), see `networks.warping.Warping`.
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
        shift = flat - _grid(flat.shape[1], step=2.0 / (flat.shape[1] - 1), first=-1.0, device=flat.device)
        side = self._alpha.shape[-1]
        fine = F.interpolate(shift.permute(0, 3, 1, 2), size=(side, side), mode="bilinear", align_corners=False)
        places = _grid(side, step=2.0 / side, first=1.0 / side - 1.0, device=flat.device) + fine.permute(0, 2, 3, 1)
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


def _grid(side: int, step: float, first: float, device: torch.device) -> torch.Tensor:
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

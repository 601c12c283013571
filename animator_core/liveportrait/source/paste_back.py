"""Puts a generated face square back into the whole picture, on the device that generated it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from animator_core.arrays import DoubleArray, UInt8Array
from animator_core.liveportrait.motion.crop import feather_mask
from animator_core.rendering.srgb import premultiplied_bgra

_STRIP_PIXELS = 1 << 20
"""Computed at once: bounds what large pictures take for a moment, some 60 bytes a pixel."""


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

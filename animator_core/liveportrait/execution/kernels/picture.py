"""The generator's last numbers become pixels in one pass."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

_PIXELS = 1024


def picture(x: torch.Tensor) -> torch.Tensor:
    """See `optimized.operations.picture`; the result is float32 and contiguous."""
    batch, channels, height, width = x.shape
    out = x.new_empty((batch, channels // 4, height * 2, width * 2), dtype=torch.float32)
    pixels = out[0].numel()
    with torch.cuda.device_of(x):
        _show[(triton.cdiv(pixels, _PIXELS), batch)](x, out, height * 2, width * 2, pixels, *x.stride(), PIXELS=_PIXELS)
    return out


@triton.jit
def _show(x, out, height, width, pixels, xb, xc, xh, xw, PIXELS: tl.constexpr):
    batch = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    row, column, colour = pixel // width % height, pixel % width, pixel // (width * height)
    channel = colour * 4 + row % 2 * 2 + column % 2
    at = batch * xb + channel * xc + row // 2 * xh + column // 2 * xw
    value = tl.load(x + at, pixel < pixels, 0.0).to(tl.float32)
    tl.store(out + batch * pixels + pixel, tl.sigmoid(value), pixel < pixels)

"""Paints a frame by several threads, a band of its rows each."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Callable

import numpy as np

from animator_core.arrays import AnyArray

MOST_BANDS = max(2, min(4, os.cpu_count() or 2))
BAND_PIXELS = 150_000
"""Pixels to paint per thread: about a millisecond."""


def equal_bands(pixels: AnyArray) -> list[tuple[int, int]]:
    """Return ranges of rows of equal work, one for each thread that is worth starting.

    pixels: (N,), to be painted in each row.
    """
    total = pixels.cumsum()
    count = int(min(MOST_BANDS, max(1, total[-1] // BAND_PIXELS)))
    cuts = [int(np.searchsorted(total, total[-1] * share / count)) for share in range(1, count)]
    return list(zip([0, *cuts], [*cuts, len(pixels)]))


def in_bands(paint_rows: Callable[[int, int], None], bands: list[tuple[int, int]]) -> None:
    """Call ``paint_rows`` for every band, for the first one on this thread."""
    others = [_helpers().submit(paint_rows, begin, end) for begin, end in bands[1:]]
    begin, end = bands[0]
    try:
        paint_rows(begin, end)
    finally:
        wait(others)
    for other in others:
        other.result()


@functools.lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    """Return the thread pool that all renderers share."""
    return ThreadPoolExecutor(MOST_BANDS - 1, thread_name_prefix="painting")

"""Compile the networks by torch.compile in the background, while the plain ones paint."""

from __future__ import annotations

import dataclasses
import logging
import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any, Callable, cast

import torch

from animator_core.errors import first_line
from animator_core.liveportrait.execution.device import synchronize
from animator_core.liveportrait.execution.optimized.generator import OptimizedGenerator
from animator_core.liveportrait.execution.optimized.warping import OptimizedWarping, WarpingSource
from animator_core.liveportrait.execution.painter import Painter, Painting
from animator_core.liveportrait.networks.networks import Networks

logger = logging.getLogger(__name__)

_CACHE_FOLDER = "compiled"
_TIMED_FRAMES = 10
_LEAST_GAIN = 0.03
"""Of a frame's time; less is below the noise of the measurement."""
_LARGEST_DIFFERENCE = 0.02
"""Between the two pictures, in units of the range [0, 1]."""


def compiled_networks(networks: Networks, cache_dir: Path | None) -> Networks:
    """Return the networks with warp and generator to be compiled at their first call.

    Needs a C++ compiler on the CPU, Triton on a GPU. cache_dir: keeps the compiled code for the next start, None for
    the user's temporary folder.
    """
    if cache_dir is not None:
        # torch reads the variable each time; importing torch has already set it.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache_dir / _CACHE_FOLDER)
    # One thread of this process instead of a process per core: it must not starve OBS, nor outlive the worker.
    options: dict[str, str | int | bool | Callable[..., Any]] = {"compile_threads": 1}
    if networks.device.type == "cuda":
        # Mode "max-autotune" without its CUDA graphs: ours are in `cuda_graph`.
        options |= {"max_autotune": True, "coordinate_descent_tuning": True}
    return dataclasses.replace(
        networks,
        warping_module=cast(OptimizedWarping, torch.compile(networks.warping_module, options=options)),
        spade_generator=cast(OptimizedGenerator, torch.compile(networks.spade_generator, options=options)),
    )


class CompilingPainter:
    """A `Painter` that starts with the plain networks and switches to the compiled ones when they are ready.

    They are compiled and tested with the first frame in a thread, which takes up to minutes and delays no frame. They
    take over if the picture is the same and the time shorter; otherwise the log says why not.
    """

    def __init__(
        self,
        plain: Painter,
        make_compiled: Callable[[], Painter],
        device: torch.device,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """make_compiled: its painter may compile at the first frame. clock: seconds."""
        self._painter = plain
        self._plain = plain
        self._make_compiled: Callable[[], Painter] | None = make_compiled
        self._device = device
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Of the painter in use."""
        painter = self._painter
        return painter.name if painter is self._plain else f"{painter.name}, compiled"

    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`; batches are always painted by the plain painter, as compiling is for one size."""
        if len(keypoints_driving) != 1:
            return self._plain.paint(source, keypoints_driving)
        with self._lock:
            make_compiled, self._make_compiled = self._make_compiled, None
        if make_compiled is not None:
            keypoints = keypoints_driving.clone()
            arguments = (make_compiled, source, keypoints)
            threading.Thread(target=self._compile, args=arguments, name="compiling", daemon=True).start()
        return self._painter.paint(source, keypoints_driving)

    def _compile(self, make_compiled: Callable[[], Painter], source: WarpingSource, keypoints: torch.Tensor) -> None:
        started = time.monotonic()
        try:
            compiled = make_compiled()
            difference = _difference(compiled.paint(source, keypoints), self._plain.paint(source, keypoints))
            compiled_ms, plain_ms = self._timings_ms(compiled, source, keypoints)
        except Exception as exc:
            # Compilers may raise anything; the plain painter goes on.
            logger.warning("torch.compile does not work here: %s", first_line(exc, 160), exc_info=True)
            return
        took = time.monotonic() - started
        if not difference <= _LARGEST_DIFFERENCE:
            logger.warning("the compiled networks are left out: their picture is %.3f off", difference)
            return
        is_faster = compiled_ms <= plain_ms * (1 - _LEAST_GAIN)
        if is_faster:
            self._painter = compiled
        logger.info(
            "compiled networks: %.1f ms a frame, %.1f without, %s (%.0f s)",
            compiled_ms,
            plain_ms,
            "used" if is_faster else "left out",
            took,
        )

    def _timings_ms(self, compiled: Painter, source: WarpingSource, keypoints: torch.Tensor) -> tuple[float, float]:
        """Return the median times of a frame by the compiled and the plain painter, measured in turn."""
        timings: tuple[list[float], list[float]] = ([], [])
        for _ in range(_TIMED_FRAMES):
            for seconds, painter in zip(timings, (compiled, self._plain)):
                started = self._clock()
                painter.paint(source, keypoints)
                synchronize(self._device)
                seconds.append(self._clock() - started)
        return 1000 * statistics.median(timings[0]), 1000 * statistics.median(timings[1])


def _difference(one: Painting, other: Painting) -> float:
    return float((one.picture - other.picture).abs().max())

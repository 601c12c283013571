"""Networks compiled by torch.compile while the plain ones already paint."""

from __future__ import annotations

import dataclasses
import logging
import os
import statistics
import threading
import time
from pathlib import Path
from typing import Callable

import torch

from animator_core.errors import first_line
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painter, Painting
from animator_core.liveportrait.execution.trial import finish
from animator_core.liveportrait.networks.networks import Networks

logger = logging.getLogger(__name__)

_CACHE_FOLDER = "compiled"
_TIMED_FRAMES = 10
_LEAST_GAIN = 0.03
"""Of a frame's time: less would be lost in what the machine does beside."""
_LARGEST_DIFFERENCE = 0.02
"""Between the two pictures, of 1."""


def compiled_networks(networks: Networks, cache_dir: Path | None) -> Networks:
    """Return the networks with warp and generator compiled at their first call; needs a C++ compiler or Triton.

    cache_dir: where what was compiled is kept for the next start, None for the user's temporary folder.
    """
    if cache_dir is not None:
        # torch reads it each time, and has put its own choice there by now.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache_dir / _CACHE_FOLDER)
    # One thread of this process, in place of a process for each core: it must not starve OBS, nor outlive the worker.
    options: dict[str, str | int | bool] = {"compile_threads": 1}
    if networks.device.type == "cuda":
        # As mode "max-autotune" does, but for its CUDA graphs: ours are in `cuda_graph`.
        options |= {"max_autotune": True, "coordinate_descent_tuning": True}
    return dataclasses.replace(
        networks,
        warping_module=torch.compile(networks.warping_module, options=options),
        spade_generator=torch.compile(networks.spade_generator, options=options),
    )


class ImprovingPainter:
    """A `Painter` that paints as the first one until a better one is ready.

    The better one is made and tried with the first frame in a thread of its own, which may take minutes and delays no
    frame. It takes over where it paints the same and is quicker; otherwise the log says why not.
    """

    def __init__(
        self,
        first: Painter,
        make_better: Callable[[], Painter],
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """make_better: its painter's first painting may take long. clock: seconds."""
        self._painter = first
        self._first = first
        self._make_better: Callable[[], Painter] | None = make_better
        self._device = device
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """What paints at present."""
        painter = self._painter
        return painter.name if painter is self._first else f"{painter.name}, compiled"

    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`; several frames at once are the first painter's, for whose number nothing is compiled."""
        if len(keypoints_driving) != 1:
            return self._first.paint(source, keypoints_driving)
        with self._lock:
            make_better, self._make_better = self._make_better, None
        if make_better is not None:
            keypoints = keypoints_driving.clone()
            self._thread = threading.Thread(
                target=self._improve, args=(make_better, source, keypoints), name="compiling", daemon=True
            )
            self._thread.start()
        return self._painter.paint(source, keypoints_driving)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until the better painter is in use or left out; at once where nothing was painted yet."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _improve(self, make_better: Callable[[], Painter], source: WarpingSource, keypoints: torch.Tensor) -> None:
        started = time.monotonic()
        try:
            better = make_better()
            difference = _difference(better.paint(source, keypoints), self._first.paint(source, keypoints))
            seconds = self._seconds(better, source, keypoints)
        except Exception as exc:
            # Compilers fail in many ways, none of which is ours to know; the first painter goes on.
            logger.warning("torch.compile does not work here: %s", first_line(exc, 160), exc_info=True)
            return
        took = time.monotonic() - started
        if not difference <= _LARGEST_DIFFERENCE:
            logger.warning("the compiled networks are left out: their picture is %.3f off", difference)
            return
        compiled, plain = (1000 * each for each in seconds)
        is_better = compiled <= plain * (1 - _LEAST_GAIN)
        if is_better:
            self._painter = better
        verdict = "used" if is_better else "left out"
        logger.info("compiled networks: %.1f ms a frame, %.1f without, %s (%.0f s)", compiled, plain, verdict, took)

    def _seconds(self, better: Painter, source: WarpingSource, keypoints: torch.Tensor) -> tuple[float, float]:
        """Return the median seconds of a frame by the better and by the first painter, in turn."""
        taken: tuple[list[float], list[float]] = ([], [])
        for _ in range(_TIMED_FRAMES):
            for seconds, painter in zip(taken, (better, self._first)):
                started = self._clock()
                painter.paint(source, keypoints)
                finish(self._device)
                seconds.append(self._clock() - started)
        return statistics.median(taken[0]), statistics.median(taken[1])


def _difference(one: Painting, other: Painting) -> float:
    return float((one.picture - other.picture).abs().max())

"""Painting as one CUDA graph: some two hundred kernels started by one call."""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import fields
from typing import Callable

import torch

from animator_core.liveportrait.lean.warping import WarpingSource
from animator_core.liveportrait.networks import Networks
from animator_core.liveportrait.painter import Painting, TorchPainter

logger = logging.getLogger(__name__)

Step = Callable[[], Painting]
Capture = Callable[[Step], "tuple[Callable[[], None], Painting]"]

_WARM_UP_STEPS = 3
_LARGEST_DIFFERENCE = 0.02
"""In [0, 1] of the picture, between a replay and the same kernels started one by one."""


class GraphPainter:
    """A `Painter` that records its kernels at the first frame and replays them from then on.

    Whatever the recording does not allow, or where a replay paints something else, is told in the log, and the kernels
    are started one by one from then on. Characters share the recording; theirs is what is copied into its buffers.
    """

    def __init__(self, networks: Networks, capture: Capture | None = None) -> None:
        """capture: what records a step, see `capture_step`."""
        self._plain = TorchPainter(networks)
        self._capture = capture or capture_step
        self._recording: _Recording | None = None
        self._has_failed = False
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What paints at present."""
        return self._plain.name if self._has_failed else "cuda-graph"

    @torch.inference_mode()
    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`; batches are painted without the graph."""
        if self._has_failed or len(keypoints_driving) != 1 or len(source.features) != 1:
            return self._plain.paint(source, keypoints_driving)
        with self._lock:
            if self._recording is None and not self._record(source, keypoints_driving):
                return self._plain.paint(source, keypoints_driving)
            assert self._recording is not None
            painting = self._recording.replay(source, keypoints_driving)
            # The next replay overwrites the recording's own.
            return Painting(painting.picture.clone(), painting.deformation.clone())

    def _record(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> bool:
        try:
            recording = _Recording(self._plain, self._capture, source, keypoints_driving)
            replayed = recording.replay(source, keypoints_driving).picture
            difference = float((replayed - self._plain.paint(source, keypoints_driving).picture).abs().max())
            problem = "" if difference <= _LARGEST_DIFFERENCE else f"it paints something else, {difference:.3f} apart"
        except RuntimeError as exc:
            # torch's errors of memory, drivers and forbidden calls are RuntimeErrors.
            problem = (str(exc).strip().splitlines() or [type(exc).__name__])[0][:160]
        if problem:
            self._has_failed = True
            logger.warning("frames are not painted by a CUDA graph, which is slower (%s); update the driver", problem)
            return False
        self._recording = recording
        return True


class _Recording:
    """Recorded kernels and the buffers that they read and write."""

    def __init__(
        self, painter: TorchPainter, capture: Capture, source: WarpingSource, keypoints_driving: torch.Tensor
    ) -> None:
        self._source = WarpingSource(**{name: tensor.clone() for name, tensor in _tensors(source).items()})
        self._keypoints = keypoints_driving.to(source.features.device, torch.float32, copy=True)
        self._shown = weakref.ref(source)
        self._start, self._painting = capture(lambda: painter.paint(self._source, self._keypoints))

    def replay(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        if self._shown() is not source:
            for name, tensor in _tensors(source).items():
                getattr(self._source, name).copy_(tensor)
            self._shown = weakref.ref(source)
        self._keypoints.copy_(keypoints_driving)
        self._start()
        return self._painting


def capture_step(step: Step) -> tuple[Callable[[], None], Painting]:
    """Return what repeats the kernels of ``step`` on the CUDA device, and the painting that every repetition fills."""
    # On a stream of its own, as capturing requires, so that libraries choose and build their kernels before it.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other filters' threads may use the device meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        painting = step()
    return graph.replay, painting


def _tensors(source: WarpingSource) -> dict[str, torch.Tensor]:
    return {each.name: getattr(source, each.name) for each in fields(source)}

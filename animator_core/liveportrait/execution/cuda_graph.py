"""Hundreds of kernels started by one call: functions of tensors run as CUDA graphs."""

from __future__ import annotations

import logging
import threading
from typing import Callable

import torch

from animator_core.errors import first_line
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painting, TorchPainter
from animator_core.liveportrait.execution.trial import largest_difference
from animator_core.liveportrait.networks.networks import Networks

logger = logging.getLogger(__name__)

Tensors = "tuple[torch.Tensor, ...]"
Function = Callable[..., Tensors]
Capture = Callable[[Callable[[], Tensors]], "tuple[Callable[[], None], Tensors]"]

_WARM_UP_RUNS = 3
_LARGEST_DIFFERENCE = 0.02
"""Between a replay and the same kernels started one by one, as a share of the result's largest value."""


class RecordedFunction:
    """A function of CUDA tensors whose kernels are recorded at the first call and replayed from then on.

    Inputs of other shapes than the first ones, batches for example, are computed without the recording. Whatever cannot
    be recorded, or is computed differently by a replay, is told in the log and not recorded any more. May be called by
    several threads.
    """

    def __init__(self, function: Function, name: str, capture: Capture | None = None) -> None:
        """name: for the log. capture: what records, see `capture_kernels`."""
        self._function = function
        self._name = name
        self._capture = capture or capture_kernels
        self._inputs: Tensors = ()
        self._outputs: Tensors = ()
        self._start: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self.has_failed = False
        """Whether the function is not recorded."""

    @torch.inference_mode()
    def __call__(self, *inputs: torch.Tensor) -> Tensors:
        """Return what the function returns for ``inputs``."""
        # Streams are the present device's, and that is the first one in every thread.
        with torch.cuda.device_of(inputs[0]), self._lock:
            if self._start is None and not self.has_failed:
                self._record(inputs)
            if self._start is not None and [each.shape for each in inputs] == [each.shape for each in self._inputs]:
                # The next replay overwrites the recording's own results.
                return tuple(each.clone() for each in self._replayed(self._start, inputs))
        return self._function(*inputs)

    def _record(self, inputs: Tensors) -> None:
        try:
            self._inputs = tuple(each.clone() for each in inputs)
            start, self._outputs = self._capture(lambda: self._function(*self._inputs))
            for each in self._outputs:
                # What the recording does not write must not be taken for right.
                each.zero_()
            problem = _difference(self._replayed(start, inputs), self._function(*inputs))
        except RuntimeError as exc:
            # torch's errors of memory, drivers and forbidden calls are RuntimeErrors.
            problem = first_line(exc, 160)
        if problem:
            self.has_failed, self._inputs, self._outputs = True, (), ()
            logger.warning("%s runs without a CUDA graph, which is slower (%s); update the driver", self._name, problem)
        else:
            self._start = start
        if inputs[0].is_cuda:
            # What trying took is the game's again.
            torch.cuda.empty_cache()

    def _replayed(self, start: Callable[[], None], inputs: Tensors) -> Tensors:
        for kept, given in zip(self._inputs, inputs):
            kept.copy_(given)
        start()
        return self._outputs


class GraphPainter:
    """A `Painter` that paints single frames by a CUDA graph; all characters share it."""

    def __init__(self, networks: Networks, capture: Capture | None = None) -> None:
        """capture: see `RecordedFunction`."""
        self._plain = TorchPainter(networks)
        self._device = networks.device
        self._recorded = RecordedFunction(self._paint, "painting", capture)

    @property
    def name(self) -> str:
        """What paints at present."""
        return self._plain.name if self._recorded.has_failed else "cuda-graph"

    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`."""
        if len(keypoints_driving) != 1:
            return self._plain.paint(source, keypoints_driving)
        keypoints = keypoints_driving.to(self._device, torch.float32)
        return Painting(
            *self._recorded(source.features, source.keypoints, source.compressed, source.resting, keypoints)
        )

    def _paint(self, *inputs: torch.Tensor) -> Tensors:
        *source, keypoints = inputs
        painting = self._plain.paint(WarpingSource(*source), keypoints)
        return painting.picture, painting.deformation


def capture_kernels(run: Callable[[], Tensors]) -> tuple[Callable[[], None], Tensors]:
    """Return what repeats the kernels of ``run`` on the present CUDA device, and the tensors that every one fills."""
    # On a stream of its own, as capturing requires, so that libraries choose and build their kernels before it.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP_RUNS):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other filters' threads may use the device meanwhile.
    # torch's own stream for it is for ever that of the device that was captured on first.
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        outputs = run()
    return graph.replay, outputs


def _difference(replayed: Tensors, plain: Tensors) -> str:
    """Return how far the results are apart, "" where they are the same up to rounding."""
    share = largest_difference(replayed, plain)
    return "" if share <= _LARGEST_DIFFERENCE else f"its replay is {share:.3f} off"

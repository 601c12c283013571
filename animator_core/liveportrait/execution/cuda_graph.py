"""Run functions of tensors as CUDA graphs: one launch instead of hundreds of kernels."""

from __future__ import annotations

import logging
import threading
from typing import Callable

import torch

from animator_core.errors import first_line
from animator_core.liveportrait.execution.optimized.operations import largest_difference
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painting, TorchPainter
from animator_core.liveportrait.networks.networks import Networks

logger = logging.getLogger(__name__)

Tensors = tuple[torch.Tensor, ...]
Replay = Callable[[], None]
Capture = Callable[[Callable[[], Tensors]], tuple[Replay, Tensors]]

_WARM_UP_RUNS = 3
_LARGEST_DIFFERENCE = 0.02
"""Between a replay and single launches, relative to the result's largest value."""


class CapturedFunction:
    """A function of CUDA tensors, captured at the first call and replayed by later ones; thread-safe.

    Inputs of other shapes, such as batches, run without the graph. If capturing fails or a replay gives other results,
    the function runs without a graph from then on, with a warning.
    """

    def __init__(self, function: Callable[..., Tensors], name: str, capture: Capture | None = None) -> None:
        """name: for the log. capture: by default `capture_kernels`."""
        self._function = function
        self._name = name
        self._capture = capture or capture_kernels
        self._inputs: Tensors = ()
        self._outputs: Tensors = ()
        self._replay: Replay | None = None
        self._lock = threading.Lock()
        self.has_failed = False
        """Whether the function runs without a graph."""

    @torch.inference_mode()
    def __call__(self, *inputs: torch.Tensor) -> Tensors:
        """Return the function's results for ``inputs``."""
        # Streams belong to the current device, which is the first one in every thread.
        with torch.cuda.device_of(inputs[0]), self._lock:
            if self._replay is None and not self.has_failed:
                self._capture_graph(inputs)
            if self._replay is not None and [each.shape for each in inputs] == [each.shape for each in self._inputs]:
                # The next replay overwrites the graph's own outputs.
                return tuple(each.clone() for each in self._replayed(self._replay, inputs))
        return self._function(*inputs)

    def _capture_graph(self, inputs: Tensors) -> None:
        try:
            self._inputs = tuple(each.clone() for each in inputs)
            replay, self._outputs = self._capture(lambda: self._function(*self._inputs))
            for each in self._outputs:
                # So that outputs the replay does not write are noticed.
                each.zero_()
            problem = _difference(self._replayed(replay, inputs), self._function(*inputs))
        except RuntimeError as exc:
            problem = first_line(exc, 160)
        if problem:
            self.has_failed, self._inputs, self._outputs = True, (), ()
            logger.warning("%s runs without a CUDA graph, which is slower (%s); update the driver", self._name, problem)
        else:
            self._replay = replay
        if inputs[0].is_cuda:
            # Give the memory of warming up back to other programs.
            torch.cuda.empty_cache()

    def _replayed(self, replay: Replay, inputs: Tensors) -> Tensors:
        for kept, given in zip(self._inputs, inputs):
            kept.copy_(given)
        replay()
        return self._outputs


class GraphPainter:
    """A `Painter` that paints single frames by a CUDA graph, one for all characters."""

    def __init__(self, networks: Networks, capture: Capture | None = None) -> None:
        """capture: see `CapturedFunction`."""
        self._plain = TorchPainter(networks)
        self._device = networks.device
        self._captured = CapturedFunction(self._paint, "painting", capture)

    @property
    def name(self) -> str:
        """Of the painter in use."""
        return self._plain.name if self._captured.has_failed else "cuda-graph"

    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`."""
        if len(keypoints_driving) != 1:
            return self._plain.paint(source, keypoints_driving)
        keypoints = keypoints_driving.to(self._device, torch.float32)
        inputs = (source.features, source.keypoints, source.compressed, source.resting, keypoints)
        picture, deformation = self._captured(*inputs)
        return Painting(picture, deformation)

    def _paint(self, *inputs: torch.Tensor) -> Tensors:
        *source, keypoints = inputs
        painting = self._plain.paint(WarpingSource(*source), keypoints)
        return painting.picture, painting.deformation


def capture_kernels(run: Callable[[], Tensors]) -> tuple[Replay, Tensors]:
    """Capture ``run`` on the current CUDA device; return the replay function and the output tensors it fills."""
    # Warm up on a side stream, as capturing requires, so that libraries choose and build their kernels before.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP_RUNS):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # thread_local: threads of other filters may use the device meanwhile. stream: torch's default capture stream
    # belongs for ever to the device of the first capture.
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        outputs = run()
    return graph.replay, outputs


def _difference(replayed: Tensors, plain: Tensors) -> str:
    """Describe the difference of the results, "" if equal up to rounding."""
    share = largest_difference(replayed, plain)
    return "" if share <= _LARGEST_DIFFERENCE else f"its replay is {share:.3f} off"

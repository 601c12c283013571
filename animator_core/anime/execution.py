"""The large networks in onnxruntime on the CPU, where it takes a third of PyTorch's time and less beside other work."""

from __future__ import annotations

import importlib.util
import io
import logging
import threading
import warnings
from dataclasses import fields, is_dataclass
from typing import Any, Callable, cast

import numpy as np
import torch
from torch import nn
from torch.onnx.utils import export

from animator_core.anime import parameters
from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.anime.networks.face import FaceChange
from animator_core.anime.networks.rotation import BodyChange
from animator_core.errors import described
from animator_core.onnx_runtime import import_onnxruntime

logger = logging.getLogger(__name__)

_OPSET = 17
_SIDE = 32
"""Of the pictures with which a network is recorded; its graph takes all multiples of 8."""
_PACKAGES = ("onnx", "onnxruntime")

Output = Callable[..., object]


def accelerated(networks: AnimeNetworks) -> AnimeNetworks:
    """Return the networks, on the CPU, changed to compute in onnxruntime; as they are if it is not installed.

    A network that fails there is computed by PyTorch from then on, with one line in the log.
    """
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        return networks
    for name, output, channels in (
        ("face_morpher", FaceChange, [4, len(parameters.FACE)]),
        ("two_algo_face_body_rotator", _itself, [4, len(parameters.BODY)]),
        ("editor", BodyChange, [4, 4, 2, len(parameters.BODY)]),
    ):
        setattr(networks, name, _Accelerated(getattr(networks, name), output, channels))
    return networks


class _Accelerated(nn.Module):
    """A network in onnxruntime, called as the plain one; its graph is made by the first call, in less than a second.

    output: makes the network's output from its tensors. channels: of each picture, and the length of the pose.
    """

    def __init__(self, plain: nn.Module, output: Output, channels: list[int]) -> None:
        super().__init__()
        self.plain = plain
        self._output, self._channels = output, channels
        self._graph: bytes | None = None
        self._lock = threading.Lock()
        # The threads of a session have the priority of the one that opens it.
        self._of_thread = threading.local()
        self._has_failed = False

    def forward(self, *inputs: torch.Tensor) -> object:
        if not self._has_failed:
            try:
                return self._output(*self._run(inputs))
            except Exception as exc:
                # A boundary: the exporter and onnxruntime raise errors of many kinds.
                self._has_failed = True
                logger.warning("PyTorch computes an anime network that onnxruntime cannot (%s)", described(exc))
        return self.plain(*inputs)

    def _run(self, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        session = getattr(self._of_thread, "session", None)
        if session is None:
            with self._lock:
                if self._graph is None:
                    self._graph = _graph(self.plain, self._channels)
            session = self._of_thread.session = _session(self._graph)
        feed = {_name(number): np.ascontiguousarray(each.numpy()) for number, each in enumerate(inputs)}
        return [torch.from_numpy(each) for each in session.run(None, feed)]


class _AsTuple(nn.Module):
    """A network whose output is a tuple of tensors, as the exporter wants it."""

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.plain = plain

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        output = self.plain(*inputs)
        return tuple(getattr(output, each.name) for each in fields(output)) if is_dataclass(output) else (output,)


def _graph(plain: nn.Module, channels: list[int]) -> bytes:
    """Return a network's ONNX graph, for any number and size of pictures."""
    *pictures, pose = channels
    examples = (*(torch.zeros(1, each, _SIDE, _SIDE) for each in pictures), torch.zeros(1, pose))
    names = [_name(number) for number in range(len(examples))]
    free = {name: {0: "n", 2: "h", 3: "w"} if each.dim() == 4 else {0: "n"} for name, each in zip(names, examples)}
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # Deprecation of this exporter; the newer one needs another package.
        warnings.simplefilter("ignore")
        export(
            _AsTuple(plain).eval(),
            examples,
            cast(str, file),  # the annotation leaves out that the exporter also writes to a file object
            input_names=names,
            dynamic_axes=free,
            opset_version=_OPSET,
        )
    return file.getvalue()


def _session(graph: bytes) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Spinning threads would take time from OBS and from the live renderer.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _name(number: int) -> str:
    return f"input_{number}"


def _itself(flow: torch.Tensor) -> torch.Tensor:
    return flow

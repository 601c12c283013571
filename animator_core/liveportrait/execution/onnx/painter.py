"""Paint by onnxruntime."""

from __future__ import annotations

import logging
import re
import threading
import weakref
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch

from animator_core.arrays import FloatArray
from animator_core.errors import ModelError, first_line
from animator_core.liveportrait.execution.onnx import tensorrt
from animator_core.liveportrait.execution.onnx.export import MakeNetworks, graph_bytes, graph_path, keep_graph
from animator_core.liveportrait.execution.onnx.graph import INPUTS, OUTPUTS
from animator_core.liveportrait.execution.onnx.providers import CPU, TENSORRT, Provider, load_onnxruntime, open_session
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painting
from animator_core.liveportrait.networks.networks import Networks

logger = logging.getLogger(__name__)

_LARGEST_DIFFERENCE = 0.02
"""Between the first picture from cached inputs and from inputs passed with the frame, in units of the range [0, 1]."""

Values = dict[str, Any]
"""``OrtValue`` by the graph's input."""
MakeValue = Callable[[FloatArray, str, int], Any]
"""onnxruntime's constructor of an ``OrtValue``: array, name of the memory, index of the GPU."""


class OnnxPainter:
    """A `Painter` by an onnxruntime session.

    A character's inputs stay on the session's device, see `SourceCache`; per frame only keypoints go there, and only
    picture and deformation come back.
    """

    def __init__(
        self, session: Any, provider: Provider, make_value: MakeValue, *, device: str | torch.device = "cpu"
    ) -> None:
        """session: of the graph from `export`. device: torch's, for the results."""
        self.name = f"onnx {provider.label}"
        self._session = session
        self._make_value = make_value
        self._device = device
        self._sources = SourceCache(provider, make_value)
        self._is_compared = provider.memory == "cpu"
        # Some providers' sessions may be run by one thread at a time only.
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        networks: Networks,
        cache_dir: Path | None,
        provider: Provider,
        *,
        make_exportable: MakeNetworks | None = None,
    ) -> OnnxPainter:
        """Return a painter of ``networks``; their graph is cached in ``cache_dir``.

        make_exportable: returns the same networks in float32 on the CPU, None if ``networks`` are that. Raises
        ModelError if onnxruntime or the provider's device cannot run the graph.
        """
        session = _session(
            make_exportable or (lambda: networks), version=networks.version, cache_dir=cache_dir, provider=provider
        )
        used = session.get_providers()[0]
        if used != provider.registered:
            # onnxruntime falls back by itself if a provider's libraries or device are missing.
            raise _does_not_run(provider, f"onnxruntime would use {used}")
        make_value = load_onnxruntime().OrtValue.ortvalue_from_numpy
        return cls(session, provider, make_value, device=networks.device)

    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`; the frames of a batch are painted in turn. Raises ModelError if the device fails."""
        keypoints = _to_array(keypoints_driving)
        try:
            frames = [self._painted(source, keypoints[index : index + 1], index) for index in range(len(keypoints))]
        except Exception as exc:
            # onnxruntime's errors have no common class. A game may have taken the device's memory.
            raise ModelError(
                f"{self.name} failed ({_reason(exc)})", "close programs that use the GPU, or choose the warp renderer"
            ) from exc
        pictures, deformations = (torch.from_numpy(np.concatenate(each)).to(self._device) for each in zip(*frames))
        return Painting(pictures, deformations)

    def _painted(self, source: WarpingSource, keypoints: FloatArray, index: int) -> list[FloatArray]:
        with self._lock:
            if self._is_compared:
                return self._run(self._sources.values(source, index), keypoints)
            frame = self._first(source, keypoints, index)
            self._is_compared = True
            return frame

    def _first(self, source: WarpingSource, keypoints: FloatArray, index: int) -> list[FloatArray]:
        """Return the first frame; keep caching on the device only if it gives the same picture.

        Not every device and driver has been tested.
        """
        in_memory = SourceCache(CPU, self._make_value)
        expected = self._run(in_memory.values(source, index), keypoints)
        try:
            picture = self._run(self._sources.values(source, index), keypoints)[0]
            problem = "" if np.abs(picture - expected[0]).max() <= _LARGEST_DIFFERENCE else "the picture differs"
        except Exception as exc:
            problem = _reason(exc)
        if problem:
            logger.warning("%s is given the character with each frame, which is slower (%s)", self.name, problem)
            self._sources = in_memory
        return expected

    def _run(self, values: Values, keypoints: FloatArray) -> list[FloatArray]:
        given = {**values, INPUTS[-1]: self._make_value(keypoints, "cpu", 0)}
        return [value.numpy() for value in self._session.run_with_ort_values(list(OUTPUTS), given)]


class SourceCache:
    """The tensors of sources as onnxruntime values on the provider's device, each as long as its source lives.

    For one thread at a time.
    """

    def __init__(self, provider: Provider, make_value: MakeValue) -> None:
        self._memory, self._index = provider.memory, provider.index
        self._make_value = make_value
        self._cached: dict[int, tuple[weakref.ref[WarpingSource], list[Values]]] = {}

    def values(self, source: WarpingSource, index: int) -> Values:
        """Return the source's inputs for the frame ``index`` of a batch."""
        key = id(source)
        if key not in self._cached:
            values, cached = self._uploaded(source), self._cached
            cached[key] = weakref.ref(source, lambda _: cached.pop(key, None)), values
        values = self._cached[key][1]
        return values[min(index, len(values) - 1)]

    def _uploaded(self, source: WarpingSource) -> list[Values]:
        arrays = [_to_array(each) for each in (source.features, source.keypoints, source.compressed, source.resting)]
        return [
            {name: self._value(array[min(index, len(array) - 1)][None]) for name, array in zip(INPUTS, arrays)}
            for index in range(max(len(array) for array in arrays))
        ]

    def _value(self, array: FloatArray) -> Any:
        return self._make_value(array, self._memory, self._index)


def _to_array(tensor: torch.Tensor) -> FloatArray:
    """Return the tensor as an input of the graph: float32, contiguous, in the computer's memory."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


def _session(make_networks: MakeNetworks, *, version: str, cache_dir: Path | None, provider: Provider) -> Any:
    path = None if cache_dir is None else graph_path(cache_dir, version, provider.uses_fp16)
    try:
        if path is not None and path.exists():
            try:
                return open_session(path, provider)
            except Exception as exc:
                if "INVALID_PROTOBUF" in str(exc):
                    logger.info("%s is damaged and is written again", path)
                elif provider.name == TENSORRT.name and tensorrt.forget_engine(path):
                    logger.info("building TensorRT's engine again: %s", _reason(exc))
                    return open_session(path, provider)
                else:
                    raise
        return open_session(_written(make_networks, path, provider), provider)
    except ModelError:
        raise
    except Exception as exc:
        # onnxruntime's errors have no common class.
        raise _does_not_run(provider, _reason(exc)) from exc


def _written(make_networks: MakeNetworks, path: Path | None, provider: Provider) -> Path | bytes:
    """Return the path of the exported graph, or its bytes if it cannot be kept there."""
    if path is not None:
        try:
            keep_graph(make_networks, path)
        except OSError as exc:
            logger.warning(
                "cannot keep LivePortrait's ONNX graph in %s (%s): every start takes longer; free disk space or make "
                "the folder writable",
                path.parent,
                exc,
            )
        else:
            return path
    return graph_bytes(make_networks, provider.uses_fp16)


def _reason(error: Exception) -> str:
    """Return onnxruntime's message without its leading source location."""
    return re.sub(r"^\S+\.(cc|cpp|h):\d+ .*?\) ", "", first_line(error))[:160]


def _does_not_run(provider: Provider, reason: str) -> ModelError:
    packages = f"install {provider.package} by pip, " if provider.is_nvidia else ""
    return ModelError(
        f"{provider.label} cannot run LivePortrait here ({reason})",
        f"{packages}update the graphics driver, or {provider.alternative}",
    )

"""Painting by onnxruntime."""

from __future__ import annotations

import logging
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch

from animator_core.errors import ModelError, first_line
from animator_core.liveportrait.execution.onnx import tensorrt
from animator_core.liveportrait.execution.onnx.export import MakeNetworks, graph_bytes, graph_path, keep_graph
from animator_core.liveportrait.execution.onnx.graph import INPUTS, OUTPUTS
from animator_core.liveportrait.execution.onnx.providers import CPU, TENSORRT, Provider, load_onnxruntime, open_session
from animator_core.liveportrait.execution.onnx.sources import KeptSources, MakeValue, to_array
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painting
from animator_core.liveportrait.networks.networks import Networks

logger = logging.getLogger(__name__)


_LARGEST_DIFFERENCE = 0.02
"""Of the first picture of values kept on the device, of 1, from that of values given with the frame."""


class OnnxPainter:
    """A `Painter` whose networks run in an onnxruntime session.

    What is the character's stays on the session's device, see `KeptSources`; only keypoints go there and only pictures
    and deformations come back.
    """

    def __init__(self, session: Any, provider: Provider, make_value: MakeValue, device: str | torch.device = "cpu"):
        """session: of the graph that `export` writes. device: where what is painted is wanted by torch."""
        self.name = f"onnx {provider.label}"
        self._session = session
        self._make_value = make_value
        self._device = device
        self._sources = KeptSources(provider, make_value)
        self._is_compared = provider.memory == "cpu"
        # Some providers' sessions may be run by one thread at a time only.
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        networks: Networks,
        cache_dir: Path | None,
        provider: Provider,
        make_exportable: MakeNetworks | None = None,
    ) -> OnnxPainter:
        """Return a painter of ``networks``, whose graph is written into ``cache_dir`` unless it is there and whole.

        make_exportable: gives the same in float32 on the CPU, where ``networks`` are not. Raises ModelError where
        onnxruntime or the provider's device cannot run the graph.
        """
        session = _session(make_exportable or (lambda: networks), networks.version, cache_dir, provider)
        used = session.get_providers()[0]
        if used != provider.registered:
            # What onnxruntime does of itself where a provider's libraries or device are missing.
            raise _does_not_run(provider, f"onnxruntime would use {used}")
        make_value = load_onnxruntime().OrtValue.ortvalue_from_numpy
        return cls(session, provider, make_value, networks.device)

    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`; frames are painted one after the other. Raises ModelError where the device fails."""
        keypoints = to_array(keypoints_driving)
        try:
            frames = [self._painted(source, keypoints[index : index + 1], index) for index in range(len(keypoints))]
        except Exception as exc:
            # Its errors have no common class of their own; a game may have taken the device's memory.
            raise ModelError(
                f"{self.name} failed ({_reason(exc)})", "close programs that use the GPU, or choose the warp renderer"
            ) from exc
        pictures, deformations = (torch.from_numpy(np.concatenate(each)).to(self._device) for each in zip(*frames))
        return Painting(pictures, deformations)

    def _painted(self, source: WarpingSource, keypoints: np.ndarray, index: int) -> list[np.ndarray]:
        with self._lock:
            if self._is_compared:
                return self._run(self._sources, source, keypoints, index)
            frame = self._first(source, keypoints, index)
            self._is_compared = True
            return frame

    def _first(self, source: WarpingSource, keypoints: np.ndarray, index: int) -> list[np.ndarray]:
        """Return the first frame, and keep characters on the device only if it comes out right that way.

        Nobody has tried it on every device and driver.
        """
        in_memory = KeptSources(CPU, self._make_value)
        plain = self._run(in_memory, source, keypoints, index)
        try:
            picture = self._run(self._sources, source, keypoints, index)[0]
            problem = "" if np.abs(picture - plain[0]).max() <= _LARGEST_DIFFERENCE else "the picture differs"
        except Exception as exc:
            problem = _reason(exc)
        if problem:
            logger.warning("%s is given the character with each frame, which is slower (%s)", self.name, problem)
            self._sources = in_memory
        return plain

    def _run(self, kept: KeptSources, source: WarpingSource, keypoints: np.ndarray, index: int) -> list[np.ndarray]:
        values = kept.values(source)
        given = {**values[min(index, len(values) - 1)], INPUTS[-1]: self._make_value(keypoints, "cpu", 0)}
        return [value.numpy() for value in self._session.run_with_ort_values(list(OUTPUTS), given)]


def _session(make_networks: MakeNetworks, version: str, cache_dir: Path | None, provider: Provider) -> Any:
    path = None if cache_dir is None else graph_path(cache_dir, version, provider.computes_half)
    try:
        if path is not None and path.exists():
            try:
                return open_session(path, provider)
            except Exception as exc:
                if "INVALID_PROTOBUF" in str(exc):
                    logger.info("%s is damaged and is written again", path)
                elif provider.name == TENSORRT.name and tensorrt.forget_engine(path):
                    logger.info("TensorRT's engine is built again: %s", _reason(exc))
                    return open_session(path, provider)
                else:
                    raise
        return open_session(_written(make_networks, path, provider), provider)
    except ModelError:
        raise
    except Exception as exc:
        # Its errors have no common class of their own.
        raise _does_not_run(provider, _reason(exc)) from exc


def _reason(error: Exception) -> str:
    """Return what onnxruntime says, without the place in its source that stands before it."""
    return re.sub(r"^\S+\.(cc|cpp|h):\d+ .*?\) ", "", first_line(error))[:160]


def _does_not_run(provider: Provider, reason: str) -> ModelError:
    packages = f"install {provider.package} by pip, " if provider.is_nvidia else ""
    return ModelError(
        f"{provider.label} cannot run LivePortrait here ({reason})",
        f"{packages}update the graphics driver, or {provider.way_out}",
    )


def _written(make_networks: MakeNetworks, path: Path | None, provider: Provider) -> Path | bytes:
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
    return graph_bytes(make_networks, provider.computes_half)

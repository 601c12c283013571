"""Painting by onnxruntime."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch

from animator_core.errors import ModelError, first_line
from animator_core.liveportrait.lean.warping import WarpingSource
from animator_core.liveportrait.networks import Networks
from animator_core.liveportrait.onnx.export import graph_bytes, graph_path, keep_graph
from animator_core.liveportrait.onnx.graph import INPUTS, OUTPUTS
from animator_core.liveportrait.onnx.providers import Provider, open_session
from animator_core.liveportrait.painter import Painting

logger = logging.getLogger(__name__)


class OnnxPainter:
    """A `Painter` whose networks run in an onnxruntime session; what it is given and returns is on the CPU."""

    def __init__(self, session: Any, label: str) -> None:
        """session: of the graph that `export` writes. label: where it runs."""
        self.name = f"onnx {label}"
        self._session = session
        # Some providers' sessions may be run by one thread at a time only.
        self._lock = threading.Lock()

    @classmethod
    def load(cls, networks: Networks, cache_dir: Path | None, provider: Provider) -> OnnxPainter:
        """Return a painter of ``networks``, whose graph is written into ``cache_dir`` unless it is there and whole.

        Raises ModelError where onnxruntime or the provider's device cannot run the graph.
        """
        session = _session(networks, cache_dir, provider)
        used = session.get_providers()[0]
        if used != provider.registered:
            # What onnxruntime does of itself where a provider's libraries or device are missing.
            raise ModelError(
                f"{provider.label} does not start here, onnxruntime would use {used}; update the graphics driver, or "
                "set ai_model.onnx_provider to cpu"
            )
        return cls(session, provider.label)

    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`; frames are painted one after the other. Raises ModelError where the device fails."""
        given = (source.features, source.keypoints, source.compressed, source.resting, keypoints_driving)
        arrays = [np.ascontiguousarray(each.detach().float().cpu().numpy()) for each in given]
        frames = [self._painted(arrays, index) for index in range(len(keypoints_driving))]
        pictures, deformations = zip(*frames)
        return Painting(torch.from_numpy(np.concatenate(pictures)), torch.from_numpy(np.concatenate(deformations)))

    def _painted(self, arrays: list[np.ndarray], index: int) -> list[np.ndarray]:
        feed = {name: array[min(index, len(array) - 1)][None] for name, array in zip(INPUTS, arrays)}
        try:
            with self._lock:
                return self._session.run(list(OUTPUTS), feed)
        except Exception as exc:
            # Its errors have no common class of their own; a game may have taken the device's memory.
            raise ModelError(
                f"{self.name} failed ({first_line(exc, 160)}); close programs that use the GPU, or choose the warp "
                "renderer"
            ) from exc


def _session(networks: Networks, cache_dir: Path | None, provider: Provider) -> Any:
    path = None if cache_dir is None else graph_path(cache_dir, networks.version)
    if path is not None and path.exists():
        try:
            return open_session(path, provider)
        except ModelError:
            raise
        except Exception as exc:
            # Its errors have no common class of their own.
            logger.info("%s is written again: %s", path, first_line(exc, 160))
    try:
        return open_session(_written(networks, path), provider)
    except ModelError:
        raise
    except Exception as exc:
        raise ModelError(
            f"onnxruntime cannot run LivePortrait by {provider.label} ({first_line(exc, 160)}); update the graphics "
            "driver, or set ai_model.onnx_provider to cpu"
        ) from exc


def _written(networks: Networks, path: Path | None) -> Path | bytes:
    if path is not None:
        try:
            keep_graph(networks, path)
        except OSError as exc:
            logger.warning(
                "cannot keep LivePortrait's ONNX graph in %s (%s): every start takes longer; free disk space or make "
                "the folder writable",
                path.parent,
                exc,
            )
        else:
            return path
    return graph_bytes(networks)

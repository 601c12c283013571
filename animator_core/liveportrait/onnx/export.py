"""Writes the per-frame networks as one ONNX graph.

By torch's exporter that traces: the newer one needs one more package and is not in the torch of Intel Macs. Operators
are those of opset 17, the newest of which DirectML has every one that is used; tests/test_liveportrait_onnx.py has the
list that was compared.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from pathlib import Path

import torch
from torch.onnx.utils import export

from animator_core.errors import ModelError
from animator_core.liveportrait.keypoints import KEYPOINT_COUNT
from animator_core.liveportrait.networks import Networks
from animator_core.liveportrait.onnx.graph import FEATURE_SIDE, INPUTS, OUTPUTS, PaintingGraph
from animator_core.whole_file import written_whole

logger = logging.getLogger(__name__)

OPSET = 17
_FORMAT = "2"
"""Changes when the graph does."""
_PREFIX = "liveportrait-painting-"


def graph_path(cache_dir: Path, version: str) -> Path:
    """Return where the graph of the networks of that version lies."""
    return cache_dir / f"{_PREFIX}{_FORMAT}-{version[:16]}.onnx"


def keep_graph(networks: Networks, path: Path) -> None:
    """Write the graph of ``networks`` as a whole, in place of those of others; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        write_graph(networks, str(unfinished))
    for other in path.parent.glob(f"{_PREFIX}*.onnx"):
        if other != path:
            other.unlink(missing_ok=True)


def graph_bytes(networks: Networks) -> bytes:
    """Return the graph of ``networks``, for when no file can be written."""
    file = io.BytesIO()
    write_graph(networks, file)
    return file.getvalue()


def write_graph(networks: Networks, file: str | io.BytesIO, side: int = FEATURE_SIDE) -> None:
    """Write the graph of ``networks``, which are on the CPU; it takes about as long as three frames do there.

    side: height and width of the features, 64 but in tests. Raises ModelError where the package onnx is missing.
    """
    if importlib.util.find_spec("onnx") is None:
        # The exporter would say so too, at its very end.
        raise ModelError(
            "the package onnx is not installed, without which torch writes no graph; run install.py --onnx"
        )
    graph = PaintingGraph(networks.warping_module, networks.spade_generator, side).eval()
    with warnings.catch_warnings(), torch.no_grad():
        # That the exporter will be replaced, and that sizes become constants, as they are meant to.
        warnings.simplefilter("ignore")
        export(graph, _examples(side), file, input_names=list(INPUTS), output_names=list(OUTPUTS), opset_version=OPSET)


def _examples(side: int) -> tuple[torch.Tensor, ...]:
    size = (16, side, side)
    keypoints = torch.zeros(1, KEYPOINT_COUNT, 3)
    return (
        torch.zeros(1, 32, *size),
        keypoints,
        torch.zeros(1, 4, *size),
        torch.zeros(1, 1, 4, *size),
        keypoints.clone(),
    )

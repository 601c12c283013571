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
from typing import Callable

import torch
from torch.onnx.utils import export

from animator_core.atomic_file import written_atomically
from animator_core.errors import ModelError, first_line
from animator_core.liveportrait.execution.onnx.graph import INPUTS, OUTPUTS, PaintingGraph
from animator_core.liveportrait.execution.onnx.half import halved
from animator_core.liveportrait.networks.appearance import FEATURE_SIDE
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.liveportrait.networks.networks import Networks

logger = logging.getLogger(__name__)

OPSET = 17
_FORMAT = "2"
"""Changes when the graph does."""
_PREFIX = "liveportrait-painting-"
_HALF = "-half"

MakeNetworks = Callable[[], Networks]


def graph_path(cache_dir: Path, version: str, is_half: bool = False) -> Path:
    """Return where the graph of the networks of that version lies."""
    return cache_dir / f"{_PREFIX}{_FORMAT}-{version[:16]}{_HALF if is_half else ''}.onnx"


def keep_graph(make_networks: MakeNetworks, path: Path) -> None:
    """Write the graph into a file named by `graph_path`, as a whole, in place of those of others; raises OSError.

    make_networks: see `graph_bytes`. One in half precision is made of the other where that is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    is_half = path.stem.endswith(_HALF)
    single = path.with_name(path.name.replace(_HALF, "")) if is_half else path
    with written_atomically(path) as unfinished:
        if is_half:
            unfinished.write_bytes(_halved(single) or graph_bytes(make_networks, is_half))
        else:
            write_graph(make_networks(), str(unfinished))
    for other in path.parent.glob(f"{_PREFIX}*.onnx"):
        if not other.name.startswith(single.stem):
            other.unlink(missing_ok=True)


def graph_bytes(make_networks: MakeNetworks, is_half: bool = False) -> bytes:
    """Return the graph, for when no file can be written; make_networks: what gives them in float32 on the CPU."""
    file = io.BytesIO()
    write_graph(make_networks(), file)
    if not is_half:
        return file.getvalue()
    import onnx

    return bytes(halved(onnx.load_from_string(file.getvalue())).SerializeToString())


def _halved(single: Path) -> bytes | None:
    """Return in half precision what the file has, None where it is not there or is damaged."""
    if not single.exists():
        return None
    _need_onnx()
    import onnx

    try:
        model = onnx.load(str(single))
    except Exception as exc:
        # A class of protobuf's, of which several may be there.
        logger.info("%s is damaged: %s", single, first_line(exc, 160))
        return None
    return bytes(halved(model).SerializeToString())


def write_graph(networks: Networks, file: str | io.BytesIO, side: int = FEATURE_SIDE) -> None:
    """Write the graph of ``networks``, which are on the CPU; it takes about as long as three frames do there.

    side: height and width of the features, 64 but in tests. Raises ModelError where the package onnx is missing.
    """
    _need_onnx()
    graph = PaintingGraph(networks.warping_module, networks.spade_generator, side).eval()
    with warnings.catch_warnings(), torch.no_grad():
        # That the exporter will be replaced, and that sizes become constants, as they are meant to.
        warnings.simplefilter("ignore")
        export(graph, _examples(side), file, input_names=list(INPUTS), output_names=list(OUTPUTS), opset_version=OPSET)


def _need_onnx() -> None:
    if importlib.util.find_spec("onnx") is None:
        # The exporter would say so too, at its very end.
        raise ModelError(
            "the package onnx is not installed, without which torch writes no graph",
            "run install.py --onnx, or beside onnxruntime-gpu install onnx by pip",
        )


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

"""Export the per-frame networks as one ONNX graph.

By torch's tracing exporter: the newer one needs another package and is missing in the torch of Intel Macs. Opset 17 is
the newest for which DirectML has every operator used; tests/test_liveportrait_onnx.py has the list.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import warnings
from pathlib import Path
from typing import Callable, cast

import torch
from torch.onnx.utils import export

from animator_core.atomic_file import written_atomically
from animator_core.errors import ModelError, first_line
from animator_core.liveportrait.execution.onnx.fp16 import to_fp16
from animator_core.liveportrait.execution.onnx.graph import INPUTS, OUTPUTS, PaintingGraph
from animator_core.liveportrait.networks.appearance import FEATURE_SIDE
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.liveportrait.networks.networks import Networks

logger = logging.getLogger(__name__)

OPSET = 17
_FORMAT = "2"
"""To be changed with the graph."""
_PREFIX = "liveportrait-painting-"
_FP16_SUFFIX = "-half"

MakeNetworks = Callable[[], Networks]


def graph_path(cache_dir: Path, version: str, fp16: bool = False) -> Path:
    """Return the path of the graph for networks of that version."""
    return cache_dir / f"{_PREFIX}{_FORMAT}-{version[:16]}{_FP16_SUFFIX if fp16 else ''}.onnx"


def keep_graph(make_networks: MakeNetworks, path: Path) -> None:
    """Write the graph atomically to a path from `graph_path` and remove those of other versions; raises OSError.

    make_networks: see `graph_bytes`. A float16 graph is converted from the float32 file if that exists.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fp16 = path.stem.endswith(_FP16_SUFFIX)
    fp32_path = path.with_name(path.name.replace(_FP16_SUFFIX, "")) if fp16 else path
    with written_atomically(path) as unfinished:
        if fp16:
            unfinished.write_bytes(_converted(fp32_path) or graph_bytes(make_networks, fp16))
        else:
            write_graph(make_networks(), str(unfinished))
    for other in path.parent.glob(f"{_PREFIX}*.onnx"):
        if not other.name.startswith(fp32_path.stem):
            other.unlink(missing_ok=True)


def graph_bytes(make_networks: MakeNetworks, fp16: bool = False) -> bytes:
    """Return the graph, for a cache that cannot be written; make_networks: returns them in float32 on the CPU."""
    file = io.BytesIO()
    write_graph(make_networks(), file)
    if not fp16:
        return file.getvalue()
    import onnx

    return bytes(to_fp16(onnx.load_from_string(file.getvalue())).SerializeToString())


def _converted(fp32_path: Path) -> bytes | None:
    """Return the file's graph in float16, None if it is missing or damaged."""
    if not fp32_path.exists():
        return None
    _need_onnx()
    import onnx

    try:
        model = onnx.load(str(fp32_path))
    except Exception as exc:
        # The class of protobuf's error depends on the installed version.
        logger.info("%s is damaged: %s", fp32_path, first_line(exc, 160))
        return None
    return bytes(to_fp16(model).SerializeToString())


def write_graph(networks: Networks, file: str | io.BytesIO, side: int = FEATURE_SIDE) -> None:
    """Write the graph of ``networks`` on the CPU, which takes about as long as three frames there.

    side: height and width of the features, smaller in tests. Raises ModelError if the package onnx is missing.
    """
    _need_onnx()
    graph = PaintingGraph(networks.warping_module, networks.spade_generator, side).eval()
    with warnings.catch_warnings(), torch.no_grad():
        # Deprecation of this exporter, and sizes that become constants, as intended.
        warnings.simplefilter("ignore")
        export(
            graph,
            _examples(side),
            cast(str, file),  # the annotation leaves out that the exporter also writes to a file object
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=OPSET,
        )


def _need_onnx() -> None:
    if importlib.util.find_spec("onnx") is None:
        # The exporter would fail only at its very end.
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

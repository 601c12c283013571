"""Painting by onnxruntime equals torch, with a graph that DirectML and CoreML can run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.golden_rule import image_tensor
from golden.golden_vectors import golden
from torch import nn

from animator_core.liveportrait.execution.onnx.export import OPSET, graph_path
from animator_core.liveportrait.execution.onnx.fp16 import to_fp16
from animator_core.liveportrait.execution.onnx.ops_2d import Conv3dBy2d, UpConv3dBy2d, sample_at, sample_shifted
from animator_core.liveportrait.execution.onnx.painter import OnnxPainter
from animator_core.liveportrait.execution.onnx.providers import CPU
from animator_core.liveportrait.execution.optimized.upsampling import TransposedUpConv
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.networks.warping import identity_grid, sample

SIZE = (6, 5, 7)

DIRECTML_HAS = {
    *("Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "ConvTranspose", "DepthToSpace", "Div", "Exp", "Gather"),
    *("InstanceNormalization", "LeakyRelu", "MatMul", "Max", "Mul", "Relu", "Reshape", "Resize", "Sigmoid", "Slice"),
    *("Softmax", "Split", "Sub", "Transpose"),
}
"""Looked up one by one, with float (Gather, Cast and index arithmetic: also int32), under DmlExecutionProvider in
onnxruntime's docs/OperatorKernels.md of commit 8f063305, whose newest Resize is opset 13's (the same up to 17)."""
COREML_LACKS = {"Gather"}
"""Of the same, compared with coreml_supported_mlprogram_ops.md of commit 9969c9a1; it then stays on the CPU."""
FOLDED = {"Constant"}


# The operators


def test_sampling_at_shifted_places_equals_the_general_one():
    torch.manual_seed(1)
    volume, shift = torch.randn(4, *SIZE), torch.randn(21, 3) * 0.8
    places = identity_grid(SIZE, torch.device("cpu"))[0] + shift[:, None, None, None]
    expected = sample(volume[None].expand(21, -1, -1, -1, -1), places)
    assert torch.allclose(sample_shifted(volume, shift, SIZE).reshape(expected.shape), expected, atol=2e-6)


def test_sampling_by_gathering_equals_the_general_one_inside_at_the_edge_and_far_outside():
    torch.manual_seed(2)
    volume = torch.randn(3, *SIZE)
    edges = torch.tensor([-1e6, -1.3, -1.0, -0.9, 0.9, 1.0, 1.3, 1e6])
    places = torch.cat((torch.randn(2000, 3), torch.cartesian_prod(edges, edges, edges)))
    expected = sample(volume[None], places[None, :, None, None])[0, :, :, 0, 0].transpose(0, 1)
    assert expected.abs().max() > 1, "some of them are inside"
    x, y, z = places.split(1, 1)
    assert torch.allclose(sample_at(volume, (x, y, z), SIZE), expected, atol=1e-5)


@pytest.mark.parametrize(("in_channels", "out_channels", "size"), [(3, 5, 3), (5, 3, 3), (4, 2, 7)])
def test_a_3d_convolution_by_2d_ones_is_equal(in_channels, out_channels, size):
    torch.manual_seed(size)
    conv = nn.Conv3d(in_channels, out_channels, size, padding=size // 2)
    volume = torch.randn(1, in_channels, *SIZE)
    actual = Conv3dBy2d(conv)(volume[0].transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(actual, conv(volume)[0], atol=1e-5)


def test_an_upsampling_3d_convolution_by_2d_ones_is_equal():
    torch.manual_seed(5)
    conv = TransposedUpConv(nn.Conv3d(5, 4, 3, padding=1), 2)
    volume = torch.randn(1, 5, *SIZE)
    actual = UpConv3dBy2d(conv)(volume[0].transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(actual, conv(volume)[0], atol=1e-5)


# The graph at its real size


@pytest.fixture(scope="module")
def onnx_painter(golden_networks, golden_cache_dir) -> Iterator[OnnxPainter]:
    """The golden networks in onnxruntime's CPU provider; the graph is in the cache folder until the end."""
    for package in ("onnxruntime", "onnx"):
        pytest.importorskip(package, reason=f"the package {package} is not installed: install.py --onnx")
    yield OnnxPainter.load(golden_networks, golden_cache_dir, CPU)
    graph_path(golden_cache_dir, golden_networks.version).unlink()


@pytest.fixture(scope="module")
def golden_case(golden_networks) -> tuple[WarpingSource, torch.Tensor, torch.Tensor]:
    """A source, driving keypoints and torch's deformation for them."""
    crop = torch.from_numpy(image_tensor(golden("chain/src0/img_crop_256x256").samples))
    keypoints_source, keypoints_driving = (
        torch.from_numpy(golden(f"chain/src0/{name}").samples).reshape(1, 21, 3) for name in ("x_s", "drv1/x_d")
    )
    with torch.inference_mode():
        source = golden_networks.prepare_warp(golden_networks.extract_appearance(crop), keypoints_source)
        deformation = golden_networks.warping_module.dense_motion_network(source, keypoints_driving)[0]
    return source, keypoints_driving, deformation


@pytest.mark.slow
def test_onnxruntime_paints_the_same_as_torch(golden_case, golden_painting, onnx_painter):
    source, keypoints_driving, deformation = golden_case
    painting = onnx_painter.paint(source, keypoints_driving)
    assert painting.picture.shape == (1, 3, 512, 512)
    assert painting.deformation.shape == (1, 16, 64, 64, 3)
    # Less than a level of 255 at the worst place, where these weights magnify 1e-5 of a deformation, and 0.025 overall.
    assert (painting.picture - golden_painting).abs().max() < 1 / 255
    assert (painting.picture - golden_painting).square().mean().sqrt() < 1e-4
    # A hundredth of the distance between two features is 3e-4.
    assert (painting.deformation - deformation).abs().max() < 2e-4


@pytest.mark.slow
def test_half_precision_paints_the_same_up_to_its_rounding(
    golden_networks, golden_cache_dir, golden_case, golden_painting, onnx_painter
):
    source, keypoints_driving, deformation = golden_case
    half = OnnxPainter.load(golden_networks, golden_cache_dir, replace(CPU, uses_fp16=True))
    path = graph_path(golden_cache_dir, golden_networks.version, fp16=True)
    single = graph_path(golden_cache_dir, golden_networks.version)
    assert path.stat().st_size < 0.51 * single.stat().st_size
    assert read_graph(path)[1] <= DIRECTML_HAS | FOLDED
    path.unlink()
    painting = half.paint(source, keypoints_driving)
    error = 255 * (painting.picture - golden_painting).abs()
    # Levels. These weights magnify what the hourglass rounds; with it in float32 the mean would be 0.05.
    assert 0.05 < error.mean() < 1
    # A fiftieth of the distance between two features on average.
    assert (painting.deformation - deformation).abs().mean() < 5e-4


@pytest.mark.slow
def test_the_graph_has_operators_alone_that_directml_has(golden_networks, golden_cache_dir, onnx_painter):
    opset, operators = read_graph(graph_path(golden_cache_dir, golden_networks.version))
    assert opset == OPSET == 17
    assert operators <= DIRECTML_HAS | FOLDED
    assert operators - FOLDED - COREML_LACKS >= {"Conv", "ConvTranspose", "InstanceNormalization", "MatMul"}


def read_graph(path: Path) -> tuple[int, set[str]]:
    """Return opset and operators of an ONNX file, parsed by protocol buffer field numbers."""
    content = memoryview(path.read_bytes())
    model = dict(fields(content))
    nodes = [node for number, node in fields(model[7]) if number == 1]
    names = {bytes(value).decode() for node in nodes for number, value in fields(node) if number == 4}
    return int(dict(fields(model[8]))[2]), names


def fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    position = 0
    while position < len(message):
        key, position = varint(message, position)
        value, position = varint(message, position) if key & 7 in (0, 2) else (4 if key & 7 == 5 else 8, position)
        if key & 7:
            value, position = message[position : position + value], position + value
        yield key >> 3, value


def varint(message: memoryview, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[position]
        number |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return number, position


# Half precision


def test_half_precision_leaves_coordinates_softmax_and_the_insides_of_norms_single():
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed: install.py --onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = {"weight": np.full((2, 2, 1, 1), 0.1), "bias": np.zeros(2), "one": np.ones(2), "tenth": np.array(0.1)}
    steps = (
        ("Add", ["place", "tenth"], "places"),
        ("Conv", ["image", "weight", "bias"], "seen"),
        ("InstanceNormalization", ["seen", "one", "bias"], "normal"),
        ("Mul", ["normal", "tenth"], "scaled"),
        ("Softmax", ["scaled"], "shares"),
        ("Mul", ["shares", "places"], "moved"),
        ("Sigmoid", ["scaled"], "picture"),
    )
    nodes = [helper.make_node(kind, inputs, [result], name=result) for kind, inputs, result in steps]
    size = [1, 2, 3, 3]
    names = ("image", "place", "moved", "picture")
    ends = [helper.make_tensor_value_info(name, kinds.FLOAT, size) for name in names]
    constants = [onnx.numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "small", ends[:2], ends[2:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    changed = onnx.shape_inference.infer_shapes(to_fp16(model), strict_mode=True)
    onnx.checker.check_model(changed)
    kind_of = {
        each.name: each.type.tensor_type.elem_type for each in (*changed.graph.value_info, *changed.graph.output)
    }
    half = {"seen", "normal", "scaled"}
    assert {name for name in kind_of if name in {step[2] for step in steps} and kind_of[name] == kinds.FLOAT16} == half
    inside = next(node for node in changed.graph.node if node.op_type == "InstanceNormalization")
    assert kind_of[inside.input[0]] == kinds.FLOAT
    assert {each.name: each.data_type for each in changed.graph.initializer} == {
        **dict.fromkeys(("weight_in_half", "bias_in_half", "tenth_in_half"), kinds.FLOAT16),
        **dict.fromkeys(("one", "bias", "tenth"), kinds.FLOAT),
    }

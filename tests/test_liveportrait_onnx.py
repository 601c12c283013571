"""Painting by onnxruntime gives what torch paints, from a graph that DirectML and CoreML can run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden.golden_rule import image_tensor
from golden.golden_vectors import golden
from torch import nn

from animator_core.errors import AnimatorError, ModelError
from animator_core.liveportrait.lean.enlarging import EnlargingConv
from animator_core.liveportrait.lean.warping import WarpingSource
from animator_core.liveportrait.onnx import export, painter, providers
from animator_core.liveportrait.onnx.export import OPSET, graph_path
from animator_core.liveportrait.onnx.painter import OnnxPainter
from animator_core.liveportrait.onnx.providers import CPU, DIRECTML, choose_provider
from animator_core.liveportrait.onnx.slices import SliceConv, SliceEnlargingConv, sampled, translated
from animator_core.liveportrait.warping import identity_grid, sample
from animator_core.render.liveportrait.backend import choose_backend

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
    places = identity_grid(*SIZE, torch.device("cpu"))[0] + shift[:, None, None, None]
    expected = sample(volume[None].expand(21, -1, -1, -1, -1), places)
    assert torch.allclose(translated(volume, shift, SIZE).reshape(expected.shape), expected, atol=2e-6)


def test_sampling_by_gathering_equals_the_general_one_inside_at_the_edge_and_far_outside():
    torch.manual_seed(2)
    volume = torch.randn(3, *SIZE)
    edges = torch.tensor([-1e6, -1.3, -1.0, -0.9, 0.9, 1.0, 1.3, 1e6])
    places = torch.cat((torch.randn(2000, 3), torch.cartesian_prod(edges, edges, edges)))
    expected = sample(volume[None], places[None, :, None, None])[0, :, :, 0, 0].transpose(0, 1)
    assert expected.abs().max() > 1, "some of them are inside"
    x, y, z = places.split(1, 1)
    assert torch.allclose(sampled(volume, (x, y, z), SIZE), expected, atol=1e-5)


@pytest.mark.parametrize(("in_channels", "out_channels", "size"), [(3, 5, 3), (5, 3, 3), (4, 2, 7)])
def test_a_convolution_of_slices_equals_one_of_the_volume(in_channels, out_channels, size):
    torch.manual_seed(size)
    conv = nn.Conv3d(in_channels, out_channels, size, padding=size // 2)
    volume = torch.randn(1, in_channels, *SIZE)
    actual = SliceConv(conv)(volume[0].transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(actual, conv(volume)[0], atol=1e-5)


def test_an_enlarging_convolution_of_slices_equals_one_of_the_volume():
    torch.manual_seed(5)
    conv = EnlargingConv(nn.Conv3d(5, 4, 3, padding=1), 2)
    volume = torch.randn(1, 5, *SIZE)
    actual = SliceEnlargingConv(conv)(volume[0].transpose(0, 1)).transpose(0, 1)
    assert torch.allclose(actual, conv(volume)[0], atol=1e-5)


# The graph at its real size


@pytest.fixture(scope="module")
def onnx_painter(golden_networks, golden_cache_dir) -> Iterator[OnnxPainter]:
    """The golden networks painted by onnxruntime's CPU provider; the graph lies in the cache folder until then."""
    for package in ("onnxruntime", "onnx"):
        pytest.importorskip(package, reason=f"the package {package} is not installed: install.py --onnx")
    yield OnnxPainter.load(golden_networks, golden_cache_dir, CPU)
    graph_path(golden_cache_dir, golden_networks.version).unlink()


@pytest.mark.slow
def test_onnxruntime_paints_what_torch_paints(golden_networks, golden_painting, onnx_painter):
    crop = torch.from_numpy(image_tensor(golden("chain/src0/img_crop_256x256").samples))
    keypoints_source, keypoints_driving = (
        torch.from_numpy(golden(f"chain/src0/{name}").samples).reshape(1, 21, 3) for name in ("x_s", "drv1/x_d")
    )
    with torch.inference_mode():
        source = golden_networks.prepare_warp(golden_networks.extract_appearance(crop), keypoints_source)
    painting = onnx_painter.paint(source, keypoints_driving)
    assert painting.picture.shape == (1, 3, 512, 512)
    assert painting.deformation.shape == (1, 16, 64, 64, 3)
    # Less than a level of 255 at the worst place, where these weights magnify 1e-5 of a deformation, and 0.025 overall.
    assert (painting.picture - golden_painting).abs().max() < 1 / 255
    assert (painting.picture - golden_painting).square().mean().sqrt() < 1e-4
    with torch.inference_mode():
        deformation = golden_networks.warping_module.dense_motion_network(source, keypoints_driving)[0]
    # A hundredth of the distance between two features is 3e-4.
    assert (painting.deformation - deformation).abs().max() < 2e-4


@pytest.mark.slow
def test_the_graph_has_operators_alone_that_directml_has(golden_networks, golden_cache_dir, onnx_painter):
    opset, operators = read_graph(graph_path(golden_cache_dir, golden_networks.version))
    assert opset == OPSET == 17
    assert operators <= DIRECTML_HAS | FOLDED
    assert operators - FOLDED - COREML_LACKS >= {"Conv", "ConvTranspose", "InstanceNormalization", "MatMul"}


def read_graph(path: Path) -> tuple[int, set[str]]:
    """Return opset and operators of an ONNX file, by the numbers of its protocol buffers' fields."""
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


# Its file


class Sessions:
    """Stands for onnxruntime: opens every graph but a damaged one."""

    def __init__(self) -> None:
        self.opened: list[bytes] = []
        self.used = CPU.registered

    def __call__(self, model: Path | bytes, provider: providers.Provider) -> SimpleNamespace:
        content = model if isinstance(model, bytes) else model.read_bytes()
        self.opened.append(content)
        if content == b"damaged":
            raise RuntimeError("protobuf parsing failed\nmore")
        return SimpleNamespace(get_providers=lambda: [self.used], run=self.run)

    def run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert {array.shape[0] for array in feed.values()} == {1}
        shade = feed["features"].mean() + feed["keypoints_driving"].mean()
        return [np.full((1, 3, 4, 4), shade, np.float32), np.zeros((1, 1, 2, 2, 3), np.float32)]


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    made = Sessions()
    monkeypatch.setattr(painter, "open_session", made)

    def write(networks: object, file: object, side: int = 64) -> None:
        if isinstance(file, str):
            Path(file).write_bytes(b"graph")
        else:
            file.write(b"graph")

    monkeypatch.setattr(export, "write_graph", write)
    return made


NETWORKS = SimpleNamespace(version="0123456789abcdef0123")


def test_the_graph_is_written_once_and_those_of_other_weights_go(sessions, tmp_path):
    other = graph_path(tmp_path, "fedcba98765432100000")
    other.write_bytes(b"old")
    for _ in range(2):
        OnnxPainter.load(NETWORKS, tmp_path, CPU)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"graph"]
    path = graph_path(tmp_path, NETWORKS.version)
    path.write_bytes(b"kept")
    OnnxPainter.load(NETWORKS, tmp_path, CPU)
    assert sessions.opened == [b"graph", b"graph", b"kept"]


def test_a_damaged_graph_is_written_again(sessions, tmp_path):
    path = graph_path(tmp_path, NETWORKS.version)
    path.write_bytes(b"damaged")
    OnnxPainter.load(NETWORKS, tmp_path, CPU)
    assert sessions.opened == [b"damaged", b"graph"]
    assert path.read_bytes() == b"graph"


def test_without_a_folder_that_can_be_written_the_graph_is_kept_in_memory(sessions, tmp_path, caplog):
    OnnxPainter.load(NETWORKS, None, CPU)
    (tmp_path / "file").write_bytes(b"")
    OnnxPainter.load(NETWORKS, tmp_path / "file" / "cache", CPU)
    assert sessions.opened == [b"graph", b"graph"]
    assert "free disk space or make the folder writable" in caplog.text


def test_a_provider_that_fails_or_that_onnxruntime_leaves_out_is_named_with_the_remedy(sessions, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"DirectML does not start here, .* update the graphics driver, or .* to cpu"):
        OnnxPainter.load(NETWORKS, tmp_path, DIRECTML)
    monkeypatch.setattr(export, "write_graph", lambda networks, file, side=64: Path(file).write_bytes(b"damaged"))
    graph_path(tmp_path, NETWORKS.version).unlink()
    with pytest.raises(ModelError, match=r"cannot run LivePortrait by CPU \(protobuf parsing failed\); update"):
        OnnxPainter.load(NETWORKS, tmp_path, CPU)


def test_frames_of_one_source_are_painted_one_by_one(sessions):
    made = OnnxPainter(sessions(b"graph", CPU), "CPU")
    source = WarpingSource(torch.ones(1, 2), torch.zeros(1, 3), torch.zeros(1, 4), torch.zeros(1, 5))
    painting = made.paint(source, torch.tensor([[1.0], [3.0]]))
    assert painting.picture[:, 0, 0, 0].tolist() == [2.0, 4.0]
    assert painting.deformation.shape == (2, 1, 2, 2, 3)
    assert made.name == "onnx CPU"


def test_without_the_package_onnx_nothing_is_computed_first(monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"the package onnx is not installed.*run install\.py --onnx"):
        export.write_graph(SimpleNamespace(warping_module=None, spade_generator=None), "never")


def test_a_device_that_fails_between_frames_is_an_error_that_the_worker_can_give_way_to():
    def fail(names: list[str], feed: dict[str, np.ndarray]) -> None:
        raise Exception("887A0005 device removed\nmore")

    source = WarpingSource(torch.ones(1, 2), torch.zeros(1, 3), torch.zeros(1, 4), torch.zeros(1, 5))
    with pytest.raises(ModelError, match=r"onnx DirectML failed \(887A0005 device removed\); close programs"):
        OnnxPainter(SimpleNamespace(run=fail), "DirectML").paint(source, torch.ones(1, 1))


# Which provider


@pytest.fixture
def available(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a stand-in of onnxruntime says that it has; may be changed."""
    names = ["CPUExecutionProvider"]
    calls: list[str] = []
    module = SimpleNamespace(
        get_available_providers=lambda: names, disable_telemetry_events=lambda: calls.append("off"), calls=calls
    )
    module.__spec__ = object()
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return names


def test_the_first_accelerator_is_taken(available):
    assert choose_provider().provider is CPU
    available[:0] = ["CUDAExecutionProvider", "DmlExecutionProvider"]
    choice = choose_provider()
    assert (choice.provider, choice.note, choice.is_accelerator) == (DIRECTML, "", True)
    assert choose_provider("cpu").provider is CPU


def test_a_provider_that_is_not_there_is_replaced_by_the_cpu_and_said(available):
    choice = choose_provider("directml")
    assert (choice.provider, choice.is_accelerator) == (CPU, False)
    assert "no DirectML here, so it runs on the CPU; install the package onnxruntime-directml" in choice.note


def test_onnxruntime_is_kept_from_reporting_to_its_maker(available, monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    module = providers.load_onnxruntime()
    assert module.calls == ["off"]
    assert providers.os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"the package onnxruntime is not installed; run install\.py --onnx"):
        choose_provider()


def test_auto_takes_onnxruntime_where_it_alone_has_an_accelerator(available, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_backend().provider is None, "on a CPU torch paints"
    available.insert(0, "DmlExecutionProvider")
    choice = choose_backend()
    assert (choice.provider, choice.device, choice.name) == (DIRECTML, "cpu", "DirectML, onnxruntime")
    assert choice.is_capable
    assert choose_backend(device="cpu").provider is None, "the settings ask for the CPU"
    assert choose_backend("torch").provider is None


def test_the_settings_decide_on_onnxruntime_and_its_provider(available):
    choice = choose_backend("onnx", provider="coreml")
    assert choice.provider is CPU
    assert not choice.is_capable
    assert "no CoreML here" in choice.note
    with pytest.raises(AnimatorError, match="back end 'tensorrt' is unknown; choose one of auto, torch, onnx"):
        choose_backend("tensorrt")
    with pytest.raises(AnimatorError, match="provider 'rocm' is unknown; choose auto or directml"):
        choose_backend("onnx", provider="rocm")

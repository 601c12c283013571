"""The onnxruntime painter: its graph file, and the inputs cached on the device."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from onnx_doubles import NETWORKS, Value, small_model

from animator_core.errors import ModelError
from animator_core.liveportrait.execution.onnx import export, painter, providers
from animator_core.liveportrait.execution.onnx.export import graph_path
from animator_core.liveportrait.execution.onnx.graph import INPUTS, OUTPUTS
from animator_core.liveportrait.execution.onnx.painter import OnnxPainter
from animator_core.liveportrait.execution.onnx.providers import CPU, CUDA
from animator_core.liveportrait.execution.optimized.warping import WarpingSource

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
            raise RuntimeError("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : parsing failed\nmore")
        if content == b"refused":
            raise RuntimeError("/src/core/session/bridge.cc:1988 Status f(const A&, B&) no device\nmore")
        return SimpleNamespace(get_providers=lambda: [self.used])


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    made = Sessions()
    monkeypatch.setattr(painter, "open_session", made)
    monkeypatch.setattr(painter, "load_onnxruntime", lambda: SimpleNamespace(OrtValue=Value))

    def write(networks: object, file: object, side: int = 64) -> None:
        if isinstance(file, str):
            Path(file).write_bytes(b"graph")
        else:
            file.write(b"graph")

    monkeypatch.setattr(export, "write_graph", write)
    return made


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


def test_the_float16_graph_is_converted_from_the_float32_file_beside_it(sessions, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed: install.py --onnx")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "kept", [], []))
    single, half = (graph_path(tmp_path, NETWORKS.version, fp16) for fp16 in (False, True))
    onnx.save(model, single)
    content = single.read_bytes()
    monkeypatch.setattr(export, "write_graph", lambda *more: pytest.fail("exported again"))
    graph_path(tmp_path, "fedcba98765432100000", True).write_bytes(b"old")
    OnnxPainter.load(NETWORKS, tmp_path, replace(CPU, uses_fp16=True))
    assert sorted(tmp_path.iterdir()) == sorted((single, half))
    assert (single.read_bytes(), half.read_bytes()) == (content, content)
    assert sessions.opened == [content]


def test_the_float16_graph_is_exported_if_the_float32_file_is_damaged(sessions, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed: install.py --onnx")
    content = onnx.helper.make_model(onnx.helper.make_graph([], "new", [], [])).SerializeToString()
    exported = []

    def write(networks: object, file: Any, side: int = 64) -> None:
        exported.append(networks)
        file.write(content)

    monkeypatch.setattr(export, "write_graph", write)
    graph_path(tmp_path, NETWORKS.version).write_bytes(b"damaged")
    exportable = SimpleNamespace()
    OnnxPainter.load(NETWORKS, tmp_path, replace(CPU, uses_fp16=True), make_exportable=lambda: exportable)
    OnnxPainter.load(NETWORKS, None, replace(CPU, uses_fp16=True), make_exportable=lambda: exportable)
    assert exported == [exportable, exportable], "those on the CPU, not those on the GPU"
    assert sessions.opened == [content, content]


def test_without_a_folder_that_can_be_written_the_graph_is_kept_in_memory(sessions, tmp_path, caplog):
    OnnxPainter.load(NETWORKS, None, CPU)
    (tmp_path / "file").write_bytes(b"")
    OnnxPainter.load(NETWORKS, tmp_path / "file" / "cache", CPU)
    assert sessions.opened == [b"graph", b"graph"]
    assert "free disk space or make the folder writable" in caplog.text


def test_a_provider_that_fails_or_that_onnxruntime_leaves_out_is_named_with_the_remedy(sessions, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"OpenVINO cannot run .* would use CPU.*; update the graphics driver, or set"):
        OnnxPainter.load(NETWORKS, tmp_path, providers.OPENVINO)
    monkeypatch.setattr(export, "write_graph", lambda networks, file, side=64: Path(file).write_bytes(b"damaged"))
    graph_path(tmp_path, NETWORKS.version).unlink()
    with pytest.raises(ModelError, match=r"CPU cannot run LivePortrait here \(.* : parsing failed\); update"):
        OnnxPainter.load(NETWORKS, tmp_path, CPU)


def test_a_graph_that_the_device_refuses_is_not_written_again(sessions, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "write_graph", lambda *more: pytest.fail("exported again"))
    graph_path(tmp_path, NETWORKS.version).write_bytes(b"refused")
    with pytest.raises(ModelError, match=r"CPU cannot run LivePortrait here \(no device\); update"):
        OnnxPainter.load(NETWORKS, tmp_path, CPU)


def test_without_the_package_onnx_nothing_is_computed_first(monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"the package onnx is not installed.*run install\.py --onnx"):
        export.write_graph(SimpleNamespace(warping_module=None, spade_generator=None), "never")


# Inputs cached on the device


class Uploads:
    """Makes values, by a stand-in or by onnxruntime, and notes their memory; fails for a refused memory."""

    def __init__(self, make: Callable[[np.ndarray, str, int], Any] = Value, refused: str = "") -> None:
        self._make, self._refused = make, refused
        self.places: list[str] = []
        self.values: list[weakref.ref[Any]] = []

    def __call__(self, array: np.ndarray, memory: str, index: int) -> Any:
        if memory == self._refused:
            raise RuntimeError(f"no memory there: {memory}\nmore")
        self.places.append(f"{memory}:{index}")
        value = self._make(array, memory, index)
        self.values.append(weakref.ref(value))
        return value


class Session:
    """Stands for onnxruntime's: pictures of one shade; values in the memory ``spoilt`` give another one."""

    def __init__(self, spoilt: str = "", error: str = "") -> None:
        self.spoilt, self.error = spoilt, error
        self._is_running = threading.Lock()

    def run_with_ort_values(self, names: list[str], given: dict[str, Value]) -> list[Value]:
        assert self._is_running.acquire(blocking=False), "two threads at once"
        try:
            if self.error:
                raise Exception(self.error)
            assert names == list(OUTPUTS)
            assert set(given) == set(INPUTS)
            assert {value.array.shape[0] for value in given.values()} == {1}
            shade = given["features"].array.mean() + given["keypoints_driving"].array.mean()
            shade += given["features"].place[0] == self.spoilt
            picture, deformation = np.full((1, 3, 4, 4), shade, np.float32), np.zeros((1, 1, 2, 2, 3), np.float32)
            return [Value(picture, "cpu", 0), Value(deformation, "cpu", 0)]
        finally:
            self._is_running.release()


def warping_source(shade: float = 1.0, batch: int = 1) -> WarpingSource:
    features = torch.full((batch, 2), shade) + torch.arange(batch)[:, None]
    return WarpingSource(features, torch.zeros(1, 3), torch.zeros(1, 4), torch.zeros(1, 5))


def shades(made: OnnxPainter, source: WarpingSource, *keypoints: float) -> list[float]:
    return made.paint(source, torch.tensor(keypoints)[:, None]).picture[:, 0, 0, 0].tolist()


def test_frames_of_one_source_are_painted_one_by_one():
    made = OnnxPainter(Session(), CPU, Value)
    painting = made.paint(warping_source(), torch.tensor([[1.0], [3.0]]))
    assert painting.picture[:, 0, 0, 0].tolist() == [2.0, 4.0]
    assert painting.deformation.shape == (2, 1, 2, 2, 3)
    assert made.name == "onnx CPU"
    assert shades(made, warping_source(1, batch=2), 1, 1) == [2.0, 3.0], "each of a batch has its own"


def test_a_character_goes_to_the_device_once_and_keypoints_with_each_frame():
    uploads = Uploads()
    made = OnnxPainter(Session(), replace(CUDA, index=1), uploads)
    sources = [warping_source(shade) for shade in (1, 5)]
    assert [shades(made, source, 1, 2) for source in sources] == [[2, 3], [6, 7]]
    uploads.places.clear()
    assert [shades(made, source, 1, 2, 3) for source in sources] == [[2, 3, 4], [6, 7, 8]]
    assert uploads.places == ["cpu:0"] * 6, "keypoints, which the session takes along itself"
    assert shades(made, warping_source(7), 1) == [8]
    assert sorted(uploads.places[6:]) == ["cpu:0", *["cuda:1"] * 4]


def test_a_character_that_is_dropped_leaves_the_device():
    uploads = Uploads()
    made = OnnxPainter(Session(), CUDA, uploads)
    kept, dropped = warping_source(1), warping_source(2)
    for source in (kept, dropped):
        shades(made, source, 1)
    uploads.values.clear()
    del source, dropped
    gc.collect()
    another = [warping_source(shade) for shade in range(3)]
    for each in another:
        shades(made, each, 1)
    del another, each
    gc.collect()
    assert len(made._sources._cached) == 1
    assert not any(value() for value in uploads.values)
    assert shades(made, kept, 4) == [5]


def test_several_threads_paint_several_characters():
    made = OnnxPainter(Session(), CUDA, Value)
    sources = [warping_source(10 * number) for number in range(4)]
    results: dict[int, list[float]] = {}

    def paint(number: int) -> None:
        results[number] = [shades(made, sources[number], step)[0] for step in range(50)]

    threads = [threading.Thread(target=paint, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [10 * number + step for step in range(50)] for number in range(4)}


@pytest.mark.parametrize(
    ("uploads", "session", "reason"),
    [
        (Uploads(refused="cuda"), Session(), "no memory there: cuda"),
        (Uploads(), Session(spoilt="cuda"), "the picture differs"),
    ],
)
def test_if_caching_on_the_device_fails_characters_go_there_with_each_frame(uploads, session, reason, caplog):
    made = OnnxPainter(session, CUDA, uploads)
    source = warping_source()
    assert [shades(made, source, step) for step in (1, 2)] == [[2], [3]]
    assert f"onnx CUDA is given the character with each frame, which is slower ({reason})" in caplog.text
    uploads.places.clear()
    shades(made, warping_source(), 1)
    assert set(uploads.places) == {"cpu:0"}


def test_a_device_that_fails_between_frames_is_an_error_that_the_worker_can_give_way_to():
    session = Session()
    made = OnnxPainter(session, CUDA, Value)
    shades(made, warping_source(), 1)
    session.error = "887A0005 device removed\nmore"
    with pytest.raises(ModelError, match=r"onnx CUDA failed \(887A0005 device removed\); close programs"):
        shades(made, warping_source(), 1)


def test_onnxruntime_itself_takes_kept_values_as_it_takes_arrays():
    pytest.importorskip("onnx", reason="the package onnx is not installed: install.py --onnx")
    onnxruntime = pytest.importorskip(
        "onnxruntime", reason="the package onnxruntime is not installed: install.py --onnx"
    )
    session = providers.open_session(small_model(), CPU)
    uploads = Uploads(onnxruntime.OrtValue.ortvalue_from_numpy)
    made = OnnxPainter(session, CPU, uploads)
    torch.manual_seed(3)
    source = WarpingSource(*torch.randn(4, 1, 21, 3))
    frames = [torch.randn(1, 21, 3) for _ in range(3)]
    paintings = [made.paint(source, frame) for frame in frames]
    arrays = {name: getattr(source, name).numpy() for name in INPUTS[:-1]}
    for frame, painting in zip(frames, paintings):
        expected = session.run(list(OUTPUTS), {**arrays, INPUTS[-1]: frame.numpy()})
        assert np.array_equal(painting.picture.numpy(), expected[0]), "nor does a later frame overwrite it"
        assert np.array_equal(painting.deformation.numpy(), expected[1])
    assert len(uploads.places) == 4 + 3
    del source
    gc.collect()
    assert not any(value() for value in uploads.values)

"""The painter by onnxruntime: its file, what it keeps on the device, and which provider it runs on."""

from __future__ import annotations

import gc
import sys
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

from animator_core.errors import AnimatorError, ModelError
from animator_core.liveportrait.lean.warping import WarpingSource
from animator_core.liveportrait.onnx import export, painter, providers, tensorrt
from animator_core.liveportrait.onnx.export import graph_path
from animator_core.liveportrait.onnx.graph import INPUTS, OUTPUTS
from animator_core.liveportrait.onnx.painter import OnnxPainter
from animator_core.liveportrait.onnx.providers import CPU, CUDA, DIRECTML, TENSORRT, choose_provider
from animator_core.render.build import RendererSettings, RendererSource
from animator_core.render.liveportrait import engine
from animator_core.render.liveportrait.backend import choose_backend

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


NETWORKS = SimpleNamespace(version="0123456789abcdef0123", device="cpu")


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


def test_half_precision_is_made_of_the_single_file_and_lies_beside_it(sessions, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed: install.py --onnx")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "kept", [], []))
    single, half = (graph_path(tmp_path, NETWORKS.version, is_half) for is_half in (False, True))
    onnx.save(model, single)
    content = single.read_bytes()
    monkeypatch.setattr(export, "write_graph", lambda *more: pytest.fail("exported again"))
    graph_path(tmp_path, "fedcba98765432100000", True).write_bytes(b"old")
    OnnxPainter.load(NETWORKS, tmp_path, replace(CPU, computes_half=True))
    assert sorted(tmp_path.iterdir()) == sorted((single, half))
    assert (single.read_bytes(), half.read_bytes()) == (content, content)
    assert sessions.opened == [content]


def test_half_precision_without_a_whole_single_file_is_exported(sessions, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed: install.py --onnx")
    content = onnx.helper.make_model(onnx.helper.make_graph([], "new", [], [])).SerializeToString()
    exported = []

    def write(networks: object, file: Any, side: int = 64) -> None:
        exported.append(networks)
        file.write(content)

    monkeypatch.setattr(export, "write_graph", write)
    graph_path(tmp_path, NETWORKS.version).write_bytes(b"damaged")
    exportable = SimpleNamespace()
    OnnxPainter.load(NETWORKS, tmp_path, replace(CPU, computes_half=True), lambda: exportable)
    OnnxPainter.load(NETWORKS, None, replace(CPU, computes_half=True), lambda: exportable)
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


# What stays on the device


class Value:
    """Stands for an OrtValue: an array in a device's memory of a name."""

    def __init__(self, array: np.ndarray, memory: str, index: int) -> None:
        self.array, self.place = array.copy(), (memory, index)

    ortvalue_from_numpy = classmethod(lambda cls, array, memory, index: cls(array, memory, index))

    def numpy(self) -> np.ndarray:
        return self.array


class Uploads:
    """Makes values, by a stand-in or by onnxruntime itself, and remembers where they were put; refuses to put some."""

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
    """Stands for onnxruntime's: its pictures are of one shade; values that lie on ``spoilt`` count as other ones."""

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
    made = OnnxPainter(Session(), DIRECTML, uploads)
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
    assert len(made._sources) == 1
    assert not any(value() for value in uploads.values)
    assert shades(made, kept, 4) == [5]


def test_several_threads_paint_several_characters():
    made = OnnxPainter(Session(), DIRECTML, Value)
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
        (Uploads(refused="dml"), Session(), "no memory there: dml"),
        (Uploads(), Session(spoilt="dml"), "the picture differs"),
    ],
)
def test_where_the_device_keeps_nothing_or_spoils_it_characters_go_there_with_each_frame(
    uploads, session, reason, caplog
):
    made = OnnxPainter(session, DIRECTML, uploads)
    source = warping_source()
    assert [shades(made, source, step) for step in (1, 2)] == [[2], [3]]
    assert f"onnx DirectML is given the character with each frame, which is slower ({reason})" in caplog.text
    uploads.places.clear()
    shades(made, warping_source(), 1)
    assert set(uploads.places) == {"cpu:0"}


def test_a_device_that_fails_between_frames_is_an_error_that_the_worker_can_give_way_to():
    session = Session()
    made = OnnxPainter(session, DIRECTML, Value)
    shades(made, warping_source(), 1)
    session.error = "887A0005 device removed\nmore"
    with pytest.raises(ModelError, match=r"onnx DirectML failed \(887A0005 device removed\); close programs"):
        shades(made, warping_source(), 1)


def small_model() -> bytes:
    """Return a graph with the inputs and outputs of the real one, which adds them up."""
    import onnx

    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Sum", list(INPUTS), ["sum"]),
        helper.make_node("Relu", ["sum"], ["picture"]),
        helper.make_node("Neg", ["sum"], ["deformation"]),
    ]
    ends = {name: helper.make_tensor_value_info(name, kind, [1, 21, 3]) for name in (*INPUTS, *OUTPUTS)}
    graph = helper.make_graph(nodes, "sum", [ends[name] for name in INPUTS], [ends[name] for name in OUTPUTS])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


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


# Which provider


class Onnxruntime:
    """Stands for the module, with the providers of ``names``; sessions fail where ``fails`` says so."""

    __spec__ = object()
    OrtValue = Value

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.fails = bool
        self.calls: list[str] = []
        self.opened: list[SimpleNamespace] = []

    def get_available_providers(self) -> list[str]:
        return self.names

    def disable_telemetry_events(self) -> None:
        self.calls.append("off")

    def SessionOptions(self) -> SimpleNamespace:
        return SimpleNamespace(add_session_config_entry=lambda *entry: None, enable_mem_pattern=True)

    def InferenceSession(self, model: object, options: object, **arguments: Any) -> SimpleNamespace:
        names = [each if isinstance(each, str) else each[0] for each in arguments["providers"]]
        self.opened.append(SimpleNamespace(model=model, options=options, **arguments))
        if self.fails():
            raise RuntimeError("Please install TensorRT libraries\nmore")
        return SimpleNamespace(get_providers=lambda: names)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Onnxruntime:
    made = Onnxruntime(["CPUExecutionProvider"])
    monkeypatch.setitem(sys.modules, "onnxruntime", made)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setattr(tensorrt, "_gpus", lambda: "RTX 9, 999.1, 12.0")
    return made


@pytest.fixture
def available(module: Onnxruntime) -> list[str]:
    """What a stand-in of onnxruntime says that it has; may be changed."""
    return module.names


def test_the_first_accelerator_is_taken(available):
    assert choose_provider() is CPU
    available[:0] = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "DmlExecutionProvider"]
    assert choose_provider() is DIRECTML
    assert choose_provider("cpu") is CPU
    available.remove("DmlExecutionProvider")
    assert choose_provider() is CUDA, "whose first start takes no minutes"


def test_onnxruntime_is_kept_from_reporting_to_its_maker(module, monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert providers.load_onnxruntime().calls == ["off"]
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


def test_half_precision_is_for_gpus_and_where_the_settings_want_it(available):
    available[:0] = [each.registered for each in providers.PROVIDERS[:-1]]
    names = ("directml", "cuda", "tensorrt", "coreml", "openvino", "cpu")
    halves = {name: choose_backend("onnx", provider=name).provider.computes_half for name in names}
    assert halves == {**dict.fromkeys(names[:3], True), **dict.fromkeys(names[3:], False)}
    assert not choose_backend("onnx", fp16=False, provider="directml").provider.computes_half


def test_a_provider_that_is_not_there_is_said_and_torch_paints(available):
    for name, package in (("directml", "onnxruntime-directml"), ("tensorrt", tensorrt.gpu_packages(True))):
        choice = choose_backend("onnx", provider=name)
        assert (choice.provider, choice.is_capable) == (None, False)
        assert choice.note.startswith("onnxruntime is not used: the onnxruntime that is installed has no ")
        assert f"; uninstall it with pip and install {package}" in choice.note
        assert "backend to auto" in choice.note
    with pytest.raises(AnimatorError, match="back end 'tensorrt' is unknown; choose one of auto, torch, onnx"):
        choose_backend("tensorrt")
    with pytest.raises(AnimatorError, match="provider 'rocm' is unknown; choose auto or directml"):
        choose_backend("onnx", provider="rocm")


# TensorRT


def test_tensorrt_gets_an_engine_folder_bounds_and_cuda_behind_it(module, tmp_path):
    graph = tmp_path / "graph-half.onnx"
    old = tmp_path / "liveportrait-tensorrt-0123456789abcdef"
    old.mkdir()
    (old / "old.engine").write_bytes(b"")
    providers.new_session(graph, replace(TENSORRT, index=2))
    (opened,) = module.opened
    (name, options), (behind, behind_options), last = opened.providers
    assert (name, behind, last) == tuple(each.registered for each in (TENSORRT, CUDA, CPU))
    folder = tensorrt.engine_folder(graph)
    assert options == {
        "device_id": "2",
        "trt_max_workspace_size": str(2**31),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }
    assert behind_options["device_id"] == "2"
    assert opened.enable_fallback == 0
    assert (folder.is_dir(), old.exists()) == (True, False)
    assert opened.model == str(graph)


def test_an_engine_is_of_one_gpu_driver_model_and_version(module, tmp_path, monkeypatch):
    graph = tmp_path / "graph.onnx"
    folders = [tensorrt.engine_folder(graph), tensorrt.engine_folder(tmp_path / "other.onnx")]
    for gpus in ("RTX 8, 999.1, 12.0", "RTX 9, 1000.1, 12.0"):
        monkeypatch.setattr(tensorrt, "_gpus", lambda gpus=gpus: gpus)
        folders.append(tensorrt.engine_folder(graph))
    monkeypatch.setattr(tensorrt, "_version", lambda package: "10.99")
    folders.append(tensorrt.engine_folder(graph))
    assert len(set(folders)) == 5
    assert folders[-1] == tensorrt.engine_folder(graph)


@pytest.fixture
def builds(module: Onnxruntime, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of builds, which leave an engine in the graph's folder instead, or fail as sessions do."""
    commands: list[list[str]] = []

    def run(command: list[str], **more: object) -> SimpleNamespace:
        commands.append(command)
        if module.fails():
            return SimpleNamespace(returncode=1, stderr="[E:onnxruntime] more\nPlease install TensorRT libraries\n")
        folder = tensorrt.engine_folder(Path(command[-2]))
        folder.mkdir(exist_ok=True)
        (folder / "kernel.engine").write_bytes(b"")
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(tensorrt, "subprocess", SimpleNamespace(run=run))
    return commands


def test_the_engine_is_built_once_by_a_process_of_its_own_and_the_log_says_how_long(builds, module, tmp_path, caplog):
    graph = tmp_path / "graph.onnx"
    for _ in range(2):
        providers.open_session(graph, replace(TENSORRT, index=1))
    assert len(module.opened) == 2
    assert [command[-2:] for command in builds] == [[str(graph), "1"]]
    assert "TensorRT builds its engine for this GPU, once: this takes minutes" in caplog.text
    assert "TensorRT built its engine in 0 s" in caplog.text


def test_an_engine_that_cannot_be_kept_is_not_built(builds):
    with pytest.raises(ModelError, match=r"TensorRT cannot keep its engine.*; make performance\.cache_dir writable"):
        providers.open_session(b"graph", TENSORRT)
    assert not builds


def test_the_building_process_says_what_is_wrong_and_tensorrt_is_not_opened(module, tmp_path, monkeypatch):
    """With the real process, from another folder: no onnxruntime here has TensorRT, or it has no GPU."""
    pytest.importorskip("onnx", reason="the package onnx is not installed: install.py --onnx")
    monkeypatch.delitem(sys.modules, "onnxruntime")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: install.py --onnx")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU, on which TensorRT may run")
    graph = tmp_path / "graph.onnx"
    graph.write_bytes(small_model())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match=r"onnxruntime would use CPUExecutionProvider|install TensorRT"):
        providers.open_session(graph, TENSORRT)
    assert not module.opened


def test_a_damaged_engine_is_built_again_and_the_graph_left(builds, module, tmp_path, monkeypatch):
    graph = graph_path(tmp_path, NETWORKS.version, True)
    graph.write_bytes(b"graph")
    damaged = tensorrt.engine_folder(graph) / "damaged.engine"
    damaged.parent.mkdir()
    damaged.write_bytes(b"")
    monkeypatch.setattr(module, "fails", damaged.exists)
    OnnxPainter.load(NETWORKS, tmp_path, TENSORRT)
    assert (len(builds), len(module.opened)) == (1, 2)
    assert graph.read_bytes() == b"graph"


def test_the_packages_are_those_of_torchs_cuda(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert tensorrt.gpu_packages(True) == '"onnx>=1.16,<2" "onnxruntime-gpu>=1.27,<1.29" "tensorrt-cu13>=10.13,<11"'
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    assert tensorrt.gpu_packages(False) == '"onnx>=1.16,<2" "onnxruntime-gpu>=1.19,<1.27"'


@pytest.fixture
def settings(builds: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RendererSettings:
    """With use_tensorrt, and a stand-in for the networks whose painter is made as the real one's is."""
    (tmp_path / "weights.pth").write_bytes(b"")
    cache = tmp_path / "cache"
    cache.mkdir()
    graph_path(cache, NETWORKS.version, True).write_bytes(b"graph")

    def load(folder: Path, device: str, dtype: object, cache_dir: Path, options: object, make: Any, *more: Any) -> Any:
        return SimpleNamespace(version="1" * 12, device=device, painter=make(NETWORKS) if make else "torch")

    monkeypatch.setattr(engine.LivePortraitModel, "load", load)
    monkeypatch.setattr(engine, "SceneShelf", lambda model: None)
    monkeypatch.setattr(export, "graph_bytes", lambda make_networks, is_half: b"graph")
    return RendererSettings(tmp_path, cache_dir=cache, use_tensorrt=True)


def test_use_tensorrt_paints_by_tensorrt(settings, module):
    module.names[:0] = [TENSORRT.registered, CUDA.registered]
    renderer = RendererSource(replace(settings, backend="torch", onnx_provider="cpu")).create("liveportrait")
    assert renderer.model.painter.name == "onnx TensorRT"
    assert renderer.device == "TensorRT, onnxruntime"


def test_tensorrt_that_does_not_load_is_said_with_the_remedy_and_torch_paints(settings, module, caplog):
    module.names[:0] = [TENSORRT.registered, CUDA.registered]
    module.fails = lambda: True
    renderer = RendererSource(settings).create("liveportrait")
    assert renderer.model.painter == "torch"
    assert renderer.note.startswith("onnxruntime is not used: TensorRT cannot run LivePortrait here (Please install")
    assert "install " + tensorrt.gpu_packages(True) + " by pip" in renderer.note
    assert renderer.note.partition(": ")[2] in caplog.text
    automatic = RendererSource(settings).create("auto")
    assert (automatic.name, automatic.note) == ("warp", renderer.note), "without a GPU that torch knows"


def test_without_onnxruntime_use_tensorrt_is_a_note_and_torch_paints(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    renderer = RendererSource(settings).create("liveportrait")
    assert renderer.model.painter == "torch"
    assert "the package onnxruntime is not installed; run install.py --onnx" in renderer.note
    assert tensorrt.gpu_packages(True) in renderer.note
    assert "use_tensorrt to false" in renderer.note

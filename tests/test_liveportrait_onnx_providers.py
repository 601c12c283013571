"""The choice of onnxruntime's provider, its options, and the fallback if it is missing; TensorRT."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from onnx_doubles import NETWORKS, Value, small_model

from animator_core.config import ComputeConfig
from animator_core.errors import AnimatorError, ModelError
from animator_core.liveportrait import engine
from animator_core.liveportrait.execution.backend import choose_backend
from animator_core.liveportrait.execution.onnx import export, providers, tensorrt
from animator_core.liveportrait.execution.onnx.export import graph_path
from animator_core.liveportrait.execution.onnx.painter import OnnxPainter
from animator_core.liveportrait.execution.onnx.providers import CPU, CUDA, DIRECTML, TENSORRT, choose_provider
from animator_core.renderers import RendererSettings, RendererSource

# Which provider


class Onnxruntime:
    """Stands for the module, with the providers of ``names``; sessions fail if ``fails()``."""

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
    """The providers of the stand-in, which may be changed."""
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
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"the package onnxruntime is not installed; run install\.py --onnx"):
        choose_provider()


def test_auto_takes_onnxruntime_if_it_alone_has_an_accelerator(available, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_backend(ComputeConfig()).provider is None, "on a CPU torch paints"
    available.insert(0, "DmlExecutionProvider")
    choice = choose_backend(ComputeConfig())
    assert (choice.provider, choice.device, choice.name) == (DIRECTML, "cpu", "DirectML, onnxruntime")
    assert choice.is_capable
    assert choose_backend(ComputeConfig(device="cpu")).provider is None, "the settings ask for the CPU"
    assert choose_backend(ComputeConfig(backend="torch")).provider is None


def test_half_precision_is_for_gpus_if_the_settings_allow_it(available, monkeypatch):
    monkeypatch.setattr(providers, "_has_openvino_gpu", lambda: True)
    available[:0] = [each.registered for each in providers.PROVIDERS[:-1]]
    names = ("directml", "cuda", "tensorrt", "coreml", "openvino", "cpu")
    halves = {name: choose_backend(ComputeConfig(backend="onnx", provider=name)).provider.uses_fp16 for name in names}
    assert halves == {**dict.fromkeys(names[:3], True), **dict.fromkeys(names[3:], False)}
    assert not choose_backend(ComputeConfig(backend="onnx", fp16=False, provider="directml")).provider.uses_fp16


def test_a_provider_that_is_not_there_is_said_and_torch_paints(available):
    for name, package in (("directml", "onnxruntime-directml"), ("tensorrt", tensorrt.gpu_packages(True))):
        choice = choose_backend(ComputeConfig(backend="onnx", provider=name))
        assert (choice.provider, choice.is_capable) == (None, False)
        assert str(choice.note or "").startswith("onnxruntime is not used: the onnxruntime that is installed has no ")
        assert f"; uninstall it with pip and install {package}" in str(choice.note or "")
        assert "backend to auto" in str(choice.note or "")
    with pytest.raises(AnimatorError, match="back end 'tensorrt' is unknown; choose one of auto, torch, onnx"):
        choose_backend(ComputeConfig(backend="tensorrt"))
    with pytest.raises(AnimatorError, match="provider 'rocm' is unknown; choose auto or directml"):
        choose_backend(ComputeConfig(backend="onnx", provider="rocm"))


def test_directml_takes_the_strong_one_of_two_adapters(module):
    providers.new_session(b"graph", DIRECTML)
    (opened,) = module.opened
    (name, options), last = opened.providers
    assert (name, last) == (DIRECTML.registered, CPU.registered)
    assert options == {"performance_preference": "high_performance", "device_filter": "gpu"}
    assert "device_id" not in options, "it would win over the preference"
    assert DIRECTML.memory == "cpu", "onnxruntime's own memory is the first adapter's"
    assert opened.options.enable_mem_pattern is False


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
    """The commands of engine builds; instead of running, they write an engine or fail as sessions do."""
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


@pytest.mark.slow
def test_a_failed_build_gives_its_reason_and_no_session_is_opened(module, tmp_path, monkeypatch):
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

    def load(folder: Path, device: str, dtype: object, make_painter: Any, **more: Any) -> Any:
        painter = make_painter(NETWORKS) if make_painter else "torch"
        return SimpleNamespace(version="1" * 12, device=device, painter=painter, gives_numbers=lambda: True)

    monkeypatch.setattr(engine.PortraitModel, "load", load)
    monkeypatch.setattr(engine, "SceneCache", lambda *given: None)
    monkeypatch.setattr(export, "graph_bytes", lambda make_networks, fp16: b"graph")
    return RendererSettings(tmp_path, cache_dir=cache, compute=ComputeConfig(backend="onnx", provider="tensorrt"))


def test_use_tensorrt_paints_by_tensorrt(settings, module):
    module.names[:0] = [TENSORRT.registered, CUDA.registered]
    renderer = RendererSource(settings).create("liveportrait")
    assert renderer.model.painter.name == "onnx TensorRT"
    assert renderer.device == "TensorRT, onnxruntime"


@pytest.mark.slow
def test_tensorrt_that_does_not_load_is_said_with_the_remedy_and_torch_paints(settings, module, caplog):
    module.names[:0] = [TENSORRT.registered, CUDA.registered]
    module.fails = lambda: True
    renderer = RendererSource(settings).create("liveportrait")
    assert renderer.model.painter == "torch"
    assert str(renderer.note or "").startswith(
        "onnxruntime is not used: TensorRT cannot run LivePortrait here (Please install"
    )
    assert "install " + tensorrt.gpu_packages(True) + " by pip" in str(renderer.note or "")
    assert str(renderer.note or "").partition(": ")[2] in caplog.text
    automatic = RendererSource(settings).create("auto")
    assert (automatic.name, str(automatic.note or "")) == ("warp", str(renderer.note or "")), (
        "without a GPU that torch knows"
    )


def test_without_onnxruntime_use_tensorrt_is_a_note_and_torch_paints(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    renderer = RendererSource(settings).create("liveportrait")
    assert renderer.model.painter == "torch"
    assert "the package onnxruntime is not installed; run install.py --onnx" in str(renderer.note or "")
    assert tensorrt.gpu_packages(True) in str(renderer.note or "")
    assert "compute.backend to auto" in str(renderer.note or "")

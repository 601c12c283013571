"""GPUs that fail, are lost, have a number, or compute wrong numbers; with doubles of torch.cuda."""

from __future__ import annotations

import contextlib
import gc
import weakref
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from stand_in_model import StandInModel, face_character

from animator_core.errors import DeviceLostError, ModelError
from animator_core.liveportrait import engine
from animator_core.liveportrait.engine import load_engine
from animator_core.liveportrait.execution import cuda_graph, device
from animator_core.liveportrait.execution.cuda_graph import CapturedFunction, capture_kernels
from animator_core.liveportrait.execution.device import DeviceChoice, synchronize
from animator_core.liveportrait.execution.device_errors import device_errors_as, is_lost
from animator_core.liveportrait.execution.onnx.providers import DIRECTML
from animator_core.liveportrait.execution.painter import Painting
from animator_core.liveportrait.model import PortraitModel
from animator_core.liveportrait.renderer import LivePortraitRenderer
from animator_core.liveportrait.source.paste_back import PasteBack
from animator_core.motion.estimator import MotionEstimator
from animator_core.renderers import RendererSettings, RendererSource

ASSERT = "CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported"


class Cuda:
    """Stands for torch.cuda: fails with a given error, and notes the calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error = ""
        self.calls: list[str] = []
        self.present = 0
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: self.call(f"synchronize {device}"))
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: self.call("empty_cache"))
        monkeypatch.setattr(torch.cuda, "device", lambda device: self.on(torch.device(device).index))
        monkeypatch.setattr(torch.cuda, "device_of", lambda tensor: self.on(getattr(tensor, "gpu", -1)))

    def call(self, name: str) -> None:
        self.calls.append(name)
        if self.error:
            raise RuntimeError(self.error)

    @contextlib.contextmanager
    def on(self, index: int):
        before = self.present
        self.present = index if index >= 0 else before
        try:
            yield
        finally:
            self.present = before


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return Cuda(monkeypatch)


# Errors


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(ASSERT, DeviceLostError), ("", ModelError), ("CUDA out of memory. Tried to allocate 2 GiB", ModelError)],
)
@pytest.mark.parametrize("raised", [RuntimeError(ASSERT), ModelError("onnx CUDA failed", "close programs")])
def test_a_gpu_is_lost_if_every_later_call_fails_and_not_for_want_of_memory(cuda, answer, kind, raised):
    cuda.error = answer
    with pytest.raises(ModelError) as caught, device_errors_as("the GPU failed", "close programs", "cuda:1"):
        raise raised
    assert type(caught.value) is kind
    assert cuda.calls == ["synchronize cuda:1"]
    assert "close programs" in str(caught.value)


def test_other_devices_and_a_cuda_that_nobody_used_are_not_asked(cuda, monkeypatch):
    cuda.error = ASSERT
    assert not is_lost("cpu") and not is_lost("mps")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert not is_lost("cuda")
    assert cuda.calls == []


def test_a_renderer_whose_gpu_is_lost_says_so(cuda):
    class OnGpu(StandInModel):
        def paint(self, source, keypoints):
            raise RuntimeError(ASSERT)

    model = OnGpu()
    renderer = LivePortraitRenderer(model, device_name="RTX 9")
    renderer.set_character(face_character())
    model.device = torch.device("cuda")
    cuda.error = ASSERT
    with pytest.raises(DeviceLostError, match=r"RTX 9 failed .*device-side assert triggered\); close"):
        renderer.warm_up()


def test_auto_hides_a_lost_gpu_behind_no_note(cuda, monkeypatch, tmp_path):
    (tmp_path / "spade_generator.pth").write_bytes(b"")
    monkeypatch.setattr(device, "choose_device", lambda wanted, fp16: DeviceChoice("cuda", torch.float32, "RTX 9"))

    def load(*given: object, **more: object) -> StandInModel:
        raise RuntimeError(ASSERT)

    monkeypatch.setattr(engine.PortraitModel, "load", load)
    source = RendererSource(RendererSettings(tmp_path))
    cuda.error = ASSERT
    with pytest.raises(DeviceLostError):
        source.create("auto")
    cuda.error = ""
    assert "device-side assert" in str(source.create("auto").note or "")


# Memory


def test_an_error_that_is_kept_keeps_nothing_else_alive():
    class Networks:
        pass

    def fail() -> weakref.ref[Networks]:
        networks = Networks()
        fail.seen = weakref.ref(networks)
        raise DeviceLostError("gone", "restart")

    try:
        fail()
    except ModelError as exc:
        kept = exc.without_traceback()
    gc.collect()
    assert fail.seen() is None
    assert (type(kept), str(kept)) == (DeviceLostError, "gone; restart")


def test_the_last_renderer_gives_the_gpus_memory_back(cuda):
    class OnGpu(StandInModel):
        device = torch.device("cuda")

        def __init__(self) -> None:
            super().__init__()
            # As the model and its captured functions do.
            self.itself = self

    model = OnGpu()
    networks = weakref.ref(model)
    renderer = LivePortraitRenderer(model, device_name="RTX 9")
    del model
    freed: list[bool] = []
    cuda.call = lambda name: freed.append(networks() is None)
    renderer.close()
    assert freed == [True], "what is used cannot be given back"


def test_the_memory_of_a_failed_load_is_released_before_the_warp_draws(cuda, monkeypatch, tmp_path):
    (tmp_path / "spade_generator.pth").write_bytes(b"")
    monkeypatch.setattr(device, "choose_device", lambda wanted, fp16: DeviceChoice("cuda", torch.float32, "RTX 9"))
    loaded: list[weakref.ref[StandInModel]] = []

    def load(*given: object, **more: object) -> StandInModel:
        networks = StandInModel()
        loaded.append(weakref.ref(networks))
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(engine.PortraitModel, "load", load)
    was_freed: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: was_freed.append(loaded[0]() is None))
    assert RendererSource(RendererSettings(tmp_path)).create("auto").name == "warp"
    assert was_freed == [True]


# A GPU that is not the first one


class OnSecondGpu(torch.Tensor):
    """A tensor that says it lies on cuda:1."""

    gpu = 1
    is_cuda = property(lambda self: True)


def test_everything_is_captured_and_replayed_on_the_gpu_of_its_tensors(cuda):
    seen: list[int] = []

    def capture(run):
        seen.append(cuda.present)
        outputs = run()

        def start() -> None:
            seen.append(cuda.present)
            outputs[0].copy_(run()[0])

        return start, outputs

    doubled = CapturedFunction(lambda values: (values * 2,), "doubling", capture)
    given = torch.ones(3).as_subclass(OnSecondGpu)
    for _ in range(2):
        assert torch.equal(doubled(given)[0], torch.full((3,), 2.0))
    assert seen == [1, 1, 1, 1], "captured, compared, replayed twice"
    assert not doubled.has_failed
    assert cuda.calls == ["empty_cache"], "the memory of warming up, once"


def test_a_capture_of_nothing_is_noticed(caplog):
    doubled = CapturedFunction(lambda values: (values * 2,), "doubling", lambda run: (lambda: None, run()))
    assert torch.equal(doubled(torch.ones(3))[0], torch.full((3,), 2.0))
    assert doubled.has_failed
    assert "its replay is" in caplog.text
    assert torch.equal(doubled(torch.full((3,), 5.0))[0], torch.full((3,), 10.0))


def test_a_graph_is_captured_on_the_stream_that_was_warmed_up(cuda, monkeypatch):
    class Stream:
        def wait_stream(self, other: Any) -> None: ...

    streams, captured = [], []

    def make_stream() -> Stream:
        streams.append(Stream())
        return streams[-1]

    @contextlib.contextmanager
    def graph(made: Any, *, stream: Any = None, capture_error_mode: str = "global"):
        captured.append((stream, capture_error_mode))
        yield

    monkeypatch.setattr(torch.cuda, "Stream", make_stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
    monkeypatch.setattr(torch.cuda, "graph", graph)
    runs: list[int] = []
    capture_kernels(lambda: (runs.append(1), torch.zeros(1))[1:])
    assert captured == [(streams[0], "thread_local")]
    assert len(runs) == cuda_graph._WARM_UP_RUNS + 1


def test_a_picture_is_sent_and_waited_for_on_the_gpu_that_painted_it(cuda, monkeypatch):
    recorded: list[int] = []
    monkeypatch.setattr(
        torch.cuda, "Event", lambda blocking: SimpleNamespace(record=lambda: recorded.append(cuda.present))
    )
    crop = np.array([[2.0, 0, 0], [0, 2.0, 0], [0, 0, 1]])
    paste_back = PasteBack(np.zeros((60, 60, 4), np.uint8), crop, "cpu")
    arriving = SimpleNamespace(copy_=lambda pixels, non_blocking: recorded.append(cuda.present))
    paste_back._buffers = SimpleNamespace(take=lambda like: arriving)
    paste_back._sent(SimpleNamespace(device=torch.device("cuda:1")))
    assert recorded == [1, 1]


def test_synchronize_waits_for_the_given_device(cuda):
    synchronize(torch.device("cuda:1"))
    assert cuda.calls == ["synchronize cuda:1"]


# Half precision


class HalfPrecisionModel(StandInModel):
    """A model whose pictures have NaN in half precision if ``is_broken``."""

    def __init__(self, is_broken: bool) -> None:
        super().__init__()
        self.is_broken = is_broken

    def paint(self, source, keypoints):
        painting = super().paint(source, keypoints)
        if self.is_broken:
            painting.picture[0, 1, 7, 7] = float("nan")
        return Painting(painting.picture, painting.deformation)

    gives_numbers = PortraitModel.gives_numbers


@pytest.mark.parametrize("is_broken", [False, True])
@pytest.mark.parametrize("by", ["torch", "onnxruntime"])
def test_a_gpu_without_numbers_in_half_precision_paints_in_single_and_says_so(monkeypatch, tmp_path, is_broken, by):
    provider = replace(DIRECTML) if by == "onnxruntime" else None
    dtype = torch.float32 if provider else torch.float16
    choice = DeviceChoice("cpu", dtype, "GTX 1650", provider=provider)
    loaded: list[torch.dtype] = []

    def load(folder, device, dtype, **more: object) -> HalfPrecisionModel:
        loaded.append(dtype)
        return HalfPrecisionModel(is_broken and len(loaded) == 1)

    monkeypatch.setattr(engine.PortraitModel, "load", load)
    made = load_engine(tmp_path, choice, None)
    assert len(loaded) == (2 if is_broken else 1)
    assert made.choice.uses_fp16 == (not is_broken)
    renderer = made.make_renderer()
    if is_broken:
        assert loaded[-1] == torch.float32
        assert str(renderer.note or "").startswith("GTX 1650 computes wrong numbers in half precision")
        assert str(renderer.note or "").split("; ")[1].startswith("update the graphics driver")
    else:
        assert str(renderer.note or "") == ""


def test_single_precision_is_not_tried_beforehand(monkeypatch, tmp_path):
    monkeypatch.setattr(engine.PortraitModel, "load", lambda *given, **more: HalfPrecisionModel(True))
    assert str(load_engine(tmp_path, DeviceChoice("cpu", torch.float32, "CPU"), None).choice.note or "") == ""


def test_the_real_networks_give_numbers_and_a_spoilt_one_does_not(golden_networks, monkeypatch):
    model = PortraitModel(golden_networks)
    assert model.gives_numbers()
    paint = model.paint
    monkeypatch.setattr(
        model, "paint", lambda *given: replace(made := paint(*given), picture=made.picture * float("inf"))
    )
    assert not model.gives_numbers()


# Warming up


def test_warming_up_extracts_a_motion_and_leaves_the_driver_alone():
    model = StandInModel()
    renderer = LivePortraitRenderer(model)
    renderer.set_character(face_character())
    driver = renderer.create_driver(MotionEstimator())
    renderer.warm_up()
    assert (model.motions, model.painted) == (1, 1)
    assert not driver._live.is_calibrated
    assert driver._live._neutral is None, "nobody was seen"

"""The choice of the device for the networks, and the note if it is not the wanted one."""

from __future__ import annotations

import pytest
import torch

from animator_core.errors import AnimatorError
from animator_core.liveportrait.execution import device
from animator_core.liveportrait.execution.device import UnusedCard, choose_device, failure


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Pretend that a machine has some kinds of device, some of which fail at an operation.

    unused: an NVIDIA card without CUDA.
    """

    def make(*kinds: str, broken: tuple[str, ...] = (), unused: UnusedCard | None = None) -> None:
        monkeypatch.setattr(device, "unused_card", lambda: unused)
        monkeypatch.setattr(device, "_is_available", lambda kind: kind in kinds)
        monkeypatch.setattr(device, "_device_name", lambda name: f"the {name}")
        monkeypatch.setattr(
            device,
            "failure",
            lambda name, dtype: "grid_sampler_3d is missing" if name.split(":")[0] in broken else None,
        )

    return make


@pytest.mark.parametrize(
    ("kinds", "chosen", "dtype"),
    [
        (("xpu", "mps", "cuda"), "cuda", torch.float16),
        (("xpu", "mps"), "mps", torch.float32),
        (("xpu",), "xpu", torch.float16),
    ],
)
def test_auto_takes_the_first_of_cuda_mps_and_xpu(machine, kinds, chosen, dtype):
    machine(*kinds)
    choice = choose_device()
    assert (choice.device, choice.dtype, choice.name, str(choice.note or "")) == (chosen, dtype, f"the {chosen}", "")
    assert choice.is_capable


def test_without_a_gpu_auto_takes_the_cpu_which_is_no_news_but_slow(machine):
    machine()
    choice = choose_device()
    assert (choice.device, choice.dtype, str(choice.note or ""), choice.is_capable) == ("cpu", torch.float32, "", False)
    assert choice.name.startswith("CPU")


def test_a_wanted_cpu_is_taken_without_a_note(machine):
    machine("cuda")
    choice = choose_device("cpu")
    assert (choice.device, str(choice.note or "")) == ("cpu", "")


def test_half_precision_can_be_turned_off(machine):
    machine("cuda")
    assert choose_device("auto", fp16=False).dtype == torch.float32


def test_a_device_that_fails_at_an_operation_is_skipped_and_named(machine):
    machine("mps", "xpu", broken=("mps",))
    choice = choose_device()
    assert choice.device == "xpu"
    assert str(choice.note or "") == (
        "MPS cannot run the networks (grid_sampler_3d is missing); "
        "update the graphics driver and run install.py again, or set compute.device"
    )


def test_if_every_gpu_fails_the_cpu_runs_and_all_are_named(machine):
    machine("cuda", "xpu", broken=("cuda", "xpu"))
    choice = choose_device()
    assert choice.device == "cpu"
    assert "CUDA cannot run" in str(choice.note or "")
    assert "XPU cannot run" in str(choice.note or "")
    assert str(choice.note or "").count("update the graphics driver") == 1
    assert not choice.is_capable


@pytest.mark.parametrize(("wanted", "named"), [("cuda", "CUDA"), ("cuda:1", "CUDA"), ("mps", "MPS")])
def test_a_wanted_device_that_is_missing_is_named(machine, wanted, named):
    machine()
    choice = choose_device(wanted)
    assert choice.device == "cpu"
    assert str(choice.note or "").startswith(f"there is no {named} device")


@pytest.mark.parametrize("wanted", ["auto", "cuda", "cuda:1"])
def test_a_card_without_cuda_is_named_with_cause_and_remedy(machine, wanted):
    machine(unused=UnusedCard("RTX 3060", "its driver 472.12 is too old for CUDA 13.0", "update NVIDIA's driver"))
    choice = choose_device(wanted)
    assert (choice.device, choice.is_capable) == ("cpu", False)
    assert (
        str(choice.note or "")
        == "RTX 3060 is not used (its driver 472.12 is too old for CUDA 13.0); update NVIDIA's driver"
    )


def test_a_card_without_cuda_is_named_beside_the_device_in_use(machine):
    machine("xpu", unused=UnusedCard("RTX 3060", "its driver is not installed", "install it"))
    choice = choose_device()
    assert (choice.device, choice.is_capable) == ("xpu", True)
    assert str(choice.note or "") == "RTX 3060 is not used (its driver is not installed); install it"


def test_an_unused_card_is_no_news_if_the_cpu_is_wanted(machine):
    machine(unused=UnusedCard("RTX 3060", "its driver is not installed", "install it"))
    assert str(choose_device("cpu").note or "") == ""


def test_a_wanted_numbered_device_is_taken(machine):
    machine("cuda")
    assert choose_device("cuda:1").device == "cuda:1"


def test_the_probe_passes_on_this_cpu_and_names_a_failure():
    assert failure("cpu", torch.float32) is None
    # Computing on the meta device gives no numbers to look at.
    assert failure("meta", torch.float32)


def test_the_probe_notices_wrong_numbers(monkeypatch):
    monkeypatch.setattr(device.F, "grid_sample", lambda *given, **more: torch.zeros(1))
    assert failure("cpu", torch.float32) == "it computes wrong numbers"


def test_a_driver_error_is_cut_to_one_line(monkeypatch):
    def fail(*given, **more):
        raise RuntimeError("CUDA error: no kernel image\nmore lines\nof advice")

    monkeypatch.setattr(device.F, "conv3d", fail)
    assert failure("cpu", torch.float32) == "CUDA error: no kernel image"


def test_an_unknown_device_is_an_error_that_names_the_known_ones():
    with pytest.raises(AnimatorError, match="device 'gpu' is unknown; choose auto, cpu, cuda, cuda:N, mps or xpu"):
        choose_device("gpu")

"""Finding an NVIDIA card without CUDA, with cause and remedy; machines and PyTorch are doubles."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from animator_core.installation import graphics_card
from animator_core.installation.graphics_card import Card, find_card
from animator_core.installation.torch_build import Gpu
from animator_core.liveportrait.execution import device
from animator_core.liveportrait.execution.device import UnusedCard, unused_card

RTX = Card("NVIDIA GeForce RTX 3060", "472.12")
TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040). Please update\nmore"


@pytest.fixture
def smi(monkeypatch: pytest.MonkeyPatch):
    """Let nvidia-smi answer, fail with an error, or be missing."""

    def answer(given: bytes | Exception) -> None:
        def run(command: Any, **options: Any) -> Any:
            assert command[0] == "nvidia-smi"
            if isinstance(given, Exception):
                raise given
            return subprocess.CompletedProcess(command, 0, given, b"")

        monkeypatch.setattr(graphics_card.subprocess, "run", run)

    answer(FileNotFoundError("nvidia-smi"))
    return answer


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Make a Linux machine whose PCI bus has devices of these vendors and classes."""

    def make(*devices: tuple[str, str]) -> None:
        for number, (vendor, kind) in enumerate(devices):
            folder = tmp_path / f"device{number}"
            folder.mkdir()
            (folder / "vendor").write_text(f"{vendor}\n")
            (folder / "class").write_text(f"{kind}\n")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(graphics_card, "_PCI_DEVICES", tmp_path)
    return make


@pytest.fixture
def driver_library(monkeypatch: pytest.MonkeyPatch):
    """Let the driver's library, and only that, load or not."""

    def make(name: str, is_there: bool) -> None:
        def load(asked: str) -> object:
            assert asked == name
            if not is_there:
                raise OSError(f"{name}: cannot open shared object file")
            return object()

        monkeypatch.setattr(graphics_card.ctypes, "CDLL", load)

    return make


class User32:
    """Answers EnumDisplayDevicesW as Windows does: fills the caller's structure, 0 after the last adapter."""

    def __init__(self, *adapters: tuple[str, str]) -> None:
        self._adapters = adapters

    def EnumDisplayDevicesW(self, device: None, number: int, pointer: Any, flags: int) -> int:
        structure = pointer._obj
        assert (device, flags) == (None, 0)
        assert structure.size == ctypes.sizeof(structure) == 8 + 416 * ctypes.sizeof(ctypes.c_wchar)
        if number >= len(self._adapters):
            return 0
        structure.description, structure.hardware = self._adapters[number]
        return 1


@pytest.mark.parametrize(
    ("answer", "card"),
    [
        (b"NVIDIA GeForce RTX 3060, 472.12\n", RTX),
        (b"NVIDIA GeForce RTX 4090, 581.15\r\nTesla T4, 581.15\r\n", Card("NVIDIA GeForce RTX 4090", "581.15")),
    ],
)
def test_the_driver_names_the_card(smi, answer, card) -> None:
    smi(answer)
    assert find_card() == card


@pytest.mark.parametrize("is_there", [False, True])
def test_without_an_answer_of_the_driver_the_bus_is_looked_at(smi, bus, driver_library, is_there) -> None:
    bus(("0x8086", "0x030000"), ("0x10de", "0x040300"), ("0x10de", "0x030200"))
    driver_library("libcuda.so.1", is_there)
    assert find_card() == Card("The NVIDIA graphics card", "", is_there)
    smi(subprocess.CalledProcessError(9, "nvidia-smi"))
    assert find_card() == Card("The NVIDIA graphics card", "", is_there)


@pytest.mark.parametrize("devices", [(), (("0x8086", "0x030000"),), (("0x10de", "0x040300"),)])
def test_other_cards_and_sound_over_hdmi_are_no_nvidia_cards(smi, bus, devices) -> None:
    bus(*devices)
    assert find_card() is None


@pytest.mark.parametrize(
    ("adapters", "card"),
    [
        (
            (("Intel(R) UHD", r"PCI\VEN_8086&DEV_9A60"), ("NVIDIA GeForce MX450", r"PCI\VEN_10DE&DEV_1F97&REV_A1")),
            Card("NVIDIA GeForce MX450", "", False),
        ),
        (
            (("Microsoft Basic Display Adapter", r"PCI\VEN_10DE&DEV_2684"),),
            Card("The NVIDIA graphics card", "", False),
        ),
        ((("AMD Radeon RX 6600", r"PCI\VEN_1002&DEV_73FF"),), None),
        ((), None),
    ],
)
def test_windows_names_its_adapters_also_without_their_driver(
    monkeypatch: pytest.MonkeyPatch, smi, driver_library, adapters, card
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(graphics_card.ctypes, "WinDLL", lambda name: User32(*adapters), raising=False)
    driver_library("nvcuda.dll", False)
    assert find_card() == card


@pytest.fixture
def pytorch(monkeypatch: pytest.MonkeyPatch):
    """Pretend that PyTorch is a build for this CUDA, finds none and says why."""

    def make(cuda: str | None, says: str = "", card: Card | None = RTX) -> None:
        def initialise() -> None:
            if says:
                raise RuntimeError(says)

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.cuda, "init", initialise)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch, "__version__", "2.13.0+cu130" if cuda else "2.13.0+cpu")
        monkeypatch.setattr(device, "find_card", lambda: card)
        monkeypatch.setattr(device, "detect_gpu", lambda: Gpu(RTX.name, 581, 8.6))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return make


def test_the_cpu_build_is_told_with_the_way_to_the_other_one(pytorch) -> None:
    pytorch(None)
    assert unused_card() == UnusedCard(
        RTX.name,
        "PyTorch 2.13.0+cpu is not a build for NVIDIA cards",
        "run install.py again with a network, which gets the one that is",
    )


def test_running_the_installer_again_is_no_remedy_while_it_does_not_see_the_card(
    pytorch, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytorch(None)
    monkeypatch.setattr(device, "detect_gpu", lambda: None)
    found = unused_card()
    assert found is not None
    assert found.cause == "its driver 472.12 is too old or does not answer"
    assert found.remedy == "update NVIDIA's driver, restart the computer, run install.py again"


def test_an_old_driver_is_told_with_its_version(pytorch) -> None:
    pytorch("13.0", TOO_OLD)
    found = unused_card()
    assert found is not None
    assert found.cause == "its driver 472.12 is too old for CUDA 13.0"
    assert found.remedy == "update NVIDIA's driver, restart the computer"


@pytest.mark.parametrize("cuda", [None, "13.0"])
def test_a_driver_that_is_not_installed_is_told_whichever_build_is_there(pytorch, cuda) -> None:
    pytorch(cuda, "Found no NVIDIA driver on your system.", Card("The NVIDIA graphics card", has_driver=False))
    found = unused_card()
    assert found is not None
    assert (found.name, found.cause) == ("The NVIDIA graphics card", "its driver is not installed")
    assert "run install.py again" in found.remedy


def test_a_variable_that_hides_the_card_is_told(pytorch, monkeypatch: pytest.MonkeyPatch) -> None:
    pytorch("13.0", "No CUDA GPUs are available")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    found = unused_card()
    assert found is not None
    assert "CUDA_VISIBLE_DEVICES" in found.cause
    assert "remove" in found.remedy


def test_anything_else_is_told_in_pytorchs_words(pytorch, monkeypatch: pytest.MonkeyPatch) -> None:
    pytorch("13.0", "CUDA unknown error - this may be due to an incorrectly set up environment\nmore")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    found = unused_card()
    assert found is not None
    assert found.cause == "CUDA unknown error - this may be due to an incorrectly set up environment"
    assert found.remedy.startswith("restart the computer")


def test_there_is_nothing_to_say_without_a_card_or_with_cuda(pytorch, monkeypatch: pytest.MonkeyPatch) -> None:
    pytorch("13.0", "Found no NVIDIA driver on your system.", None)
    assert unused_card() is None
    pytorch("13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert unused_card() is None

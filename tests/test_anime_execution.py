"""The anime networks in onnxruntime: the results of PyTorch, at the caller's priority, and PyTorch where it fails."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading

import pytest
import torch
from anime_wheel import weights_folder

from animator_core.anime import execution, parameters
from animator_core.anime.execution import accelerated
from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.anime.networks.weights import load_networks
from animator_core.thread_priority import lower_thread_priority

TOLERANCE = 1e-3
needs_onnxruntime = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime")),
    reason="the packages onnx and onnxruntime are not installed",
)


@pytest.fixture(scope="module")
def plain() -> AnimeNetworks:
    return load_networks(weights_folder())


@pytest.fixture
def networks() -> AnimeNetworks:
    return accelerated(load_networks(weights_folder()))


def random(*shape: int) -> torch.Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(sum(shape))) - 1


@torch.inference_mode()
def turned(networks: AnimeNetworks) -> torch.Tensor:
    return networks.two_algo_face_body_rotator(random(1, 4, 64, 64), random(1, len(parameters.BODY)))


@needs_onnxruntime
@pytest.mark.slow
@torch.inference_mode()
def test_every_network_gives_what_it_gives_in_pytorch(plain, networks):
    face = random(2, 4, 192, 192), random(2, len(parameters.FACE))
    body = random(1, 4, 512, 512), random(1, 4, 512, 512) / 2, random(1, 2, 512, 512) / 20, random(1, 6)
    for wanted, found in (
        (plain.face_morpher(*face), networks.face_morpher(*face)),
        (plain.editor(*body), networks.editor(*body)),
    ):
        assert type(found) is type(wanted)
        for name, value in vars(wanted).items():
            torch.testing.assert_close(getattr(found, name), value, atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(turned(networks), turned(plain), atol=TOLERANCE, rtol=0)


@needs_onnxruntime
def test_pytorch_computes_what_onnxruntime_cannot(plain, networks, monkeypatch, caplog):
    calls = []

    def fail(graph: bytes) -> None:
        calls.append(graph)
        raise RuntimeError("no memory")

    monkeypatch.setattr(execution, "_session", fail)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(turned(networks), turned(plain))
        assert torch.equal(turned(networks), turned(plain))
    assert len(calls) == 1 and ["no memory" in record.getMessage() for record in caplog.records] == [True]


@needs_onnxruntime
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own that is inherited")
def test_all_of_its_threads_have_the_priority_of_the_calling_one(networks, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    turned(networks)
    before, found = set(os.listdir("/proc/self/task")), {}

    def run() -> None:
        lower_thread_priority(niceness=5)
        turned(networks)
        for task in set(os.listdir("/proc/self/task")) - before - {str(threading.get_native_id())}:
            found[task] = os.getpriority(os.PRIO_PROCESS, int(task))

    usual = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert list(found.values()) == [usual + 5] * 2


def test_without_onnxruntime_the_networks_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    networks = load_networks(weights_folder())
    before = list(networks.children())
    assert accelerated(networks) is networks and list(networks.children()) == before

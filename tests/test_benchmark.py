"""What the benchmark's figures are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from animator_core.diagnostics.benchmark import eager
from animator_core.diagnostics.benchmark.likeness import Likeness, mean_squared_error, psnr_of, ssim
from animator_core.diagnostics.benchmark.machine import UseWatch, gpu_use

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 50, 4)).astype(np.uint8)


def test_psnr_is_that_of_the_mean_squared_error():
    other = PICTURE.astype(int)
    other = np.where(other > 127, other - 2, other + 2).astype(np.uint8)
    assert mean_squared_error(PICTURE, other) == pytest.approx(4)
    assert psnr_of(4.0) == pytest.approx(42.11, abs=0.01)


def test_ssim_is_1_of_equal_pictures_and_less_of_shifted_ones():
    assert ssim(PICTURE, PICTURE) == pytest.approx(1)
    assert ssim(PICTURE, np.roll(PICTURE, 1, 0)) < 0.3


def test_equal_pictures_count_as_frames_and_not_as_errors():
    likeness = Likeness()
    for _ in range(3):
        likeness.compare(PICTURE, PICTURE)
    assert likeness.summary().psnr_db is None
    other = PICTURE ^ 1
    likeness.compare(PICTURE, other)
    found = likeness.summary()
    assert (found.frames, found.differing) == (4, 1)
    assert found.differing_psnr_db == found.worst_psnr_db == pytest.approx(48.13, abs=0.01)
    assert found.psnr_db == pytest.approx(48.13 + 6.02, abs=0.01)


def test_what_nvidia_smi_says_is_read_and_a_cut_line_left_out():
    lines = ["NVIDIA H200, 570.1, 1980, 1980, 80, 1000", "NVIDIA H200, 570.1, 1500, 1980, 60, 3000"]
    found = gpu_use([*lines, "NVIDIA H200, 570.1, 1", "NVIDIA H200, 570.1, [N/A], 1980, 60, 1"])
    assert (found.name, found.driver, found.most_clock_mhz) == ("NVIDIA H200", "570.1", 1980)
    assert (found.clock_mhz, found.busy, found.memory_mib) == (1740, pytest.approx(0.7), 3000)
    assert gpu_use([]) is None


def test_the_processor_share_is_that_of_this_process():
    watch = UseWatch()
    sum(number * number for number in range(2_000_000))
    share, _ = watch.stop()
    assert 0 < share <= 1.05


def test_the_networks_as_published_and_ours_are_timed_in_turn_and_agree(
    golden_weights_dir, golden_cache_dir, monkeypatch
):
    monkeypatch.setattr(eager, "_SIDE", 128)
    found = eager.compare(
        golden_weights_dir, device="cpu", fp16=True, frames=1, cache_dir=golden_cache_dir, with_compile=False
    )
    plain, ours = found.ways
    assert (plain.name, plain.ratio, plain.psnr_db) == ("plain", 1, None)
    assert ours.name == "ours (torch)"
    assert ours.psnr_db is None or ours.psnr_db > 60
    assert ours.p50_ms > 0
    table = eager.format_comparison(found)
    assert "speed-up" in table
    assert "left out: torch.compile" in table


def test_a_way_that_cannot_be_run_is_left_out_with_a_word(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no compiler here\nand more")

    ways = {"plain": lambda driving: torch.zeros(1, 3, 8, 8), "compiled": broken}
    monkeypatch.setattr(eager.PortraitModel, "load", lambda *_, **__: None)
    monkeypatch.setattr(eager, "_ways", lambda *_, **__: (ways, []))
    found = eager.compare(tmp_path, device="cpu", fp16=True, frames=1, cache_dir=None)
    assert [way.name for way in found.ways] == ["plain"]
    assert found.left_out == ("compiled: RuntimeError: no compiler here",)

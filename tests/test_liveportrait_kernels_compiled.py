"""The Triton kernels as machine code: they fit a GPU's registers, and on a GPU they equal torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from animator_core.config import PROJECT_ROOT
from tests.conftest import interpret_kernels

pytest.importorskip("triton", reason="the package triton is not installed: there is none for this machine")


@pytest.mark.parametrize("has_cuda", [False, True])
def test_kernels_are_interpreted_only_without_a_gpu(monkeypatch, has_cuda):
    monkeypatch.setenv("TRITON_INTERPRET", "")
    monkeypatch.delenv("TRITON_INTERPRET")
    interpret_kernels(has_cuda)
    assert os.environ.get("TRITON_INTERPRET") == (None if has_cuda else "1")


def run_compiled(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with Triton's compiler instead of its interpreter."""
    more = {
        "TRITON_INTERPRET": "0",
        "TRITON_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(PROJECT_ROOT / "tests"),
    }
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT_ROOT, env={**os.environ, **more}, capture_output=True, text=True
    )


@pytest.mark.slow
def test_every_kernel_of_a_frame_compiles_for_a_card_and_fits_its_registers(tmp_path):
    done = run_compiled(tmp_path, "-m", "kernel_compilation", "80")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert {line.split()[1] for line in lines} == {
        *("_chunk_statistics:", "_join_statistics:", "_modulate:", "_hourglass_input:", "_warp:", "_show:")
    }
    assert all("STACK:0 " in line for line in lines), done.stdout


@pytest.mark.requires_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_this_card_every_kernel_agrees_and_is_recorded_by_a_graph(tmp_path):
    code = (
        "import torch\n"
        "from animator_core.liveportrait.execution.cuda_graph import capture_kernels\n"
        "from animator_core.liveportrait.execution.kernel_choice import choose_operations, difference, examples\n"
        "from animator_core.liveportrait.execution.kernels import FUSED\n"
        "device = torch.device('cuda')\n"
        "for dtype in (torch.float16, torch.float32):\n"
        "    assert choose_operations(device, dtype) == FUSED\n"
        "    for name, given in examples(device, dtype).items():\n"
        "        operation = getattr(FUSED, name)\n"
        "        plain = operation(*given)\n"
        "        replay, recorded = capture_kernels(lambda: operation(*given))\n"
        "        replay()\n"
        "        assert difference(recorded, plain, dtype) == ''\n"
    )
    done = run_compiled(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr

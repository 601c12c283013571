"""Compile LivePortrait's kernels for NVIDIA GPUs, without one: every launch of a frame, specialised as there.

`PYTHONPATH=tests python -m kernel_compilation [CAPABILITY …]` prints each kernel's registers and memory.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from animator_core.liveportrait.execution.kernel_choice import examples
from animator_core.liveportrait.execution.kernels import FUSED

_TYPES = {torch.float16: "*fp16", torch.bfloat16: "*bf16", torch.float32: "*fp32"}


def launches(dtype: torch.dtype) -> list[tuple[JITFunction, tuple[Any, ...], dict[str, Any]]]:
    """Return kernel and arguments of every launch of each operation once, on tensors of a frame's sizes."""
    found: list[tuple[JITFunction, tuple[Any, ...], dict[str, Any]]] = []

    def note(self: JITFunction, *given: Any, grid: Any, warmup: bool, **more: Any) -> None:
        found.append((self, given, more))

    run, JITFunction.run = JITFunction.run, note
    try:
        for name, given in examples(torch.device("cpu"), dtype).items():
            getattr(FUSED, name)(*given)
    finally:
        JITFunction.run = run
    return found


def compiled(kernel: JITFunction, given: tuple[Any, ...], more: dict[str, Any], capability: int) -> bytes:
    """Return the machine code of one launch's kernel."""
    signature, constants, attributes = {}, dict(more), {}
    for index, (name, value) in enumerate(zip(kernel.arg_names, (*given, *more.values()))):
        if name in more or (isinstance(value, int) and value == 1):
            signature[name], constants[name] = "constexpr", value
        elif isinstance(value, torch.Tensor):
            signature[name] = _TYPES[value.dtype]
            attributes[(index,)] = [["tt.divisibility", 16]]
        elif isinstance(value, int):
            signature[name] = "i32"
            if value % 16 == 0:
                attributes[(index,)] = [["tt.divisibility", 16]]
        else:
            signature[name] = "fp32"
    source = ASTSource(kernel, signature, constants, attributes)
    code: bytes = triton.compile(source, GPUTarget("cuda", capability, 32)).asm["cubin"]
    return code


def resources(code: bytes) -> str:
    """Return cuobjdump's line on registers and memory of machine code; STACK counts the spilled bytes."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        told = subprocess.run([tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True)
    return told.stdout.strip().splitlines()[-1].strip()


if __name__ == "__main__":
    for capability in [int(each) for each in sys.argv[1:]] or [80, 90]:
        for kernel, given, more in launches(torch.float16):
            print(f"sm_{capability} {kernel.__name__}: {resources(compiled(kernel, given, more, capability))}")

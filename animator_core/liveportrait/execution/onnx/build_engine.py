"""Builds TensorRT's engine of a graph: `python -m animator_core.liveportrait.execution.onnx.build_engine GRAPH GPU`.

A process of its own, see `tensorrt.build_engine`; the last line of what it writes says why there is none.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from animator_core.errors import first_line
from animator_core.liveportrait.execution.onnx.providers import TENSORRT, new_session


def main(graph: str, index: str) -> str | None:
    """Open a session once, which leaves the engine in its folder; return what is wrong."""
    try:
        used = new_session(Path(graph), replace(TENSORRT, index=int(index))).get_providers()[0]
    except Exception as exc:
        # Onnxruntime's errors have no common class of their own.
        return first_line(exc)
    return None if used == TENSORRT.registered else f"onnxruntime would use {used}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

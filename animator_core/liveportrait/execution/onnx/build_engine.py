"""Build TensorRT's engine for a graph: `python -m animator_core.liveportrait.execution.onnx.build_engine GRAPH GPU`.

The subprocess of `tensorrt.build_engine`; its last line of output is the reason for a failure.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from animator_core.errors import first_line
from animator_core.liveportrait.execution.onnx.providers import TENSORRT, new_session


def main(graph: str, index: str) -> str | None:
    """Open a session once, which writes the engine into its folder; return the problem, None if there is none."""
    try:
        used = new_session(Path(graph), replace(TENSORRT, index=int(index))).get_providers()[0]
    except Exception as exc:
        # onnxruntime's errors have no common class.
        return first_line(exc)
    return None if used == TENSORRT.registered else f"onnxruntime would use {used}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

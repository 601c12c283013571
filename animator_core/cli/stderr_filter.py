"""Filters log lines of native libraries from standard error: MediaPipe's bypass Python's logging."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import sys
import threading
from collections.abc import Iterator

_NATIVE_LOG = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:\d\d|[IW]\d{4} 00:00:\d+|INFO: Created TensorFlow|WARNING: All log messages before absl"
)
_STDERR = 2


@contextlib.contextmanager
def filtered_native_stderr() -> Iterator[None]:
    """Drop native libraries' log lines from standard error within the block; everything else passes."""
    sys.stderr.flush()
    real = os.dup(_STDERR)
    read_end, write_end = os.pipe()
    os.dup2(write_end, _STDERR)
    os.close(write_end)
    python_stderr = sys.stderr
    sys.stderr = os.fdopen(os.dup(real), "w", 1, python_stderr.encoding, errors="replace")
    faulthandler.enable(sys.stderr)  # reports crashes of native libraries past the filter
    thread = threading.Thread(target=_pass_on, args=(read_end, real), name="stderr filter", daemon=True)
    thread.start()
    try:
        yield
    finally:
        faulthandler.disable()
        sys.stderr.close()
        sys.stderr = python_stderr
        os.dup2(real, _STDERR)  # closes the last write end, which ends the thread
        thread.join(timeout=2.0)
        os.close(real)


def _pass_on(read_end: int, target: int) -> None:
    with os.fdopen(read_end, "rb") as lines:
        for line in lines:
            if not _NATIVE_LOG.match(line):
                os.write(target, line)

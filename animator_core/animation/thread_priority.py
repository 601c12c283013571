"""The priority of the preparation thread."""

from __future__ import annotations

import ctypes
import sys

_BELOW_NORMAL = -1


def lower_thread_priority() -> None:
    """Run the calling thread below the others on Windows; elsewhere the whole process has a lower priority."""
    if sys.platform == "win32":
        kernel32 = ctypes.windll.kernel32
        kernel32.GetCurrentThread.restype = ctypes.c_void_p
        kernel32.SetThreadPriority.argtypes = (ctypes.c_void_p, ctypes.c_int)
        kernel32.SetThreadPriority(kernel32.GetCurrentThread(), _BELOW_NORMAL)

"""How the worker process ends, and with which exit code; standard library only."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import NoReturn

INCOMPLETE = 1
"""A package of the installation is missing."""
DEVICE_LOST = 3
"""The graphics card failed so that no call of this process reaches it any more; a new process may."""


def end_process(status: int) -> NoReturn:
    """End this process at once with ``status``; no thread or destructor of a library is waited for."""
    if sys.platform == "win32":
        # os._exit runs the end of every DLL there, and a GPU driver's may hang.
        kernel32 = ctypes.windll.kernel32
        kernel32.GetCurrentProcess.restype = ctypes.c_void_p
        kernel32.TerminateProcess.argtypes = (ctypes.c_void_p, ctypes.c_uint)
        kernel32.TerminateProcess(kernel32.GetCurrentProcess(), status)
    os._exit(status)

"""The priority of threads that compute in the background."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading

_BELOW_NORMAL = -1


def lower_thread_priority(niceness: int = 0) -> None:
    """Run the calling thread below the others on Windows; elsewhere the whole process has a lower priority.

    niceness: added to the thread's own on Linux, where threads that it starts inherit it.
    """
    if sys.platform == "win32":
        kernel32 = ctypes.windll.kernel32
        kernel32.GetCurrentThread.restype = ctypes.c_void_p
        kernel32.SetThreadPriority.argtypes = (ctypes.c_void_p, ctypes.c_int)
        kernel32.SetThreadPriority(kernel32.GetCurrentThread(), _BELOW_NORMAL)
    elif sys.platform == "linux" and niceness:
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + niceness)

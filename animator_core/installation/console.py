"""The installer's output and its error.

Standard library only.
"""

from __future__ import annotations

import ctypes
import io
import os
import sys

from animator_core.errors import AnimatorError

AGAIN = f"py -3.{sys.version_info[1]} install.py" if os.name == "nt" else "python3 install.py"
"""The command to repeat, for messages."""


class InstallError(AnimatorError):
    """The set-up cannot go on."""


def print_in_any_encoding(encoding: str | None = None) -> None:
    """Print "?" for a character that the output's encoding lacks, instead of raising an error.

    Windows gives files and pipes the code page of the country, which has neither arrows nor foreign names.

    encoding: another one than the output has, for a reader that expects it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None without a console
            stream.reconfigure(encoding=encoding, errors="replace")


def is_own_window() -> bool:
    """Whether Windows opened the console for this program alone, as for a double-click, and closes it with it."""
    if sys.platform != "win32" or sys.stdin is None or not sys.stdin.isatty():
        return False
    processes = (ctypes.c_uint32 * 8)()
    count: int = ctypes.windll.kernel32.GetConsoleProcessList(processes, 8)
    # A shell is one more. Programs that cmd.exe starts have its prompt in their environment; the py launcher has none.
    return count == 1 or (count == 2 and "PROMPT" not in os.environ)


def say(text: str) -> None:
    """Print one line, or a few, at once."""
    print(text, flush=True)


class Progress:
    """Draws the progress of one file as a bar on a terminal, nothing elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = -1

    def __call__(self, had: int, total: int) -> None:
        """Show that ``had`` of ``total`` bytes are there."""
        percent = 100 * had // total
        if percent == self._shown or not sys.stdout.isatty():
            return
        self._shown = percent
        bar = "#" * (percent // 4) + "." * (25 - percent // 4)
        end = "\n" if had == total else ""
        print(f"\r  {self._name} {bar} {had / 1e6:,.0f}/{total / 1e6:,.0f} MB", end=end, flush=True)

"""Turns what a package says when its libraries do not load into the remedy.

Standard library only.
"""

from __future__ import annotations


def library_remedy(problem: str, otherwise: str) -> str:
    """Return what to do about a package that does not load, ``otherwise`` if running the installer again is all."""
    if "libGL" in problem or "libgthread" in problem:
        return "install the system's graphics libraries (Debian, Ubuntu: apt install libgl1 libglib2.0-0)"
    # Found, but not what they are linked to. The words after the number are in Windows' language.
    if any(sign in problem for sign in ("DLL load failed", "WinError 126", "WinError 127", "WinError 1114")):
        return "install Microsoft's Visual C++ Redistributable (x64)"
    return otherwise

"""Finds an NVIDIA card also if CUDA cannot be used: without its driver, with an old one, without PyTorch.

Standard library only.
"""

from __future__ import annotations

import ctypes
import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")  # old drivers know these two
_PCI_DEVICES = Path("/sys/bus/pci/devices")
_PCI_VENDOR, _PCI_DISPLAY_CLASS = "0x10de", "0x03"
_WINDOWS_VENDOR = "VEN_10DE"
_UNNAMED = "The NVIDIA graphics card"


@dataclass(frozen=True)
class Card:
    """An NVIDIA card. driver: the driver's version, "" if none answers. has_driver: whether one is installed."""

    name: str
    driver: str = ""
    has_driver: bool = True


def find_card() -> Card | None:
    """Return the first NVIDIA card that the driver or else the system names, None if there is none."""
    try:
        # Windows opens a window for each program else.
        hidden = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        answer = subprocess.run(_QUERY, capture_output=True, timeout=20, check=True, creationflags=hidden)
        name, driver = answer.stdout.decode(errors="replace").splitlines()[0].rsplit(",", 1)
        return Card(name.strip(), driver.strip())
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        name = next(itertools.chain(_names_on_windows(), _names_on_linux()), "")
    return Card(name, has_driver=_has_driver()) if name else None


def _has_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _names_on_linux() -> Iterator[str]:
    for device in sorted(_PCI_DEVICES.glob("*")):
        try:
            vendor, kind = ((device / name).read_text(encoding="ascii").strip() for name in ("vendor", "class"))
        except (OSError, ValueError):
            continue
        if vendor == _PCI_VENDOR and kind.startswith(_PCI_DISPLAY_CLASS):
            yield _UNNAMED


class _DisplayDevice(ctypes.Structure):
    """DISPLAY_DEVICEW of wingdi.h."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("device_name", ctypes.c_wchar * 32),
        ("description", ctypes.c_wchar * 128),
        ("state", ctypes.c_uint32),
        ("hardware", ctypes.c_wchar * 128),
        ("registry_key", ctypes.c_wchar * 128),
    )


def _names_on_windows() -> Iterator[str]:
    if sys.platform != "win32":
        return
    user32 = ctypes.WinDLL("user32")
    device = _DisplayDevice(size=ctypes.sizeof(_DisplayDevice))
    number = 0
    while user32.EnumDisplayDevicesW(None, number, ctypes.byref(device), 0):
        # Windows calls a card without a driver "Microsoft Basic Display Adapter".
        if _WINDOWS_VENDOR in device.hardware.upper():
            yield device.description if "NVIDIA" in device.description else _UNNAMED
        number += 1

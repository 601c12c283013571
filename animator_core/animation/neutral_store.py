"""Neutral poses on disk, one a camera, so that a person need not be looked at anew after a restart."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from animator_core.disk_cache import DiskCache
from animator_core.motion.kept_neutral import from_text, to_text

_MAX_BYTES = 1 << 20
"""Some hundred cameras."""
_KEY = re.compile(r"[0-9a-f]{32}\Z")
_SUFFIX = ".neutral"


class NeutralStore:
    """Texts of `CharacterPipeline.neutral_text` by camera, in files that only this user can read."""

    def __init__(self, cache_dir: Path) -> None:
        self._files = DiskCache(
            cache_dir / "neutral",
            suffix=_SUFFIX,
            max_bytes=_MAX_BYTES,
            contents="the neutral face",
            cost="it is found anew after every start",
        )

    def load(self, key: str) -> str:
        """Return the text kept for a camera, "" for none; key: 32 hex digits, anything else keeps nothing.

        Another person may sit there now, or the camera may stand elsewhere: what was estimated counts as seen for
        moments only, a calibration by button as it is.
        """
        text = self._files.load(key, lambda path: path.read_text("ascii")) if _KEY.match(key) else None
        arrays = from_text(text or "")
        if "calm_seconds" not in arrays:
            return ""
        if not np.any(arrays.get("is_chosen", 0)):
            arrays["calm_seconds"] = np.zeros_like(arrays["calm_seconds"])
        return to_text(arrays)

    def save(self, key: str, text: str) -> None:
        """Keep a camera's text, or forget it if it is ""; a folder that cannot be written costs a warning."""
        if not _KEY.match(key):
            return
        if not text:
            self._files.remove(key)
            return

        def write(path: Path) -> None:
            # A face is nobody else's business.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)

        self._files.save(key, write)

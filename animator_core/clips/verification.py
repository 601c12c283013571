"""Verifies a video file by decoding it."""

from __future__ import annotations

from pathlib import Path

import av

from animator_core.clips.media_file import open_media
from animator_core.errors import AnimatorError


def require_frames(path: Path, frame_count: int) -> None:
    """Raise AnimatorError unless the video in a file can be decoded and has this number of frames."""
    found = 0
    try:
        with open_media(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for _ in container.decode(stream):
                found += 1
    except (av.FFmpegError, OSError, IndexError) as exc:
        raise AnimatorError(f"the written video cannot be read again ({exc})", "check the disk and try again") from exc
    if found != frame_count:
        raise AnimatorError(
            f"the written video has {found} frames instead of {frame_count}", "check the disk and try again"
        )

"""Opens untrusted files as the product does, in a process that may be lost: ``KIND PATH`` lines in, JSON lines out.

An answer has ``outcome``: "read", "refused" (an error with message and remedy, or what the reader documents) or
"fault" (any other exception), its ``text``, and ``most_mb``, the largest resident size of the process so far.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from animator_core.errors import AnimatorError


def read_picture(path: Path) -> None:
    from animator_core.characters.picture import load_picture

    load_picture(path)


def read_header(path: Path) -> None:
    """Read as OBS's process does: a picture's size, and the copy without orientation and profile."""
    from obs_plugin.picture_header import read_size
    from obs_plugin.plain_copy import read_plain_copy

    read_size(str(path))
    read_plain_copy(str(path))


def read_description_file(path: Path) -> None:
    from animator_core.characters.description import read_description

    read_description(path.with_suffix(".png"))


def read_config(path: Path) -> None:
    from animator_core.config import load_config

    load_config(path)


def read_clip(path: Path) -> None:
    from animator_core.animation.statistics import StageTimes
    from animator_core.clips.driving_clip import open_clip
    from tests.stand_ins import PixelTracker

    clip = open_clip(path, PixelTracker)
    try:
        for _ in islice(clip.moments(StageTimes()), 40):
            pass
        clip.soundtrack()
    finally:
        clip.close()


def read_tensor_file(path: Path) -> None:
    from animator_core.tensor_file import read_tensors

    read_tensors(path, {"kind": "test"}, 1 << 24)


def read_weights(path: Path) -> None:
    from animator_core.liveportrait.networks.weights import read_checkpoint

    read_checkpoint(path)


def read_neutral(path: Path) -> None:
    from animator_core.motion.kept_neutral import from_text, neutral_of_arrays

    neutral_of_arrays(from_text(path.read_text(encoding="latin-1")))


def read_landmarks(path: Path) -> None:
    from animator_core.characters.landmark_cache import LandmarkCache

    LandmarkCache(path.parent).get(path.stem)


READERS: dict[str, tuple[Callable[[Path], None], tuple[type[Exception], ...]]] = {
    "picture": (read_picture, ()),
    "header": (read_header, (OSError,)),
    "description": (read_description_file, ()),
    "config": (read_config, ()),
    "clip": (read_clip, ()),
    "tensors": (read_tensor_file, (OSError, ValueError)),
    "weights": (read_weights, ()),
    "neutral": (read_neutral, ()),
    "landmarks": (read_landmarks, ()),
}
"""By kind: the reader, and the exceptions besides `AnimatorError` that it documents."""


def answer(kind: str, path: Path) -> dict[str, object]:
    reader, documented = READERS[kind]
    try:
        reader(path)
    except AnimatorError as exc:
        is_told = bool(exc.message.strip() and exc.remedy.strip())
        return {"outcome": "refused" if is_told else "fault", "text": str(exc)}
    except documented as exc:
        return {"outcome": "refused", "text": str(exc)}
    except BaseException:
        return {"outcome": "fault", "text": traceback.format_exc()}
    return {"outcome": "read", "text": ""}


def most_memory_mb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) >> 10
    raise RuntimeError("no VmHWM in /proc/self/status")


def main() -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        kind, _, path = line.rstrip("\n").partition(" ")
        print(json.dumps({**answer(kind, Path(path)), "most_mb": most_memory_mb()}), flush=True)


if __name__ == "__main__":
    main()

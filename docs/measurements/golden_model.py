"""The model that the measurements run: official weights where a folder is given, else those of the golden rule."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import torch
from golden.golden_rule import face_image, image_tensor
from liveportrait_weights import write_golden_weights


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser that all measurements share."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--weights", type=Path, help="folder of weights (default: made by the golden rule)")
    made.add_argument("--device", default="cpu")
    made.add_argument("--repeat", type=int, default=3, help="how often each time is taken; the median counts")
    return made


@contextlib.contextmanager
def weights_folder(given: Path | None) -> Iterator[Path]:
    """Give a folder with weights."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        yield write_golden_weights(Path(folder))


def picture(name: str) -> torch.Tensor:
    """Return one of the golden faces, (1, 3, 256, 256) in [0, 1]."""
    return torch.from_numpy(image_tensor(face_image(name)))


def seconds(work: Callable[[], object], repeat: int, device: str = "cpu") -> float:
    """Return the median seconds that ``work`` takes; on a CPU those of this process, whatever else runs."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times = []
    for _ in range(repeat):
        started = clock()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(clock() - started)
    return statistics.median(times)

"""How long the warp renderer takes for a picture, this tree against another revision, by turns in one process.

`python -m docs.measurements.warp CLIP... --against REVISION [--rounds 1] [--pictures WORDS] [--json OUT]`

Processor time is of all threads; it and the clock are medians, and beside the clock stands its quickest tenth, which
other work on the machine disturbs least. The pictures are the samples, and Amber on a
background of lines and noise, which shows every error of interpolation.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from animator_core import assembly
from animator_core.characters.character import Character
from animator_core.config import load_config
from animator_core.diagnostics.benchmark.sizes import placed
from animator_core.motion.driving import DrivingMotion
from docs.measurements.render_reuse import clip_motions

_PACKAGE = "animator_core.warp"
_FOLDER = _PACKAGE.replace(".", "/")
_REPOSITORY = Path(__file__).parents[2]


def main(options: argparse.Namespace) -> None:
    # Otherwise OpenCV's own threads are what is measured.
    cv2.setNumThreads(1)
    config = load_config()
    motions = [motion for clip in options.clips for motion in clip_motions(clip, config)[: options.frames]]
    with tempfile.TemporaryDirectory() as folder:
        older = older_renderer(options.against, Path(folder))
        newer = importlib.import_module(f"{_PACKAGE}.renderer")
        rows = []
        for name, character in pictures(config):
            if options.pictures in name:
                rows.append({"picture": name, **figures_of(older, newer, character, motions * options.rounds)})
                print(row_text(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def older_renderer(revision: str, folder: Path) -> Any:
    """Return another revision's module of the warp renderer, on this tree's other packages."""
    archive = subprocess.run(
        ["git", "ls-tree", "--name-only", revision, f"{_FOLDER}/"],
        cwd=_REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    package = folder / "warp_before"
    package.mkdir()
    for path in archive.stdout.split():
        source = subprocess.run(
            ["git", "show", f"{revision}:{path}"], cwd=_REPOSITORY, check=True, capture_output=True, text=True
        )
        (package / Path(path).name).write_text(source.stdout.replace(_PACKAGE, package.name))
    sys.path.insert(0, str(folder))
    return importlib.import_module("warp_before.renderer")


def pictures(config: Any) -> Iterator[tuple[str, Character]]:
    def sample(name: str, side: int) -> Character:
        size = dataclasses.replace(config.character, target_size=(side, side))
        return assembly.load_character(name, dataclasses.replace(config, character=size))

    samples = {name: sample(name, 1024) for name in ("mira", "astronaut", "amber")}
    yield "Mira 512x512", sample("mira", 512)
    yield "astronaut 512x482", sample("astronaut", 512)
    whole, fitted = 1080 / 1024, 1080 / 832
    for name, character, scale, size, corner in (
        ("Mira 1080x1080", "mira", whole, (1080, 1080), (0, 0)),
        ("astronaut 1080x1018", "astronaut", fitted, (1080, 1018), (0, 0)),
        ("Mira within 1920x1080", "mira", whole, (1920, 1080), (420, 0)),
        ("astronaut within 1920x1080", "astronaut", fitted, (1920, 1080), (420, 62)),
        ("opaque 512x512", "amber", 0.5, (512, 512), (0, 0)),
        ("opaque 1080x1080", "amber", whole, (1080, 1080), (0, 0)),
        ("opaque 1920x1080, head 500 pixels", "amber", whole, (1920, 1080), (420, 0)),
        ("opaque 1920x1080, head 890 pixels", "amber", 1920 / 1024, (1920, 1080), (0, -300)),
    ):
        is_opaque = name.startswith("opaque")
        yield name, placed(samples[character], scale, size=size, corner=corner, is_opaque=is_opaque)


def figures_of(older: Any, newer: Any, character: Character, motions: list[DrivingMotion]) -> dict[str, Any]:
    renderers = [module.WarpRenderer() for module in (older, newer)]
    for renderer in renderers:
        renderer.set_character(character)
        renderer.render(motions[0])
    times: list[list[tuple[float, float]]] = [[], []]
    differing, errors = [], []
    for number, motion in enumerate(motions):
        frames: dict[int, np.ndarray] = {}
        for which in (0, 1) if number % 2 else (1, 0):
            processor, clock = time.process_time(), time.perf_counter()
            frames[which] = renderers[which].render(motion)
            times[which].append((time.process_time() - processor, time.perf_counter() - clock))
        difference = frames[1].astype(np.int16) - frames[0]
        differing.append(float((difference != 0).any(2).mean()))
        errors.append(float(np.square(difference, dtype=np.float32).mean()))
    before, after = (1e3 * np.median(each, axis=0) for each in times)
    return {
        "processor_ms": [float(before[0]), float(after[0])],
        "clock_ms": [float(before[1]), float(after[1])],
        "quick_clock_ms": [1e3 * float(np.percentile(each, 10, axis=0)[1]) for each in times],
        "differing_share": float(np.mean(differing)),
        "worst_psnr_db": float(10 * np.log10(255**2 / max(*errors, 1e-9))),
        "median_psnr_db": float(10 * np.log10(255**2 / max(float(np.median(errors)), 1e-9))),
    }


def row_text(row: dict[str, Any]) -> str:
    (processor, less), (clock, sooner), quick = row["processor_ms"], row["clock_ms"], row["quick_clock_ms"]
    return (
        f"{row['picture']:35} processor {processor:5.1f} -> {less:5.1f} ms, clock {clock:5.1f} -> {sooner:5.1f} ms "
        f"(tenth {quick[0]:.1f} -> {quick[1]:.1f}), differing {row['differing_share']:6.3%}, "
        f"PSNR median {row['median_psnr_db']:.1f}, worst {row['worst_psnr_db']:.1f} dB"
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    options.add_argument("--against", required=True, metavar="REVISION")
    options.add_argument("--frames", type=int, default=50, help="of each clip")
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--pictures", default="", metavar="WORDS", help="only those whose name has these words")
    options.add_argument("--json", type=Path)
    main(options.parse_args())

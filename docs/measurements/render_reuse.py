"""What render reuse saves and what it costs, on real clips, for several tolerances and numbers of kept pictures.

`python -m docs.measurements.render_reuse CLIP... [--character NAME] [--size 512] [--json OUT]`

Pictures are the warp renderer's. Beside the clips: a minute of the idle motion, and how late a blink's first frame is.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.clips.driving_clip import open_clip
from animator_core.config import load_config
from animator_core.diagnostics.benchmark.likeness import Likeness
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.idle import IdleMotion
from animator_core.motion.visible_change import LID_AND_LIP_TOLERANCE, signature
from animator_core.warp.renderer import WarpRenderer

FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Of the tolerances that are used."""
KEPT = (1, 64)
_IDLE_FPS, _IDLE_SECONDS = 30, 60
_EYE_OPENING = 0.065


def main(options: argparse.Namespace) -> None:
    config = load_config()
    size = (options.size, options.size)
    config = dataclasses.replace(config, character=dataclasses.replace(config.character, target_size=size))
    character = assembly.load_character(options.character, config)
    renderer = WarpRenderer()
    renderer.set_character(character)
    rows = []
    for name, motions in [
        *((path.stem, clip_motions(path, config)) for path in options.clips),
        ("idle", idle_motions()),
    ]:
        pictures = [renderer.render(motion).copy() for motion in motions]
        signatures = np.stack([signature(motion) for motion in motions])
        for factor in FACTORS:
            for kept in KEPT:
                shown = shown_by(signatures / factor, kept)
                rows.append({"clip": name, "factor": factor, "kept": kept, **figures_of(motions, pictures, shown)})
                print(row_text(rows[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def clip_motions(path: Path, config: Any) -> list[DrivingMotion]:
    clip, estimator = open_clip(path, lambda: assembly.make_tracker(config)), assembly.make_estimator(config)
    estimator.calibrate_from(face.observation for face in clip.look_through(StageTimes()) if face.observation)
    found = [estimator.update(moment.observation, moment.captured_ns) for moment in clip.moments(StageTimes())]
    clip.close()
    return found


def idle_motions() -> list[DrivingMotion]:
    idle = IdleMotion()
    return [idle.advance(1 / _IDLE_FPS) for _ in range(_IDLE_FPS * _IDLE_SECONDS)]


def shown_by(signatures: np.ndarray, kept: int) -> list[int]:
    """Return the frame whose picture is shown for each, where the last ``kept`` drawn pictures may be shown again."""
    drawn: list[int] = []
    shown = []
    for number, wanted in enumerate(signatures):
        distance = np.abs(signatures[drawn] - wanted).max(1) if drawn else np.array([])
        if shown and distance[-1] <= 1:
            shown.append(drawn[-1])
        elif drawn and distance.min() <= 1:
            found = int(distance.argmin())
            drawn.append(drawn.pop(found))
            shown.append(drawn[-1])
        else:
            drawn = [*drawn, number][-kept:]
            shown.append(number)
    return shown


def figures_of(motions: list[DrivingMotion], pictures: list[np.ndarray], shown: list[int]) -> dict[str, Any]:
    likeness = Likeness()
    for picture, number in zip(pictures, shown):
        likeness.compare(pictures[number], picture)
    lids = np.array([motion.eye_openness for motion in motions])
    # A closing that is under way: the lids fall by more than a tenth of the eye in this frame.
    begins = [n for n, (one, other) in enumerate(pairwise(lids), 1) if (one - other).max() > 0.1]
    late = [n for n in begins if np.abs(lids[shown[n]] - lids[n]).max() * _EYE_OPENING > LID_AND_LIP_TOLERANCE]
    return {
        "saved": 1 - len(set(shown)) / len(shown),
        **dataclasses.asdict(likeness.summary()),
        "closing_frames": len(begins),
        "late_closing_frames": len(late),
    }


def row_text(row: dict[str, Any]) -> str:
    def level(name: str, digits: int = 1) -> str:
        return "-" if row[name] is None else f"{row[name]:.{digits}f}"

    return (
        f"{row['clip']:>5} tolerance x{row['factor']:<4} kept {row['kept']:<3} saves {row['saved']:4.0%}, PSNR of all "
        f"{level('psnr_db')} dB, of reused {level('differing_psnr_db')} dB, worst {level('worst_psnr_db')} dB, SSIM of "
        f"reused {level('differing_ssim', 4)}, worst {level('worst_ssim', 4)}; late in {row['late_closing_frames']} of "
        f"{row['closing_frames']} frames of closing lids"
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    options.add_argument("--character", help="who is drawn (default: the library's first)")
    options.add_argument("--size", type=int, default=512)
    options.add_argument("--json", type=Path)
    main(options.parse_args())

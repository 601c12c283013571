"""What a hit of the motion cache changes: hit rate, landmarks, keypoints and pictures, for several settings.

`python -m docs.measurements.motion_cache CLIP... [--weights DIR] [--paint N] [--json OUT]`

Each clip goes through a fresh cache once. Keypoints are the motion extractor's; with weights of the golden rule it
answers, but does not see a face, so that their error tells only how smooth the network is. Pictures are the warp
renderer's, which move like a face: it is given the landmarks that the cache takes for the same, and the neutral face of
the clip's first second.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.characters.character import Character
from animator_core.clips.driving_clip import DrivingMoment, open_clip
from animator_core.config import load_config
from animator_core.diagnostics.benchmark.likeness import Likeness, mean_squared_error, psnr_of
from animator_core.liveportrait.model import PortraitModel, to_bytes, to_tensor
from animator_core.liveportrait.motion.crop import DrivingView, DrivingViews
from animator_core.liveportrait.motion.motion_cache import QUANTISATION_STEP, MotionCache
from animator_core.liveportrait.networks.build import load_motion_extractor
from animator_core.liveportrait.networks.keypoints import transform_keypoints
from animator_core.warp.renderer import WarpRenderer
from docs.measurements.golden_model import parser, weights_folder

THRESHOLDS = (0.98, 0.95, 0.9, 0.8, 0.6)
STEPS = (1 / 1024, 1 / 256, 1 / 64, 1 / 40)
SETTINGS = [(threshold, QUANTISATION_STEP) for threshold in THRESHOLDS] + [(1.0, step) for step in STEPS]
_CROP, _SQUARE = 256, 512


@dataclasses.dataclass
class Clip:
    """A tracked clip; keypoints: (N, 21, 3) in pixels of the square of 512; pictures: the warp's without a cache."""

    name: str
    moments: list[DrivingMoment]
    views: list[DrivingView]
    keypoints: np.ndarray
    pictures: list[np.ndarray]


def main(options: argparse.Namespace) -> None:
    config = load_config()
    config = dataclasses.replace(config, character=dataclasses.replace(config.character, target_size=(512, 512)))
    character = assembly.load_character(options.character, config)
    rows: list[dict[str, Any]] = []
    with weights_folder(options.weights) as folder:
        for path in options.clips:
            clip = read_clip(path, folder, options.device, config, character)
            for threshold, step in SETTINGS:
                answers = answers_of(clip.views, threshold, step)
                rows.append({"clip": clip.name, **figures_of(clip, answers, threshold, step, config, character)})
                print(row_text(rows[-1]), flush=True)
            if options.paint:
                paint_some(clip, folder, options.device, options.paint)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def read_clip(path: Path, weights: Path, device: str, config: Any, character: Character) -> Clip:
    source = open_clip(path, lambda: assembly.make_tracker(config))
    moments = [moment for moment in source.moments(StageTimes()) if moment.observation is not None]
    source.close()
    looking = DrivingViews()
    views = [looking.look(each.picture, each.observation.landmarks, each.captured_ns) for each in moments]
    keypoints = extracted(path.stem, views, weights, device)
    pictures = drawn(moments, range(len(moments)), views, config, character)
    return Clip(path.stem, moments, views, keypoints, pictures)


def extracted(name: str, views: list[DrivingView], weights: Path, device: str) -> np.ndarray:
    """Return the driver's keypoints in every frame."""
    extract = load_motion_extractor(weights, device)
    found = [transform_keypoints(extract(to_tensor(view.pixels)))[0] for view in views]
    return torch.stack(found).float().cpu().numpy() * (_SQUARE / 2)


def answers_of(views: list[DrivingView], threshold: float, step: float) -> list[int]:
    """Return the frame whose motion the cache gives for each frame: its own where it knows none."""
    cache: MotionCache[int] = MotionCache(similarity_threshold=threshold, quantisation_step=step)
    answers = []
    for number, view in enumerate(views):
        known = cache.get(view.landmarks_in_square)
        if known is None:
            cache.put(view.landmarks_in_square, known := number)
        answers.append(known)
    return answers


def drawn(
    moments: list[DrivingMoment], answers: Any, views: list[DrivingView], config: Any, character: Character
) -> list[np.ndarray]:
    """Return the warp's pictures where the face of each frame is the answer's, put where this one's is cropped."""
    renderer, estimator = WarpRenderer(), assembly.make_estimator(config)
    renderer.set_character(character)
    estimator.calibrate_from(each.observation for each in moments)
    pictures = []
    for moment, answer, view in zip(moments, answers, views):
        landmarks = moment.observation.landmarks.copy()
        there = views[answer].landmarks_in_square
        landmarks[:, :2] = (there - 0.5) * view.square.size + view.square.centre
        landmarks[:, 2] = moments[answer].observation.landmarks[:, 2]
        motion = estimator.update(dataclasses.replace(moment.observation, landmarks=landmarks), moment.captured_ns)
        pictures.append(renderer.render(motion).copy())
    return pictures


def figures_of(
    clip: Clip, answers: list[int], threshold: float, step: float, config: Any, character: Character
) -> dict[str, Any]:
    hits = [number for number, answer in enumerate(answers) if answer != number]
    given = [answers[number] for number in hits]
    spread = float(np.sqrt(clip.keypoints.var(0).mean()))
    moved = clip.keypoints[given] - clip.keypoints[hits] if hits else np.zeros((0, 21, 3))
    points = np.array([view.landmarks_in_square for view in clip.views]) * _CROP
    shift = points[given] - points[hits] if hits else np.zeros((0, 478, 2))
    likeness = Likeness()
    for picture, truth in zip(drawn(clip.moments, answers, clip.views, config, character), clip.pictures):
        likeness.compare(picture, truth)
    found = likeness.summary()
    of_hits = float(np.mean([likeness.errors[number] for number in hits])) if hits else 0.0
    return {
        "threshold": threshold,
        "step": step,
        "hit_rate": len(hits) / len(answers),
        "landmark_rms_px": _rms(shift),
        "landmark_max_px": float(np.abs(shift).max(initial=0)),
        "keypoint_rms_px": _rms(moved),
        "keypoint_max_px": float(np.abs(moved).max(initial=0)),
        "keypoint_rms_of_spread": _rms(moved) / spread,
        "hits_psnr_db": psnr_of(of_hits) if of_hits else None,
        "worst_psnr_db": found.worst_psnr_db,
        "worst_ssim": found.worst_ssim,
    }


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean())) if values.size else 0.0


def row_text(row: dict[str, Any]) -> str:
    def decibel(name: str) -> str:
        return "-" if row[name] is None else f"{row[name]:.1f}"

    return (
        f"{row['clip']} threshold {row['threshold']:<5} step 1/{1 / row['step']:<4.0f} hits {row['hit_rate']:4.0%}, "
        f"landmarks rms {row['landmark_rms_px']:.2f} most {row['landmark_max_px']:.2f} px of 256, keypoints rms "
        f"{row['keypoint_rms_px']:.2f} most {row['keypoint_max_px']:.2f} px of 512 "
        f"({row['keypoint_rms_of_spread']:.1%} of their spread), warp of hits {decibel('hits_psnr_db')} dB, "
        f"worst frame {decibel('worst_psnr_db')} dB"
    )


def paint_some(clip: Clip, weights: Path, device: str, count: int) -> None:
    """Print how far LivePortrait's pictures are off in the hits of the default setting that move keypoints most."""
    answers = np.array(answers_of(clip.views, THRESHOLDS[1], QUANTISATION_STEP))
    error = np.abs(clip.keypoints[answers] - clip.keypoints).max((1, 2))
    model = PortraitModel.load(weights, device)
    for number in np.argsort(-error)[:count]:
        features = model.extract_features(to_tensor(clip.views[number].pixels))
        paintings = [
            to_bytes(model.paint(features, torch.from_numpy(clip.keypoints[each][None] / (_SQUARE / 2))).picture)[0]
            for each in (number, answers[number])
        ]
        found = mean_squared_error(*paintings)
        level = "equal" if not found else f"{psnr_of(found):.1f} dB"
        print(
            f"{clip.name} frame {number}: keypoints off by up to {error[number]:.2f} px, LivePortrait {level}",
            flush=True,
        )


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    options.add_argument("--character", help="who is drawn by the warp (default: the library's first)")
    options.add_argument("--paint", type=int, default=0, metavar="N", help="hits a clip that LivePortrait paints, too")
    options.add_argument("--json", type=Path)
    main(options.parse_args())

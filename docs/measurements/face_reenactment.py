"""How near a portrait comes to its own person: a frame of a clip as the character, in the motion of the same clip.

`python -m docs.measurements.face_reenactment CLIP... [--portrait first|calmest] [--against REVISION] [--json OUT]`

The portrait's frame is the neutral one, as if "Calibrate" had been pressed there. Against the real frames: the mean
error of the 478 landmarks as they lie in the picture and after taking out shift, turn and size (rigid points), in % of
the face height, and the PSNR in the face's box. Medians over the frames in which both show a face.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from animator_core import assembly
from animator_core.characters.character import Character
from animator_core.config import load_config
from animator_core.tracking.detect import detect_face
from animator_core.tracking.face_model import RIGID_POINTS
from docs.measurements import face_against
from docs.measurements.face_rendering import Clip, make_renderer, picture_of, read_clip
from docs.measurements.face_signals import NAMES, Watcher

_MARGIN = 0.1
"""Of the face's box on every side."""
_CALM = ("mouthSmileLeft", "mouthSmileRight", "jawOpen", "mouthPucker", "mouthFunnel", "eyeBlinkLeft", "eyeSquintLeft")


def main(options: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    config, rows = load_config(), []
    for path in options.clips:
        clip = read_clip(path, config, options.frames)
        portrait = calmest(clip) if options.portrait == "calmest" else 0
        renderer = make_renderer(options.renderer, config)
        renderer.set_character(character_of(clip.pictures[portrait], path.stem))
        produced = list(reenacted(clip, portrait, renderer=renderer, config=config))
        rows.append({"clip": path.stem, "portrait": portrait, **errors(clip, produced)})
        print(row_text(rows[-1]), flush=True)
    print(row_text(mean_of(rows)))
    if options.against:
        before = face_against.rows_of(options.against, "face_reenactment", options)
        print(f"\nbefore, at {options.against}", *map(row_text, [*before, mean_of(before)]), sep="\n")
        rows = [*rows, *({**row, "revision": options.against} for row in before)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def character_of(picture: np.ndarray, name: str) -> Character:
    """Return (H, W, 3) uint8 RGB as an opaque character; raises CharacterError without a face when it is drawn."""
    rgba = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    digest = hashlib.sha256(rgba.tobytes()).hexdigest()
    return Character(name, name, np.ascontiguousarray(rgba), detect_face(picture), digest)


def calmest(clip: Clip) -> int:
    """Return the frame whose face is frontal and expresses least."""
    yaw, pitch = (clip.measures[:, NAMES.index(name)] for name in ("yaw", "pitch"))
    turned = np.hypot(yaw - np.nanmedian(yaw), pitch - np.nanmedian(pitch)) / 20
    scores = [np.nan if sight is None else sum(sight.scores[name] for name in _CALM) for sight in clip.sights]
    return int(np.nanargmin(turned + np.array(scores)))


def reenacted(clip: Clip, portrait: int, *, renderer: Any, config: Any) -> Iterator[np.ndarray]:
    """Yield (H, W, 3) uint8 RGB of each frame of the clip, with the portrait's frame as the neutral one."""
    estimator = assembly.make_estimator(config)
    neutral = clip.moments[portrait].observation
    estimator.update(neutral, clip.moments[portrait].captured_ns)
    estimator.calibrate()
    # The character eases to a new neutral pose; the clip begins after that.
    after_ns = clip.moments[portrait].captured_ns + 2_000_000_000
    estimator.update(None, after_ns)
    for moment in clip.moments:
        now_ns = after_ns + moment.captured_ns
        observation = moment.observation
        if observation is not None:
            observation = replace(observation, captured_ns=now_ns)
        yield picture_of(renderer, estimator.update(observation, now_ns))


def errors(clip: Clip, produced: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the medians of both landmark errors in % and of the PSNR in dB."""
    watcher, rows = Watcher(), []
    for real, sight, picture in zip(clip.pictures, clip.sights, produced):
        seen = watcher.look(picture)
        if sight is None or seen is None:
            continue
        height = float(np.linalg.norm(sight.points[10, :2] - sight.points[152, :2]))
        one, other = sight.points[:, :2], seen.points[:, :2]
        placed, aligned = (
            100 * np.linalg.norm(each - one, axis=1).mean() / height for each in (other, fitted(other, one))
        )
        rows.append([placed, aligned, psnr(*(cut(each, one) for each in (real, picture)))])
    watcher.close()
    placed, aligned, level = np.median(rows, axis=0)
    return {
        "error": float(placed),
        "aligned": float(aligned),
        "psnr": float(level),
        "worst_psnr": float(np.min(rows, axis=0)[2]),
        "found": len(rows) / len(produced),
    }


def fitted(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Return (478, 2) points moved, turned and scaled so that the rigid ones lie on those of ``onto``."""
    rigid = list(RIGID_POINTS)
    matrix, _ = cv2.estimateAffinePartial2D(points[rigid], onto[rigid], method=cv2.LMEDS)
    return points @ matrix[:, :2].T + matrix[:, 2]


def cut(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    low, high = points.min(0), points.max(0)
    margin = _MARGIN * (high - low)
    (left, top), (right, bottom) = np.maximum(low - margin, 0).astype(int), (high + margin).astype(int)
    return picture[top:bottom, left:right].astype(np.float32)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(float(np.square(one - other).mean()), 1e-3)))


def mean_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = ("error", "aligned", "psnr", "worst_psnr", "found")
    return {"clip": "mean", "portrait": "-", **{name: float(np.mean([row[name] for row in rows])) for name in names}}


def row_text(row: dict[str, Any]) -> str:
    return (
        f"{row['clip']} (frame {row['portrait']}): landmarks {row['error']:.2f} %, aligned {row['aligned']:.2f} %, "
        f"PSNR {row['psnr']:.1f} dB, worst {row['worst_psnr']:.1f}; face found {row['found']:.0%}"
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    options.add_argument("--portrait", choices=("first", "calmest"), default="first")
    options.add_argument("--renderer", default="warp")
    options.add_argument("--frames", type=int, default=200, help="of each clip")
    options.add_argument("--against", metavar="REVISION", help="measure another revision as well")
    options.add_argument("--json", type=Path)
    main(options.parse_args())

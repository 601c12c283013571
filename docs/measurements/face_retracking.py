"""How well the produced face follows the driver's: both are tracked, and their signals compared.

`python -m docs.measurements.face_retracking CLIP... [--characters NAME|PICTURE...] [--json OUT] [--against REVISION]`

Each character (default: the library's) is animated by each clip as `animate` does it. r is the correlation and gain the
slope against the driver at the lag at which the first six signals agree best. A signal counts where the driver moves
it: `face_signals.MOVES` times the tracker's noise on a still face, which `--noise` measures. `*` marks those pairs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from animator_core.config import load_config
from docs.measurements import face_against
from docs.measurements.face_rendering import Clip, load, make_renderer, read_clip, rendered
from docs.measurements.face_signals import FIRST_SIX, NAMES, Watcher, signals, still_noise, thresholds

MOST_LAG = 6
_LEAST_FRAMES = 30
_GOOD, _FAIR = 0.95, 0.9


def main(options: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    config = load_config()
    clips = [read_clip(path, config, options.frames) for path in options.clips]
    if options.noise:
        print_noise(clips)
        return
    rows = []
    for character in load(options.characters, config):
        renderer = make_renderer(options.renderer, config)
        renderer.set_character(character)
        for clip in clips:
            produced, watcher = [], Watcher()
            for picture in rendered(clip, renderer, config):
                produced.append(signals(watcher.look(picture)))
            watcher.close()
            rows.append({"character": character.name, "clip": clip.name, **compared(clip.measures, np.array(produced))})
            print(row_text(rows[-1]), flush=True)
        renderer.close()
    print(summary_text(rows))
    if options.against:
        before = face_against.rows_of(options.against, "face_retracking", options)
        print(f"\nbefore, at {options.against}\n{summary_text(before)}")
        rows = [*rows, *({**row, "revision": options.against} for row in before)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def compared(driving: np.ndarray, produced: np.ndarray) -> dict[str, Any]:
    """Return the likeness of two videos' signals, (N, 20) each, at their best common lag."""
    found = float(np.mean(~np.isnan(produced[:, 0])))
    best: dict[str, Any] = {"r": [0.0] * len(NAMES), "gain": [0.0] * len(NAMES), "lag": 0, "mean": -1.0}
    moves = np.nanstd(driving, axis=0)
    for lag in range(MOST_LAG + 1):
        one, other = driving[: len(driving) - lag], produced[lag:]
        seen = ~np.isnan(one).any(1) & ~np.isnan(other).any(1)
        if seen.sum() < _LEAST_FRAMES:
            continue
        one, other = one[seen], other[seen]
        r, gain = correlation_and_slope(one, other)
        mean = float(r[: len(FIRST_SIX)].mean())
        if mean > best["mean"]:
            best = {"r": r.tolist(), "gain": gain.tolist(), "lag": lag, "mean": mean}
    return {**best, "found": found, "moves": (moves > thresholds()).tolist(), "std": moves.tolist()}


def correlation_and_slope(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return r and the slope of ``other`` against ``one``, of each column; 0 for a signal that does not change."""
    one, other = one - one.mean(0), other - other.mean(0)
    product, squares, others = (one * other).sum(0), (one**2).sum(0), (other**2).sum(0)
    r = product / np.sqrt(np.maximum(squares * others, 1e-18))
    return r, product / np.maximum(squares, 1e-12)


def row_text(row: dict[str, Any]) -> str:
    cells = (
        f"{name} {r:.2f}/{gain:.2f}{'*' if moves else ''}"
        for name, r, gain, moves in zip(NAMES, row["r"], row["gain"], row["moves"])
    )
    return f"{row['character']} {row['clip']}: found {row['found']:.0%}, lag {row['lag']}; " + ", ".join(cells)


def summary_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of medians and shares as Markdown."""
    r, gain, moves = (np.array([row[key] for row in rows]) for key in ("r", "gain", "moves"))

    def cells(values: Sequence[str]) -> str:
        return " | ".join(values)

    def median(values: np.ndarray, number: int) -> str:
        chosen = values[moves[:, number], number]
        return f"{np.median(chosen):.2f}" if len(chosen) else "-"

    def share(least: float, number: int) -> str:
        chosen = r[moves[:, number], number]
        return f"{(chosen >= least).sum()} of {len(chosen)}"

    columns = range(len(NAMES))
    six = np.s_[:, : len(FIRST_SIX)]
    chosen = r[six][moves[six]]
    found = [row["found"] for row in rows]
    lags = [row["lag"] for row in rows]
    return "\n".join(
        [
            f"| | {cells(NAMES)} |",
            "|---" * (len(NAMES) + 1) + "|",
            f"| median r, where the driver moves | {cells([median(r, each) for each in columns])} |",
            f"| median gain there | {cells([median(gain, each) for each in columns])} |",
            f"| r ≥ .95 there | {cells([share(_GOOD, each) for each in columns])} |",
            f"| all pairs, r ≥ .95 | {cells([str((r[:, each] >= _GOOD).sum()) for each in columns])} |",
            f"First six signals: ≥ .90 in {(r[six] >= _FAIR).sum()}, ≥ .95 in {(r[six] >= _GOOD).sum()} "
            f"of {r[six].size}; where the driver moves them ≥ .95 in {(chosen >= _GOOD).sum()} of {chosen.size}. "
            f"Face found in {min(found):.0%} or more; lag {min(lags)} to {max(lags)} frames.",
        ]
    )


def print_noise(clips: Sequence[Clip]) -> None:
    """Print the noise of each signal on the first frame of each clip, and the largest."""
    rows = np.array([still_noise(clip.pictures[0]) for clip in clips])
    for name, threshold, column in zip(NAMES, thresholds(), rows.T):
        levels = " ".join(f"{value:.4f}" for value in column)
        print(f"{name:10} {levels}  largest {column.max():.4f}, the driver moves it above {threshold:.3f}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    options.add_argument("--characters", nargs="*", default=[], metavar="NAME")
    options.add_argument("--renderer", default="warp")
    options.add_argument("--frames", type=int, default=200, help="of each clip")
    options.add_argument("--noise", action="store_true", help="measure the tracker's noise instead")
    options.add_argument("--against", metavar="REVISION", help="measure another revision as well")
    options.add_argument("--json", type=Path)
    main(options.parse_args())

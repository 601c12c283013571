"""The statistics lines of ``run``, in the shape that the original project prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from animator_core.animation.timing import Percentiles


@dataclass(frozen=True)
class LiveFigures:
    """Rates in frames a second; times in milliseconds; hit_rate from 0 to 1; character_number counts from 1."""

    capture_fps: float
    tracking_fps: float
    inference_fps: float
    output_fps: float
    inference_ms: float
    character: str
    character_number: int
    character_count: int
    hit_rate: float
    cached_characters: int
    cached_motions: int


def format_lines(figures: LiveFigures) -> str:
    """Return the four lines."""
    return "\n".join(
        (
            f"FPS: Capture={figures.capture_fps:.1f} | Tracking={figures.tracking_fps:.1f} | "
            f"Inference={figures.inference_fps:.1f} | Output={figures.output_fps:.1f}",
            f"Inference Time: {figures.inference_ms:.2f} ms",
            f"Character: {figures.character} ({figures.character_number}/{figures.character_count})",
            f"Optimizer: Cache Hit Rate={figures.hit_rate:.1%} | Cached={figures.cached_characters} chars | "
            f"Motion Cache={figures.cached_motions}",
        )
    )


def format_profile(stages: Mapping[str, Percentiles]) -> str:
    """Return one line with the times of all stages."""
    times = [f"{name}={t.p50_ms:.2f}/{t.p95_ms:.2f}/{t.p99_ms:.2f}" for name, t in stages.items()]
    return f"Profile (p50/p95/p99 ms): {' | '.join(times)}"

"""``benchmark``: how long each stage takes on this machine."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animator_core import assembly
from animator_core.cli import parts
from animator_core.config import PROJECT_ROOT, load_config

if TYPE_CHECKING:
    from animator_core.benchmark import BenchmarkResult

DEFAULT_DRIVING = PROJECT_ROOT / "assets" / "motions" / "sample.npz"
DEFAULT_FRAMES = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parts.add_character_arguments(parser)
    parser.add_argument(
        "--driving",
        type=Path,
        default=DEFAULT_DRIVING,
        metavar="VIDEO|MOTION",
        help="a video (its tracking is measured too) or a recorded motion (default: the sample motion)",
    )
    parser.add_argument(
        "--size", type=parts.positive_int, metavar="N", help="reduce the character to fit N×N (default: settings)"
    )
    parser.add_argument("--frames", type=parts.positive_int, default=DEFAULT_FRAMES, metavar="N")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write the figures as JSON")


def run(options: argparse.Namespace) -> int:
    """Measure, print a table and write the JSON asked for."""
    from animator_core.benchmark import run_benchmark
    from animator_core.driving_clip import open_clip

    parts.require_writable((options.json,))
    config = load_config(options.config)
    if options.size is not None:
        smaller = dataclasses.replace(config.character, target_size=(options.size, options.size))
        config = dataclasses.replace(config, character=smaller)
    open_clip(options.driving, lambda: assembly.make_tracker(config)).close()  # a wrong clip is told at once
    character = assembly.load_character(options.character, config)
    with assembly.made_renderer(options.renderer, config) as renderer:
        renderer.set_character(character)
        result = run_benchmark(
            lambda: open_clip(options.driving, lambda: assembly.make_tracker(config)),
            lambda: assembly.make_estimator(config),
            renderer,
            options.frames,
        )
    print(format_result(result, character.name, options.driving.name))
    if options.json is not None:
        figures = figures_of(result, character.name, options.driving.name)
        parts.write_json(options.json, figures)
    return 0


def figures_of(result: BenchmarkResult, character: str, driving: str) -> dict[str, Any]:
    """Return the result as JSON holds it; times in milliseconds a frame."""
    figures = dataclasses.asdict(result)
    stages = {name: {"p50": t.p50_ms, "p95": t.p95_ms, "p99": t.p99_ms} for name, t in result.stages.items()}
    del figures["stages"]
    return {"character": character, "driving": driving, **figures, "stages_ms": stages}


def format_result(result: BenchmarkResult, character: str, driving: str) -> str:
    """Return the figures as a table for people."""
    machine = result.machine
    width, height = result.frame_size
    lines = [
        f"{machine['cpu']}, {machine['usable_cores']} of {machine['logical_cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}",
        ", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
        f"{character} at {width}x{height} by {result.renderer} on {result.device}, driven by {driving} "
        f"({result.driving_size[0]}x{result.driving_size[1]}, tracker: {result.tracker})",
        f"{result.frames} frames, after {result.warm_up_frames} more that are not counted; "
        f"a face in {result.tracked_share:.0%} of them; other programs took {result.cpu_load_before:.0f}% of the CPU "
        "at the start",
        "",
        f"{'stage':<10}{'p50':>10}{'p95':>10}{'p99':>10}   ms a frame",
    ]
    lines += [f"{name:<10}{t.p50_ms:>10.2f}{t.p95_ms:>10.2f}{t.p99_ms:>10.2f}" for name, t in result.stages.items()]
    lines += [
        "",
        f"{result.fps:.1f} fps, {' + '.join(s for s in result.stages if s not in ('read', 'total'))} one after the "
        "other (in OBS tracking runs beside rendering)",
        f"peak memory {result.peak_memory_mib:.0f} MiB",
    ]
    if result.tracker == "recorded":
        lines.append("tracking was not measured: the motion is a recording. Give --driving a video for it")
    return "\n".join(lines)

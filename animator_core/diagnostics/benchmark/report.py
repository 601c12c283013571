"""Reports a benchmark as a table, as JSON and as a plot."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from animator_core.diagnostics.benchmark.likeness import LikenessSummary, psnr_of
from animator_core.diagnostics.benchmark.path import TOTAL, MeasuredPath, PathResult
from animator_core.diagnostics.benchmark.run import BenchmarkResult
from animator_core.errors import AnimatorError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"plain": "#9aa0a6", "optimizer": "#1a73e8"}


@dataclasses.dataclass(frozen=True)
class Subject:
    """The names of the measured character, clip, renderer and device, for headings."""

    character: str
    driving: str
    renderer: str
    backend: str
    device: str


def figures_of(result: BenchmarkResult, subject: Subject) -> dict[str, Any]:
    """Return the result for JSON; times in milliseconds per frame."""
    figures = dataclasses.asdict(result)
    figures["paths"] = [_path_figures(path) for path in result.paths]
    return {**dataclasses.asdict(subject), **figures}


def _path_figures(path: PathResult) -> dict[str, Any]:
    figures = dataclasses.asdict(path)
    del figures["stages"]
    stages = {name: {"p50": t.p50_ms, "p95": t.p95_ms, "p99": t.p99_ms} for name, t in path.stages.items()}
    return {**figures, "stages_ms": stages}


def format_result(result: BenchmarkResult, subject: Subject) -> str:
    """Return the result as a table."""
    width, height = result.frame_size
    count = f"{result.characters} characters, the first " if result.characters > 1 else ""
    lines = [
        *_machine_lines(result),
        f"{count}{subject.character} at {width}x{height} by {subject.renderer} ({subject.backend}) on "
        f"{subject.device}, driven by {subject.driving} "
        f"({result.driving_size[0]}x{result.driving_size[1]}, tracker: {result.tracker})",
        f"{result.frames} frames after {result.warm_up_frames} warm-up frames; a face in {result.tracked_share:.0%} of "
        f"them; CPU load before the start: {result.cpu_load_before:.0f}%",
        "",
        f"{'ms a frame':<12}{'stage':<10}{'p50':>9}{'p95':>9}{'p99':>9}{'mean':>9}",
    ]
    for path in result.paths:
        lines += _stage_lines(path)
    lines += [_path_line(path) for path in result.paths]
    if len(result.paths) == 2:
        lines.append(_comparison(result.paths[0], result.paths[1]))
    if result.overlapped_fps is not None:
        lines.append(
            f"{result.overlapped_fps:.1f} fps with tracking and rendering in parallel, as in OBS "
            f"({result.paths[-1].name}; in sequence: {result.paths[-1].fps:.1f}; both without decoding)"
        )
    else:
        lines.append("Tracking was not measured, because the motion is a recording; use --driving VIDEO to measure it.")
    return "\n".join([*lines, *_use_lines(result)])


def _machine_lines(result: BenchmarkResult) -> list[str]:
    machine, gpu = result.machine, result.gpu
    clock = f" at {machine['cpu_mhz']} MHz" if machine["cpu_mhz"] else ""
    first = (
        f"{machine['cpu']}{clock}, {machine['usable_cores']} of {machine['logical_cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}"
    )
    second = "no NVIDIA GPU found; no GPU figures"
    if gpu is not None:
        second = f"{gpu.name}, driver {gpu.driver}, {gpu.clock_mhz:.0f} of {gpu.most_clock_mhz:.0f} MHz"
    return [first, second, ", ".join(f"{name} {version}" for name, version in machine["versions"].items())]


def _stage_lines(path: PathResult) -> list[str]:
    return [
        f"{path.name if number == 0 else '':<12}{stage:<10}"
        f"{t.p50_ms:>9.2f}{t.p95_ms:>9.2f}{t.p99_ms:>9.2f}{path.mean_ms[stage]:>9.2f}"
        for number, (stage, t) in enumerate(path.stages.items())
    ] + [""]


def _path_line(path: PathResult) -> str:
    drawn = path.drawn + path.reused
    text = f"{path.name}: {path.fps:.1f} fps in sequence, {path.drawn} of {drawn} frames drawn"
    if path.motion_cache_hit_rate is not None:
        text += f", motion cache hits {path.motion_cache_hit_rate:.0%}"
    if path.likeness is not None:
        text += f"; against plain: {_likeness_text(path.likeness)}"
    return text


def _likeness_text(found: LikenessSummary) -> str:
    if found.psnr_db is None:
        return f"all {found.frames} frames equal"
    return (
        f"PSNR {found.psnr_db:.1f} dB; {found.differing} of {found.frames} frames differ: PSNR "
        f"{found.differing_psnr_db:.1f} dB, SSIM {found.differing_ssim:.4f}, worst {found.worst_psnr_db:.1f} dB "
        f"and {found.worst_ssim:.4f}"
    )


def _comparison(one: PathResult, other: PathResult) -> str:
    plain, better = (one, other) if other.enable_optimizer else (other, one)
    work = [path.mean_ms["motion"] + path.mean_ms["render"] for path in (plain, better)]
    return (
        f"The optimizer saves {1 - better.drawn / plain.drawn:.0%} of the drawing and {1 - work[1] / work[0]:.0%} of "
        f"the renderer's time ({work[0]:.2f} → {work[1]:.2f} ms a frame)"
    )


def _use_lines(result: BenchmarkResult) -> list[str]:
    lines = [
        f"CPU: {result.cpu_share:.0%} of all usable cores (both paths together), "
        f"peak memory {result.peak_memory_mib:.0f} MiB"
    ]
    if result.gpu is not None:
        own = f", of which torch {result.peak_gpu_mib:.0f} MiB" if result.peak_gpu_mib is not None else ""
        lines.append(f"GPU: busy {result.gpu.busy:.0%} of the time, memory {result.gpu.memory_mib:.0f} MiB{own}")
    return lines


def plot(file: Path, result: BenchmarkResult, subject: Subject, *, paths: Sequence[MeasuredPath]) -> None:
    """Write a PNG of stage times, frame times, errors of reused pictures, and frame rates."""
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise AnimatorError("--plot needs matplotlib", "run install.py, or `pip install matplotlib`") from exc
    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    width, height = result.frame_size
    figure.suptitle(
        f"{subject.character} {width}×{height}, {subject.renderer} ({subject.backend}) on {subject.device}, "
        f"driven by {subject.driving}, {result.frames} frames\n{result.machine['cpu']}, "
        f"{result.machine['usable_cores']} cores" + (f", {result.gpu.name}" if result.gpu else ""),
        fontsize=11,
    )
    _plot_stages(axes[0, 0], result.paths)
    _plot_frames(axes[0, 1], paths)
    _plot_errors(axes[1, 0], paths)
    _plot_rates(axes[1, 1], result)
    try:
        figure.savefig(file, dpi=110, format="png")
    except OSError as exc:
        raise AnimatorError(f"cannot write {file}: {exc.strerror}", "choose a folder you can write to") from exc


def _plot_stages(axes: Axes, paths: Sequence[PathResult]) -> None:
    stages = [stage for stage in paths[0].stages if any(path.mean_ms[stage] for path in paths)]
    height = 0.8 / len(paths)
    for number, path in enumerate(paths):
        places = [index + height * number for index in range(len(stages))]
        means = [path.mean_ms[stage] for stage in stages]
        axes.barh(places, means, height, label=f"{path.name}, mean", color=_COLOURS[path.name])
        axes.plot(
            [path.stages[s].p95_ms if s in path.stages else 0 for s in stages],
            places,
            "k|" if number == 0 else "kx",
            label=f"{path.name}, 95th percentile",
        )
    axes.set_yticks([index + 0.4 - height / 2 for index in range(len(stages))], stages)
    axes.invert_yaxis()
    axes.set_xlabel("ms per frame (render: mean of all frames, 95th percentile of drawn frames)")
    axes.legend(fontsize=8)
    axes.set_title("Stages")


def _plot_frames(axes: Axes, paths: Sequence[MeasuredPath]) -> None:
    for path in paths:
        axes.plot(path.times.durations_ms(TOTAL), ".", markersize=3, label=path.name, color=_COLOURS[path.name])
    longest = max(float(np.percentile(path.times.durations_ms(TOTAL), 99)) for path in paths)
    axes.set_ylim(0, 1.3 * longest)
    axes.set_xlabel("frame")
    axes.set_ylabel("ms, tracking to publish")
    axes.legend(fontsize=8)
    axes.set_title("Frame times (the slowest 1 % may be off the scale)")


def _plot_errors(axes: Axes, paths: Sequence[MeasuredPath]) -> None:
    axes.set_title("Error of reused pictures against the plain path")
    points = [
        (number, psnr_of(error)) for path in paths for number, error in enumerate(path.likeness.errors) if error > 0
    ]
    if not points:
        axes.text(0.5, 0.5, "no picture differs", ha="center", va="center", transform=axes.transAxes)
        return
    axes.plot(*zip(*points), ".", markersize=4, color=_COLOURS["optimizer"])
    axes.axhline(45, color="#d93025", linewidth=1)
    axes.set_xlabel("frame")
    axes.set_ylabel("PSNR in dB (higher is better)")


def _plot_rates(axes: Axes, result: BenchmarkResult) -> None:
    names = [f"{path.name},\nin sequence" for path in result.paths]
    rates = [path.fps for path in result.paths]
    colours = [_COLOURS[path.name] for path in result.paths]
    if result.overlapped_fps is not None:
        names.append(f"{result.paths[-1].name},\ntracking in parallel")
        rates.append(result.overlapped_fps)
        colours.append("#188038")
    bars = axes.bar(names, rates, color=colours)
    axes.bar_label(bars, fmt="%.1f")
    axes.margins(y=0.12)
    axes.set_ylabel("frames a second")
    axes.set_title("Rate")

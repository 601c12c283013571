"""``batch``: animates every clip of a manifest."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from animator_core import output_files
from animator_core.batch import ledger as ledgers
from animator_core.batch.job import Workers
from animator_core.batch.ledger import Ledger, ledger_path
from animator_core.batch.local import LocalWorkers
from animator_core.batch.manifest import BatchClip, ManifestError, read_manifest
from animator_core.batch.ray_cluster import RayWorkers
from animator_core.batch.schedule import ClipResult, Schedule, Watcher, unchanged_clips
from animator_core.cli import arguments, terminal
from animator_core.errors import AnimatorError

EXIT_SOME_FAILED, EXIT_UNUSABLE = 1, 2
_WORKER_BYTES = 1_000_000_000
_MOST_WITH_GPU = 2
"""Each process has networks of its own in the memory of the GPU."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "manifest",
        type=Path,
        metavar="MANIFEST.jsonl",
        help='one clip a line: {"character": …, "driving": …, "output": …}, and options as animate takes them',
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="run on a Ray cluster, one clip a GPU: HOST:PORT, auto, or local for this machine alone (Linux only; "
        "install.py --cluster installs Ray)",
    )
    parser.add_argument("--resume", action="store_true", help="skip the clips that an earlier run has done")
    parser.add_argument("--report", type=Path, metavar="OUT.json", help="write what became of each clip as JSON")
    parser.add_argument(
        "--jobs",
        type=arguments.positive_int,
        metavar="N",
        help="clips at once (default: one a core as far as the memory goes, 2 if a GPU draws them; with --ray: one a "
        "GPU, or one a core without any)",
    )
    parser.add_argument("--no-progress", action="store_true", help="hide the progress bar")


def run(options: argparse.Namespace) -> int:
    """Animate the clips; return 0 if all are done, 1 if some failed, 2 if the manifest or an option cannot be used."""
    started = time.perf_counter()
    with contextlib.ExitStack() as opened:
        try:
            batch = _opened_batch(options, opened)
        except AnimatorError as exc:
            for problem in exc.problems if isinstance(exc, ManifestError) else ():
                print(problem, file=sys.stderr)
            print(f"error: {exc}", file=sys.stderr)
            return EXIT_UNUSABLE
        results = _animate(batch, is_hidden=options.no_progress)
    seconds = time.perf_counter() - started
    if options.report is not None:
        output_files.write_json(options.report, _report(options.manifest, results, seconds))
    print(_summary(results, seconds))
    return EXIT_SOME_FAILED if any(result.state == ledgers.FAILED for result in results) else 0


@dataclass(frozen=True)
class _Batch:
    """A batch that can begin; workers: None if nothing is left to be done."""

    ledger: Ledger
    skipped: list[ClipResult]
    left: list[BatchClip]
    workers: Workers | None


def _opened_batch(options: argparse.Namespace, opened: contextlib.ExitStack) -> _Batch:
    """Return the batch that the options ask for, closed by ``opened``; raises AnimatorError if it cannot begin."""
    path = ledger_path(options.manifest)
    clips = _clips(options, path)
    ledger = opened.enter_context(Ledger(path))
    ledger.remove_leftovers(clips)
    skipped = unchanged_clips(clips, ledger) if options.resume else []
    kept = {result.clip.key for result in skipped}
    left = [clip for clip in clips if clip.key not in kept]
    workers = _workers(options, left) if left else None
    if workers is not None:
        opened.callback(workers.stop)
    if not options.resume and ledger.done():
        print(f"note: {ledger.path} has clips of an earlier run; --resume would keep them", file=sys.stderr)
    ledger.begin_run(options.resume)
    for result in skipped:
        ledger.add(result.state, result.clip)
    return _Batch(ledger, skipped, left, workers=workers)


def _clips(options: argparse.Namespace, ledger: Path) -> list[BatchClip]:
    outputs = {"--report": options.report, "the ledger": ledger}
    output_files.require_apart(outputs, {"the manifest": options.manifest})
    output_files.require_writable((options.report,))
    return read_manifest(options.manifest, tuple(filter(None, (ledger, options.report))))


def _animate(batch: _Batch, is_hidden: bool) -> list[ClipResult]:
    """Carry out what is left to be done, and return the results in the manifest's order."""
    skipped_count = len(batch.skipped)
    with _Bar(skipped_count + len(batch.left), skipped_count, is_hidden=is_hidden) as bar:
        schedule = Schedule(batch.left, batch.ledger, bar)
        if batch.workers is not None:
            schedule.run(batch.workers)
    return sorted([*batch.skipped, *schedule.results], key=lambda result: result.clip.line)


def _workers(options: argparse.Namespace, clips: list[BatchClip]) -> Workers:
    if options.ray is None:
        return LocalWorkers(min(len(clips), options.jobs or _default_jobs(clips)))
    return RayWorkers(options.ray, min(len(clips), options.jobs or len(clips)))


def _default_jobs(clips: list[BatchClip]) -> int:
    """Return how many clips this machine animates at once."""
    from animator_core.installation.torch_build import detect_gpu

    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    most = max(1, min(cores, psutil.virtual_memory().available // _WORKER_BYTES))
    takes_gpu = any(clip.request.renderer not in ("warp", "anime") for clip in clips)
    return min(most, _MOST_WITH_GPU) if takes_gpu and detect_gpu() else most


class _Bar(Watcher):
    """A progress bar of clips, with the frames a second of all workers together."""

    def __init__(self, clip_count: int, skipped_count: int, is_hidden: bool) -> None:
        self._bar: tqdm[Any] = tqdm(
            total=clip_count,
            initial=skipped_count,
            unit="clip",
            # Clips end in bunches: the rate of the whole run is a better forecast than the last ones'.
            smoothing=0,
            mininterval=terminal.progress_interval(),
            disable=is_hidden,
        )
        self._started = time.monotonic()
        self._frames = self._failed = 0
        self._told: set[str] = set()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.close()

    def ended(self, result: ClipResult) -> None:
        name = f"line {result.clip.line}, {result.clip.name}"
        # A warning about a character or the computer is the same for all its clips.
        for warning in (each for each in result.facts.get("warnings", ()) if each not in self._told):
            self._told.add(warning)
            self._say(f"warning: {name}: {warning}")
        if result.state == ledgers.FAILED:
            self._failed += 1
            self._say(f"failed: {name}, after {result.attempts} attempts: {result.reason}")
        self._bar.update()

    def retried(self, clip: BatchClip, reason: str) -> None:
        self._say(f"trying again: line {clip.line}, {clip.name}: {reason}")

    def waited(self, frames: int, jobs: int) -> None:
        self._frames += frames
        rate = self._frames / max(1e-3, time.monotonic() - self._started)
        # Lines of a log are written when clips end, as tqdm does by itself.
        self._bar.set_postfix_str(f"{rate:.0f} frames/s, {self._failed} failed", refresh=sys.stderr.isatty())

    def _say(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr)


def _counts(results: list[ClipResult]) -> dict[str, int]:
    states = (ledgers.DONE, ledgers.FAILED, ledgers.SKIPPED)
    return {state: sum(result.state == state for result in results) for state in states}


def _summary(results: list[ClipResult], seconds: float) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in _counts(results).items())
    frames = sum(result.facts["frames"] for result in results if result.state == ledgers.DONE)
    return f"{counts} of {len(results)} clips in {seconds:.1f} s, {frames} frames ({frames / seconds:.1f} a second)"


def _report(manifest: Path, results: list[ClipResult], seconds: float) -> dict[str, Any]:
    clips = [
        {
            "line": result.clip.line,
            "output": result.clip.name,
            "state": result.state,
            "attempts": result.attempts,
            "reason": result.reason,
            **{name: value for name, value in result.facts.items() if name not in _OF_LEDGER},
        }
        for result in results
    ]
    return {"manifest": str(manifest), "wall_seconds": seconds, **_counts(results), "clips": clips}


_OF_LEDGER = ("event", "time", "key", "line", "output", "attempts")

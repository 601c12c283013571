"""Gives the clips of a manifest to workers, again if one fails, and keeps the ledger."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from animator_core.atomic_file import unfinished_file
from animator_core.batch import ledger as ledgers
from animator_core.batch.job import Advanced, Ended, Job, Workers
from animator_core.batch.ledger import Ledger
from animator_core.batch.manifest import BatchClip
from animator_core.batch.runner import digest

MOST_ATTEMPTS = 3
_WAIT_SECONDS = 0.5
_DIGEST_THREADS = 4


@dataclass(frozen=True)
class ClipResult:
    """The fate of a clip.

    state: done, failed or skipped, as in the ledger. attempts: in this run. reason: of the failure. facts: about the
    written file.
    """

    clip: BatchClip
    state: str
    attempts: int = 0
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Watcher:
    """Is told how a batch goes on; this one does nothing."""

    def ended(self, result: ClipResult) -> None:
        """A clip is done or set aside."""

    def retried(self, clip: BatchClip, reason: str) -> None:
        """An attempt failed, and there will be another one."""

    def waited(self, frames: int, jobs: int) -> None:
        """A moment has passed, in which ``frames`` were written; jobs: clips in flight."""


def unchanged_clips(clips: Sequence[BatchClip], ledger: Ledger) -> list[ClipResult]:
    """Return the clips whose files are there, byte for byte, as an earlier run wrote and verified them."""
    done = ledger.done()
    known = [(clip, done[clip.key]) for clip in clips if clip.key in done]
    with ThreadPoolExecutor(_DIGEST_THREADS) as threads:
        is_same = list(threads.map(lambda each: _is_as_noted(each[0], each[1]), known))
    return [ClipResult(clip, ledgers.SKIPPED, facts=facts) for (clip, facts), same in zip(known, is_same) if same]


def _is_as_noted(clip: BatchClip, facts: Mapping[str, Any]) -> bool:
    output = clip.request.output
    with contextlib.suppress(OSError):
        return output.stat().st_size == facts.get("bytes") and digest(output) == facts.get("sha256")
    return False


class Schedule:
    """The clips that are left to be done, and those in flight."""

    def __init__(self, clips: Sequence[BatchClip], ledger: Ledger, watcher: Watcher | None = None) -> None:
        self._waiting = deque(clips)
        self._ledger = ledger
        self._watcher = watcher or Watcher()
        self._attempts: Counter[str] = Counter()
        self._in_flight: dict[str, Job] = {}
        self.results: list[ClipResult] = []

    def run(self, workers: Workers) -> None:
        """Carry out everything; raises AnimatorError if the ledger cannot be written or no worker is left."""
        while self._waiting or self._in_flight:
            while self._waiting and workers.free_count:
                self._begin(self._waiting.popleft(), workers)
            frames = 0
            for event in workers.events(_WAIT_SECONDS):
                if isinstance(event, Advanced):
                    frames += event.frames
                else:
                    self._end(event)
            self._watcher.waited(frames, len(self._in_flight))

    def _begin(self, clip: BatchClip, workers: Workers) -> None:
        job = Job(clip, unfinished_file(clip.request.output))
        self._attempts[clip.key] += 1
        self._in_flight[clip.key] = job
        attempt = self._attempts[clip.key]
        self._ledger.add(ledgers.BEGUN, clip, attempt=attempt, unfinished=job.unfinished.name)
        workers.begin(job)

    def _end(self, ended: Ended) -> None:
        clip, outcome = ended.job.clip, ended.outcome
        if self._in_flight.get(clip.key) is not ended.job:
            return  # an attempt that was given up earlier
        del self._in_flight[clip.key]
        # A worker that was killed leaves its file.
        remove_unfinished(ended.job.unfinished)
        attempts = self._attempts[clip.key]
        if not outcome.reason:
            self._note(ClipResult(clip, ledgers.DONE, attempts, facts=outcome.facts))
        elif attempts >= MOST_ATTEMPTS:
            self._note(ClipResult(clip, ledgers.FAILED, attempts, reason=outcome.reason))
        else:
            self._ledger.add(ledgers.RETRIED, clip, attempts=attempts, reason=outcome.reason)
            self._waiting.append(clip)
            self._watcher.retried(clip, outcome.reason)

    def _note(self, result: ClipResult) -> None:
        facts = {"reason": result.reason} if result.reason else dict(result.facts)
        self._ledger.add(result.state, result.clip, attempts=result.attempts, **facts)
        self.results.append(result)
        self._watcher.ended(result)


def remove_unfinished(path: Path) -> None:
    """Remove an unfinished file if it is there."""
    with contextlib.suppress(OSError):
        path.unlink()

"""Runners and workers that tests of batches put where a renderer, processes or machines would be."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from animator_core.batch.job import Ended, Event, Job, Outcome, Runner

_DEADLY = getattr(signal, "SIGKILL", signal.SIGTERM)  # the second one is as deadly on Windows


class ScriptedRunner:
    """Does what a job's driving file says: writes, fails, waits or dies; the file's first word is used up.

    write: write the output as `VideoWriter` does; fail: report a failure; die: be killed while the file is unfinished;
    wait: write frames without end.
    """

    def run(self, job: Job, advance: Callable[[int], None]) -> Outcome:
        request, script = job.clip.request, job.clip.request.driving
        word, _, rest = script.read_text().partition(" ")
        if rest:
            script.write_text(rest)
        try:
            job.unfinished.write_text(job.clip.name)
            if word == "die":
                os.kill(os.getpid(), _DEADLY)
            while word == "wait":
                advance(1)
                time.sleep(0.01)
            advance(3)
            if word == "fail":
                return Outcome(f"{script.name} says so")
            os.replace(job.unfinished, request.output)
            return Outcome(facts={"frames": 3, "process": os.getpid()}, is_spent=word == "spent")
        finally:
            if word != "fail":
                job.unfinished.unlink(missing_ok=True)


class InlineWorkers:
    """Carry jobs out one after the other in this process."""

    def __init__(self, runner: Runner, count: int = 2) -> None:
        self.jobs: deque[Job] = deque()
        self.most_at_once = 0
        self._runner, self._count = runner, count

    @property
    def free_count(self) -> int:
        return self._count - len(self.jobs)

    def begin(self, job: Job) -> None:
        self.jobs.append(job)
        self.most_at_once = max(self.most_at_once, len(self.jobs))

    def events(self, timeout_seconds: float) -> list[Event]:
        job = self.jobs.popleft()
        return [Ended(job, self._runner.run(job, lambda frames: None))]

    def stop(self) -> None:
        self.jobs.clear()


def parts(folder: Path) -> list[str]:
    """Return the unfinished files in a folder."""
    return sorted(path.name for path in folder.rglob("*.part"))

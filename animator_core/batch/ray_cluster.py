"""Workers that Ray places: one a GPU of a cluster, or one a core if it has no GPU. Linux only.

Every machine of the cluster has this program and the manifest's files under the same paths.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from animator_core.batch.job import Advanced, Ended, Event, Job, Outcome, Runner, Stopped
from animator_core.batch.local import make_clip_runner
from animator_core.errors import AnimatorError, first_line, loading
from animator_core.worker.process import limit_opencv_threads, limit_threads

LOCAL = "local"
"""The address of a cluster that is this machine alone, and ends with the batch."""
_STOP_SECONDS = 10.0
_QUESTION_SECONDS = 1.0
_MOST_REFUSALS = 5
_COLOUR = re.compile(r"\x1b\[\d+m")
_PATIENCE_SECONDS = 300.0
"""Without any worker in so long, the batch gives up: the machines are gone, or other programs have them."""


class RayWorkers:
    """As many actors as the cluster has GPUs, or cores; Ray starts one again, on any machine, if its own dies.

    address: LOCAL, "auto" or HOST:PORT. most: the largest number of actors. Raises AnimatorError without Ray, or if
    the cluster cannot be reached.
    """

    def __init__(self, address: str, most: int, make_runner: Callable[[], Runner] = make_clip_runner) -> None:
        self._termination = _Termination()
        self._ray = _joined(address)
        self._termination.hold_back()
        resources = self._ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
        count = max(1, min(most, gpus or cores))
        actor_class = self._ray.remote(num_cpus=1, num_gpus=min(1, gpus), max_restarts=-1, max_concurrency=2)(_Actor)
        threads = max(1, cores // count)
        self._slots = [_Slot(self._ray, actor_class.remote(make_runner, threads)) for _ in range(count)]
        self.description = f"{count} workers, {'one a GPU' if gpus else 'one a core'}"
        self._last_ready = time.monotonic()

    def __enter__(self) -> RayWorkers:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    @property
    def free_count(self) -> int:
        return sum(slot.is_free for slot in self._slots)

    def begin(self, job: Job) -> None:
        next(slot for slot in self._slots if slot.is_free).begin(job)

    def events(self, timeout_seconds: float) -> list[Event]:
        for slot in self._slots:
            slot.ask()
        waited = [slot.reference for slot in self._slots if slot.reference is not None]
        if waited:
            self._ray.wait(waited, num_returns=1, timeout=timeout_seconds)
            ready = set(self._ray.wait(waited, num_returns=len(waited), timeout=0)[0])
        else:
            ready = set()
            time.sleep(timeout_seconds)
        self._termination.let_through()
        events = [event for slot in self._slots if slot.reference in ready for event in slot.events()]
        if any(slot.is_free or slot.job is not None for slot in self._slots):
            self._last_ready = time.monotonic()
        else:
            self._require_hope()
        return events

    def _require_hope(self) -> None:
        """Raise AnimatorError if there will be no worker any more, or there has been none for too long."""
        seconds = time.monotonic() - self._last_ready
        problem = next(filter(None, (slot.problem for slot in self._slots)), "none has room")
        if all(slot.refusals >= _MOST_REFUSALS for slot in self._slots):
            raise AnimatorError(
                f"Ray's workers do not start ({problem})",
                "have this program and its packages under the same path on every machine",
            )
        if seconds > _PATIENCE_SECONDS:
            raise AnimatorError(
                f"Ray has had no worker for {seconds:.0f} s ({problem})", "look at `ray status`, then use --resume"
            )

    def stop(self) -> None:
        references = [slot.stop() for slot in self._slots]
        self._ray.wait(references, num_returns=len(references), timeout=_STOP_SECONDS)
        for slot in self._slots:
            slot.end()
        self._ray.shutdown()
        self._termination.restore()


class _Termination:
    """Lets SIGTERM through between Ray's calls only: inside of one Ray makes its exit code 1."""

    def __init__(self) -> None:
        self._is_ours = threading.current_thread() is threading.main_thread()
        self._handler = signal.getsignal(signal.SIGTERM)
        self._is_due = False

    def hold_back(self) -> None:
        """Note the signal from now on; Ray has put a handler of its own in place."""
        if self._is_ours:
            signal.signal(signal.SIGTERM, self._note if callable(self._handler) else self._handler)

    def let_through(self) -> None:
        """Call the former handler if the signal has come."""
        if self._is_due and callable(self._handler):
            self._is_due = False
            self._handler(signal.SIGTERM, None)

    def restore(self) -> None:
        """Put the former handler back."""
        if self._is_ours:
            signal.signal(signal.SIGTERM, self._handler)

    def _note(self, number: int, frame: object) -> None:
        self._is_due = True


class _Slot:
    """One actor, and the job that it has; it is asked whether it is ready before it gets one."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.job: Job | None = None
        self.is_free = False
        self.problem, self.refusals = "", 0
        self.reference: Any = None
        self._ray, self._actor = ray, actor
        self._next_question = 0.0

    def begin(self, job: Job) -> None:
        self.is_free = False
        self.job, self.reference = job, self._actor.run.remote(job)

    def ask(self) -> None:
        """Ask an actor that is not known to run whether it does, once a second."""
        if self.reference is None and not self.is_free and time.monotonic() >= self._next_question:
            self._next_question = time.monotonic() + _QUESTION_SECONDS
            self.reference = self._actor.is_ready.remote()

    def events(self) -> Iterator[Event]:
        """Yield the end of the job; to be called when ``reference`` is ready."""
        job, reference = self.job, self.reference
        self.job = self.reference = None
        try:
            outcome: Outcome | None = self._ray.get(reference)
            self.is_free = True
            self.problem, self.refusals = "", 0
        except self._ray.exceptions.RayError as exc:
            self.problem = _problem_of(exc)
            # Dead, not only away: the actor's own beginning failed, if it is so again and again.
            self.refusals += job is None and isinstance(exc, self._ray.exceptions.ActorDiedError)
            outcome = Outcome(f"its worker was lost ({self.problem})")
        if outcome is not None and outcome.is_spent:
            self.is_free = False
            self._ray.kill(self._actor, no_restart=False)
        if job is not None and outcome is not None:
            yield Advanced(outcome.facts.get("frames", 0))
            yield Ended(job, outcome)

    def stop(self) -> Any:
        """Ask the actor to leave its job, and return the reference that is ready when it has."""
        self._actor.stop.remote()
        return self.reference if self.job is not None else self._ray.put(None)

    def end(self) -> None:
        """End the actor, and remove the file of its job."""
        self._ray.kill(self._actor)
        if self.job is not None:
            with contextlib.suppress(OSError):
                self.job.unfinished.unlink()


class _Actor:
    """The worker on a machine of the cluster."""

    def __init__(self, make_runner: Callable[[], Runner], threads: int) -> None:
        limit_opencv_threads(limit_threads(threads))
        self._stop = threading.Event()
        self._runner = make_runner()

    def is_ready(self) -> Outcome:
        """Return as soon as the actor runs."""
        return Outcome()

    def run(self, job: Job) -> Outcome | None:
        """Carry a job out; returns None if it was stopped."""
        try:
            return self._runner.run(job, self._advance)
        except Stopped:
            return None

    def stop(self) -> None:
        """Have the job end at its next frame."""
        self._stop.set()

    def _advance(self, frames: int) -> None:
        if self._stop.is_set():
            raise Stopped


def _problem_of(error: Exception) -> str:
    """Return the sentence of a Ray error that tells most: for a failed beginning the last one, of the exception."""
    lines = _COLOUR.sub("", str(error)).strip().splitlines() or [type(error).__name__]
    return lines[-1 if "creation task" in lines[0] else 0].strip()[:200]


def _joined(address: str) -> Any:
    """Return the module ray, connected to the cluster at ``address``."""
    if platform.system() != "Linux":
        raise AnimatorError("clusters run on Linux only", "leave out --ray: the clips run on this machine's cores")
    # Ray sends reports about its use unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == LOCAL:
        # By this variable alone Ray takes the loopback address, also on Linux; else it listens on all interfaces.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    with loading("ray"):
        try:
            import ray
        except ModuleNotFoundError as exc:
            raise AnimatorError("Ray is not installed", "run install.py --cluster") from exc
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level="warning")
    except Exception as exc:  # Ray's own errors, gRPC's, OSError, ValueError …
        raise AnimatorError(
            f"the Ray cluster {address} cannot be joined ({first_line(exc, 160)})",
            "use --ray local, or an address that `ray status` knows",
        ) from exc
    return ray

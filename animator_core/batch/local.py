"""Workers that are processes of this machine; one that dies is replaced.

This module is the first that a worker loads, and loads nothing heavy.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from animator_core.batch.job import Advanced, Ended, Event, Job, Outcome, Runner, Stopped
from animator_core.worker.process import limit_opencv_threads, limit_threads

_STOP_SECONDS = 10.0
_TELL_SECONDS = 0.3
_PROCESSES = multiprocessing.get_context("spawn")


def make_clip_runner() -> Runner:
    """Return the runner of a worker, which loads all packages now."""
    from animator_core.batch.runner import ClipRunner

    return ClipRunner()


class LocalWorkers:
    """As many processes as jobs may run at once, each of which starts with its first job.

    make_runner: called in each process, to which it is sent by its name.
    """

    def __init__(self, count: int, make_runner: Callable[[], Runner] = make_clip_runner) -> None:
        threads = max(1, (os.cpu_count() or 1) // count)
        self._workers = [_Worker(make_runner, threads) for _ in range(count)]

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    @property
    def free_count(self) -> int:
        return sum(worker.job is None for worker in self._workers)

    def begin(self, job: Job) -> None:
        next(worker for worker in self._workers if worker.job is None).begin(job)

    def events(self, timeout_seconds: float) -> list[Event]:
        wait([handle for worker in self._workers for handle in worker.handles()], timeout_seconds)
        return [event for worker in self._workers for event in worker.events()]

    def stop(self) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        for worker in self._workers:
            worker.ask_to_leave()
        for worker in self._workers:
            worker.end(max(0.0, deadline - time.monotonic()))


class _Worker:
    """One process at a time, and the job that it has."""

    def __init__(self, make_runner: Callable[[], Runner], threads: int) -> None:
        self.job: Job | None = None
        self._make_runner, self._threads = make_runner, threads
        self._process: Any = None
        self._connection: Connection[Any, Any] | None = None

    def begin(self, job: Job) -> None:
        if self._process is None:
            self._start()
        self.job = job
        assert self._connection is not None
        with contextlib.suppress(OSError):  # it died while it was idle; `events` tells
            self._connection.send(job)

    def handles(self) -> list[Any]:
        """Return the handles that are ready when there are events."""
        return [] if self._process is None else [self._connection, self._process.sentinel]

    def events(self) -> Iterator[Event]:
        """Yield what the process said; its death is the end of its job."""
        if self._process is None:
            return
        is_alive = self._process.is_alive()  # asked first: what it said before its death is still read
        is_spent = False
        for event in self._received():
            if isinstance(event, Ended):
                # What was sent is a copy of the job.
                assert self.job is not None
                event, self.job, is_spent = Ended(self.job, event.outcome), None, event.outcome.is_spent
            yield event
        if is_spent or not is_alive:
            code = self._leave()
            if self.job is not None:
                job, self.job = self.job, None
                yield Ended(job, Outcome(f"its process ended unexpectedly ({_end_of(code)})"))

    def ask_to_leave(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(None)

    def end(self, timeout_seconds: float) -> None:
        """Wait for the process, which was asked to leave; remove the file of its job."""
        if self._process is not None:
            self._leave(timeout_seconds)
        if self.job is not None:
            with contextlib.suppress(OSError):
                self.job.unfinished.unlink()

    def _start(self) -> None:
        self._connection, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(
            target=_serve, args=(theirs, self._make_runner, self._threads), name="animate", daemon=True
        )
        with _interrupts_held_back():
            self._process.start()
        theirs.close()

    def _received(self) -> Iterator[Event]:
        assert self._connection is not None
        with contextlib.suppress(EOFError, OSError):
            while self._connection.poll():
                yield self._connection.recv()

    def _leave(self, timeout_seconds: float = 1.0) -> int | None:
        """Let go of the process, killed if it does not end in time, and return its exit code."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        assert connection is not None
        process.join(timeout_seconds)
        if process.is_alive():
            process.kill()
            process.join()
        connection.close()
        code: int | None = process.exitcode
        process.close()
        return code


def _end_of(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"{signal.Signals(-code).name}; out of memory?" if code == -9 else signal.Signals(-code).name
    return f"signal {-code}"


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Have processes that start in the block never receive Ctrl-C: their parent tells them when to leave."""
    if sys.platform == "win32":
        yield  # `_serve` ignores it from its beginning
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection[Any, Any], make_runner: Callable[[], Runner], threads: int) -> None:
    """Carry out jobs until the parent says so, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_opencv_threads(limit_threads(threads))
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    stop = threading.Event()

    def listen() -> None:
        # The end of the pipe is the end of the parent, even of one that was killed.
        with contextlib.suppress(EOFError, OSError):
            while (job := connection.recv()) is not None:
                jobs.put(job)
        stop.set()
        jobs.put(None)

    threading.Thread(target=listen, name="jobs", daemon=True).start()
    runner = make_runner()
    with contextlib.suppress(Stopped, BrokenPipeError, ConnectionResetError):
        while (job := jobs.get()) is not None:
            outcome = runner.run(job, _Telling(connection, stop))
            connection.send(Ended(job, outcome))
            if outcome.is_spent:
                return


class _Telling:
    """Tells the parent how many frames were written, a few times a second; raises Stopped when it is time to leave."""

    def __init__(self, connection: Connection[Any, Any], stop: threading.Event) -> None:
        self._connection, self._stop = connection, stop
        self._frames, self._told = 0, time.monotonic()

    def __call__(self, frames: int) -> None:
        if self._stop.is_set():
            raise Stopped
        self._frames += frames
        if self._frames and time.monotonic() - self._told >= _TELL_SECONDS:
            self._connection.send(Advanced(self._frames))
            self._frames, self._told = 0, time.monotonic()

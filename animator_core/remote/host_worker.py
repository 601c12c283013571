"""A worker process of the host: started, listened to, and started again when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from animator_core.animation.backoff import Backoff
from animator_core.ipc.protocol import LineDecoder, Message, Ready, Shutdown, encode
from animator_core.remote.admission import WorkerLoad

logger = logging.getLogger(__name__)

_FIRST_RESTART_S, _LONGEST_RESTART_S = 0.2, 30.0
_LEAVE_SECONDS = 3.0
_READY_POLL_SECONDS = 0.05
_HEALTHY_SECONDS = 60.0


@dataclass(frozen=True)
class WorkerPlace:
    """Where a worker runs; name: for people. environment: variables added to the host's. log: of its messages."""

    name: str
    command: Sequence[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)


class HostWorker:
    """One worker, or its successor; used by the event loop's thread.

    on_ready: called whenever a worker can open filters. on_lost: called when one ended.
    """

    def __init__(self, place: WorkerPlace, on_ready: Callable[[], None], on_lost: Callable[[HostWorker], None]) -> None:
        self.name = place.name
        self.load = WorkerLoad()
        self.listeners: dict[str, Callable[[Message], None]] = {}
        """What takes the messages of each filter."""
        self.is_ready = False
        self.restarts = 0
        self._place, self._on_ready, self._on_lost = place, on_ready, on_lost
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process's number while it runs."""
        return self._process.pid if self._process is not None else None

    async def ready(self) -> None:
        """Return as soon as the worker can open filters."""
        while not self.is_ready:
            await asyncio.sleep(_READY_POLL_SECONDS)

    async def run(self) -> None:
        """Keep a worker running until it is cancelled, then end it."""
        backoff = Backoff(_FIRST_RESTART_S, _LONGEST_RESTART_S)
        loop = asyncio.get_running_loop()
        try:
            while True:
                started = loop.time()
                await self._serve()
                self._lose()
                if loop.time() - started > _HEALTHY_SECONDS:
                    backoff.reset()
                self.restarts += 1
                logger.warning("the worker of %s ended and is started again; see %s", self.name, self._place.log)
                await asyncio.sleep(backoff.next_s())
        finally:
            await self._end()

    def send(self, message: Message) -> None:
        """Send a message; one to a worker that is gone is dropped."""
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(encode(message))

    def end_hung(self) -> None:
        """Kill the process: it gives no sign of life."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _serve(self) -> None:
        """Start a worker and dispatch its messages until its end."""
        environment = {**os.environ, **self._place.environment, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
        with self._place.log.open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._place.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                # Ctrl-C is for the host, which asks its workers to leave.
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        assert process.stdout is not None
        decoder = LineDecoder()
        while data := await process.stdout.read(65536):
            for message in decoder.feed(data):
                self._dispatch(message)
            decoder.rejected.clear()
        await process.wait()

    def _dispatch(self, message: Message) -> None:
        if isinstance(message, Ready):
            self.is_ready = True
            self._on_ready()
        listener = self.listeners.get(getattr(message, "filter_id", ""))
        if listener is not None:
            listener(message)

    def _lose(self) -> None:
        self._process, self.is_ready = None, False
        self._on_lost(self)

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        self.send(Shutdown())
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), _LEAVE_SECONDS)
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

"""A host in a thread of the test, with workers that are doubles, and computers with OBS beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from animator_core.config import PROJECT_ROOT
from animator_core.remote.host import Host
from animator_core.remote.host_worker import WorkerPlace
from animator_core.remote.hosts import HostAddress, pair
from animator_core.remote.identity import FOLDER_VARIABLE, HostIdentity, host_identity
from animator_core.remote.pictures import PictureStore
from tests.worker_harness import PATIENCE_S, WorkerHarness, write_config
from tests.worker_with_doubles import MARK, MARKED

Result = TypeVar("Result")
MILLISECONDS = 10.0
"""The time of a frame that the hosts of tests go by: two sessions a worker."""


class HostInThread:
    """A host that runs until it is ended."""

    def __init__(self, folder: Path, worker_count: int = 1, port: int = 0, address: str = "127.0.0.1") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.store = PictureStore(folder / "characters")
        self.identity: HostIdentity = host_identity(folder / "identity")
        config = write_config(folder)
        command = (sys.executable, "-m", "tests.worker_with_doubles", str(config), str(os.getpid()))
        environment = {"PYTHONPATH": str(PROJECT_ROOT), MARKED: "1"}
        places = [
            WorkerPlace(f"worker {number}", command, folder / f"worker{number}.log", environment)
            for number in range(worker_count)
        ]
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="host of a test")
        self._thread.start()
        self.host, self.port = self.ask(lambda: self._start(places, port, address=address))
        self.address = HostAddress(address, self.port)

    async def _start(self, places: list[WorkerPlace], port: int, *, address: str) -> tuple[Host, int]:
        host = Host(self.identity, self.store, places)
        host.start_workers()
        await asyncio.wait_for(asyncio.gather(*(worker.ready() for worker in host.workers)), PATIENCE_S)
        for worker in host.workers:
            worker.load.milliseconds = MILLISECONDS
        return host, await host.listen(address, port)

    def ask(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return what a coroutine of the host's loop returns."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(2 * PATIENCE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def end(self) -> None:
        """End host and workers."""
        self.ask(self.host.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_S)
        self.loop.close()


@contextlib.contextmanager
def running_host(folder: Path, worker_count: int = 1, **where: Any) -> Iterator[HostInThread]:
    """Yield a host whose workers are ready."""
    host = HostInThread(folder, worker_count, **where)
    try:
        yield host
    finally:
        host.end()


def bridge(folder: Path, host: HostInThread, send: str = "frames") -> WorkerHarness:
    """Start a worker with doubles that is paired with the host; its characters are in ``folder``."""
    pinned = pair(host.address, host.host.door.pairing_code, folder / "pairings")
    return paired_worker(folder, host.address, pinned, send=send)


def paired_worker(
    folder: Path, address: HostAddress, pinned: str, *, send: str = "frames", launcher: tuple[str, ...] = ()
) -> WorkerHarness:
    """Start a worker with doubles behind the host of this fingerprint, by the pairing in ``folder / "pairings"``."""
    remote = f"remote: {{address: '{address.in_uri}', fingerprint: '{pinned}', send: {send}}}\n"
    config = write_config(folder, remote)
    os.environ[FOLDER_VARIABLE] = str(folder / "pairings")
    try:
        return WorkerHarness(folder, str(config), command=("-m", "tests.worker_with_doubles"), launcher=launcher)
    finally:
        del os.environ[FOLDER_VARIABLE]


def is_marked(frame: np.ndarray) -> bool:
    """Return whether a host drew the frame."""
    return bool(frame[: MARK // 2, : MARK // 2, :3].min() > 200)


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait until it holds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it does not come to hold"
        time.sleep(0.01)


def main() -> None:
    """Run a host until the input ends: ``python -m tests.remote_host FOLDER ADDRESS``; prints port and token."""
    with running_host(Path(sys.argv[1]), address=sys.argv[2]) as host:
        print(host.port, host.identity.fingerprint, host.identity.token, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

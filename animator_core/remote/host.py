"""The host: lets paired computers in, gives each session to the worker with most room, and keeps workers running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from animator_core.ipc.frame_ring import RingError
from animator_core.remote import wire
from animator_core.remote.acceptance import listening_socket
from animator_core.remote.door import Door
from animator_core.remote.host_worker import HostWorker, WorkerPlace
from animator_core.remote.hosted_session import HostedSession
from animator_core.remote.identity import HostIdentity
from animator_core.remote.pictures import PictureStore

logger = logging.getLogger(__name__)

_HELLO_SECONDS = 5.0
_OPEN_SECONDS, _CLOSE_SECONDS = 5.0, 1.0
_PING_SECONDS, _PONG_SECONDS = 5.0, 10.0
_WATCH_SECONDS = 1.0
_MOST_WAITING_MESSAGES = 4
_OPEN_FILES = 16384


class Host:
    """The sessions and the workers of this computer; used by the event loop's thread."""

    def __init__(self, identity: HostIdentity, store: PictureStore, places: Sequence[WorkerPlace]) -> None:
        self.door = Door(identity)
        self.workers = [HostWorker(place, on_ready=self._settle, on_lost=self._lose) for place in places]
        self._identity, self._store = identity, store
        self._sessions: dict[str, HostedSession] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Server | None = None

    @property
    def session_count(self) -> int:
        return len(self._sessions)

    @property
    def capacity(self) -> int:
        """How many sessions fit."""
        return sum(worker.load.capacity for worker in self.workers)

    def start_workers(self) -> None:
        """Start the workers; to be called in a running event loop."""
        self._tasks = [asyncio.ensure_future(worker.run()) for worker in self.workers]
        self._tasks.append(asyncio.ensure_future(self._watch()))

    async def listen(self, address: str, port: int) -> int:
        """Take connections from now on, and return the port; raises OSError if it is taken."""
        _allow_many_files()
        self._server = await serve(
            self._handle,
            sock=listening_socket(address, port),
            ssl=self._identity.server_context(),
            process_request=self.door.answer,
            compression=None,
            max_size=wire.MAX_MESSAGE_BYTES,
            max_queue=_MOST_WAITING_MESSAGES,
            open_timeout=_OPEN_SECONDS,
            ssl_handshake_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            ping_interval=_PING_SECONDS,
            ping_timeout=_PONG_SECONDS,
            server_header=None,
        )
        return int(next(iter(self._server.sockets)).getsockname()[1])

    async def close(self) -> None:
        """End all sessions, then the workers."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _handle(self, connection: ServerConnection) -> None:
        address = (connection.remote_address or ("nobody",))[0]
        try:
            hello = await self._greeted(connection)
            if hello is None:
                return
            session = HostedSession(connection, hello, self._store)
            former = self._sessions.pop(session.key, None)
            if former is not None:
                former.leave()
                former.end()
            if self.session_count >= self.capacity:
                await self._refuse(connection, f"it serves {self.session_count} of {self.capacity} sessions")
                return
            self._sessions[session.key] = session
            await connection.send(wire.encode(wire.Welcome(wire.WIRE_VERSION)))
            self._place(session)
            try:
                await session.run()
            finally:
                if self._sessions.get(session.key) is session:
                    del self._sessions[session.key]
        except wire.WireError as exc:
            logger.warning("a session of %s broke a rule: %.200s", address, exc)
            with contextlib.suppress(ConnectionClosed, asyncio.TimeoutError):
                await connection.send(wire.encode(wire.Refused(str(exc)[:500], "use the same release on both")))
        except (OSError, RingError) as exc:
            logger.error("a session of %s cannot be served: %s", address, exc)
            with contextlib.suppress(ConnectionClosed, asyncio.TimeoutError):
                await self._refuse(connection, "it is out of memory or disk space", "free some there")
        except (ConnectionClosed, asyncio.TimeoutError) as exc:
            logger.info("a session of %s ended (%s)", address, exc)

    async def _greeted(self, connection: ServerConnection) -> wire.Hello | None:
        """Return the first message of a connection, None if it is refused."""
        text = await asyncio.wait_for(connection.recv(), _HELLO_SECONDS)
        message = wire.decode_to_host(text) if isinstance(text, str) else None
        if not isinstance(message, wire.Hello):
            raise wire.WireError("the first message is no hello")
        if message.version != wire.WIRE_VERSION:
            await self._refuse(
                connection,
                f"it speaks version {wire.WIRE_VERSION}, this computer version {message.version}",
                "install the same release on both",
            )
            return None
        return message

    async def _refuse(self, connection: ServerConnection, message: str, remedy: str = "") -> None:
        remedy = remedy or "end another session, or start a host on another computer"
        await connection.send(wire.encode(wire.Refused(message, remedy)))

    def _place(self, session: HostedSession) -> None:
        """Give a session to the worker with most room; it waits if none that runs has any."""
        workers = [worker for worker in self.workers if worker.is_ready and worker.load.room > 0]
        if workers:
            session.use(max(workers, key=lambda worker: worker.load.room))

    def _lose(self, worker: HostWorker) -> None:
        """Give the sessions of a worker that ended to others, or have them wait for its successor."""
        for session in [each for each in self._sessions.values() if each.worker is worker]:
            session.leave()
            self._place(session)

    def _settle(self) -> None:
        """Give sessions that wait a worker."""
        for session in [each for each in self._sessions.values() if each.worker is None]:
            self._place(session)

    async def _watch(self) -> None:
        """Kill workers that hang."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            for worker in {session.worker for session in self._sessions.values() if session.is_hung}:
                if worker is not None:
                    logger.warning("the worker of %s hangs", worker.name)
                    worker.end_hung()


def _allow_many_files() -> None:
    """Raise the limit of open files as far as this user may: each connection is one, wanted or not."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

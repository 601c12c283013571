"""The link of one filter to its host: frames up, pictures down, connected again whenever it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.exceptions import WebSocketException

from animator_core.arrays import UInt8Array
from animator_core.errors import AnimatorError
from animator_core.ipc.protocol import AnimationSettings, FilterStatus
from animator_core.remote import codecs, wire
from animator_core.remote.hosts import HostAddress, client_context, require_pinned, token_of
from animator_core.remote.picture_file import PictureFile

logger = logging.getLogger(__name__)

LIVE_SECONDS = 0.5
"""A host that gave no sign of life for this long is not waited for."""
_DEAD_SECONDS = 1.5
_LOOK_SECONDS = 0.1
_ACKNOWLEDGE_SECONDS = 2.0
_SHORTEST_DELAY_S, _LONGEST_DELAY_S = 0.25, 5.0
_DELAY_SHARE = 0.1
_REFUSED_DELAY_S = 5.0
_CONNECT_SECONDS, _GREET_SECONDS, _CLOSE_SECONDS = 1.5, 3.0, 0.2
_LASTING = {"hide": "visible", "show": "visible", "freeze": "frozen", "unfreeze": "frozen"}
"""The actions that hold until another one, by their kind."""


class Sendable(Protocol):
    """A driving frame that is encoded only when its turn comes."""

    @property
    def captured_ns(self) -> int:
        """When it was captured, on this computer's clock."""
        ...

    def packet(self) -> wire.Packet:
        """Return it for the wire, numberless."""
        ...


@dataclass
class HostNews:
    """What the host last said; status: None before the first, or while it is not connected."""

    status: FilterStatus | None = None
    neutral: str = ""
    problem: str = "it was not reached yet"
    remedy: str = ""


class HostLink:
    """Keeps a connection to the host in a thread of its own; its methods never wait.

    sends: wire.FRAMES or wire.LANDMARKS. on_frame: called on the link's thread with each picture, (H, W, 4) uint8
    premultiplied BGRA, and the capture time of the frame behind it, 0 for none.
    """

    def __init__(
        self, address: HostAddress, fingerprint: str, *, sends: str, on_frame: Callable[[UInt8Array, int], None]
    ) -> None:
        self.news = HostNews()
        self.connected_count = 0
        self._address, self._fingerprint, self._sends, self._on_frame = address, fingerprint, sends, on_frame
        self._session = secrets.token_hex(16)
        self._opening: tuple[AnimationSettings, PictureFile] | None = None
        self._lasting: dict[str, str] = {}
        self._outgoing: list[str | bytes] = []
        self._frame: Sendable | None = None
        self._under_way = self._number = self._seen_number = 0
        self._sent_s = 0.0
        self._heard_s = self._arrived_s = float("-inf")
        self._is_connected = False
        self._loop = asyncio.new_event_loop()
        self._is_ending = threading.Event()
        self._work: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="host link", daemon=True)

    @property
    def is_live(self) -> bool:
        """Whether the host's worker gave a sign of life just now."""
        return time.monotonic() - self._heard_s < LIVE_SECONDS

    def start(self, neutral: str) -> None:
        """Connect; neutral: see `protocol.NeutralPose`."""
        self.news.neutral = neutral
        self._thread.start()

    def show(self, settings: AnimationSettings, file: PictureFile) -> None:
        """Animate this picture in these settings from now on, also after every new connection."""
        self._opening = (settings, file)
        self._call(lambda: self._put(self._open_message()))

    def act(self, action: str) -> None:
        """Send one of `protocol.ACTIONS`; what lasts is sent again after every new connection."""
        kind = _LASTING.get(action)
        if kind is not None:
            self._lasting[kind] = action
        self._call(lambda: self._put(wire.encode(wire.act(action))))

    def play(self, emote: str) -> None:
        """Have the host play its emote of that name, if it is connected."""
        self._call(lambda: self._put(wire.encode(wire.Play(emote))))

    def offer(self, frame: Sendable) -> None:
        """Send this driving frame as soon as the one before has arrived, unless a newer one is there by then."""
        self._frame = frame
        self._call(lambda: self._turn.set())

    def ask_to_end(self) -> None:
        """Have the thread end."""
        self._is_ending.set()
        self._call(self._end)

    def close(self, timeout_s: float) -> None:
        """End the thread, if it does within that time."""
        self.ask_to_end()
        self._thread.join(timeout_s)

    def _call(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the thread has ended
            self._loop.call_soon_threadsafe(work)

    # --- the link's thread ---

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._turn = asyncio.Event()  # made here: before Python 3.10 it belongs to the loop of the thread that makes it
        try:
            self._work = self._loop.create_task(self._keep_connected())
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._work)
        finally:
            self._loop.close()

    def _end(self) -> None:
        if self._work is not None:
            self._work.cancel()

    def _put(self, message: str | bytes) -> None:
        """Send a message if there is a connection; a new one begins with all that lasts."""
        if self._is_connected:
            self._outgoing.append(message)
            self._turn.set()

    async def _keep_connected(self) -> None:
        lost_s = time.monotonic()
        while not self._is_ending.is_set():
            count, least_s = self.connected_count, 0.0
            try:
                await self._serve()
            except AnimatorError as exc:
                self._note_problem(exc.message, exc.remedy)
                least_s = _REFUSED_DELAY_S
            except wire.WireError as exc:
                self._note_problem(f"it sent a message that is none ({exc})", "install the same release on both")
                least_s = _REFUSED_DELAY_S
            except (OSError, EOFError, asyncio.TimeoutError, WebSocketException) as exc:
                self._note_problem(f"no connection ({exc or type(exc).__name__})", "is the host running there?")
            if self.connected_count != count:
                lost_s = time.monotonic()
            # At first often, as most breaks are short; a host that is off for minutes is tried every five seconds.
            outage_s = time.monotonic() - lost_s
            usual_s = min(_LONGEST_DELAY_S, max(_SHORTEST_DELAY_S, _DELAY_SHARE * outage_s))
            # Jitter: the sessions of a host that was away must not all come back in one moment.
            await asyncio.sleep(max(least_s, usual_s) * random.uniform(0.5, 1.0))

    def _note_problem(self, message: str, remedy: str) -> None:
        if message != self.news.problem:
            logger.warning("the host %s: %s; %s", self._address, message, remedy)
        self.news.problem, self.news.remedy, self.news.status = message, remedy, None

    async def _serve(self) -> None:
        """Connect, and serve until the connection breaks; raises for the reason."""
        connecting = websocket(
            f"wss://{self._address.in_uri}{wire.SESSION_PATH}",
            ssl=client_context(),
            create_connection=lambda *args, **options: _Pinned(self._address, self._fingerprint, *args, **options),
            additional_headers={"Authorization": f"Bearer {token_of(self._fingerprint)}"},
            compression=None,
            max_size=wire.MAX_FRAME_BYTES + 1024,
            open_timeout=_CONNECT_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            ping_interval=None,
            proxy=None,
        )
        connection = await asyncio.wait_for(connecting, 2 * _CONNECT_SECONDS)
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._greet(connection)
            tasks = [asyncio.ensure_future(part(connection)) for part in (self._receive, self._send, self._watch)]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._is_connected = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # A close in good order would wait for an answer that a broken link does not bring.
            connection.transport.abort()

    async def _greet(self, connection: ClientConnection) -> None:
        await connection.send(wire.encode(wire.hello(self._session, self._sends)))
        answer = self._take_text(await asyncio.wait_for(connection.recv(), _GREET_SECONDS))
        if not isinstance(answer, wire.Welcome):
            raise wire.WireError("no welcome")
        self._under_way = self._number = self._seen_number = 0
        self._frame, self._outgoing = None, []
        self._arrived_s = time.monotonic()
        if self._opening is not None:
            self._outgoing.append(self._open_message())
        self._outgoing += [wire.encode(wire.act(action)) for action in self._lasting.values()]
        self._turn.set()
        self._is_connected = True
        self.connected_count += 1
        self.news.problem = self.news.remedy = ""
        logger.info("connected to the host %s", self._address)

    def _open_message(self) -> str:
        assert self._opening is not None
        settings, file = self._opening
        return wire.encode(wire.Open(dataclasses.replace(settings, character=""), file.picture, self.news.neutral))

    async def _watch(self, connection: ClientConnection) -> None:
        """End a connection over which nothing comes any more: the system would notice after minutes only."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now_s = time.monotonic()
            if now_s - self._arrived_s > _DEAD_SECONDS:
                raise asyncio.TimeoutError("it is silent")
            if self._under_way and now_s - self._sent_s > _ACKNOWLEDGE_SECONDS:
                raise asyncio.TimeoutError("frames do not arrive there")

    # --- down ---

    async def _receive(self, connection: ClientConnection) -> None:
        async for message in connection:
            self._arrived_s = time.monotonic()
            if isinstance(message, str):
                self._take_text(message)
            else:
                await self._take_packet(connection, wire.parse_packet(message))
        raise EOFError("the host ended the session")

    def _take_text(self, message: str | bytes) -> wire.FromHost:
        """Take a text message, and return it; raises AnimatorError if the host refuses the session."""
        if not isinstance(message, str):
            raise wire.WireError("binary in place of text")
        heard = wire.decode_from_host(message)
        if isinstance(heard, wire.Refused):
            raise AnimatorError(f"it refuses: {heard.message}", heard.remedy)
        if isinstance(heard, wire.Beat):
            self._heard_s = time.monotonic()
        elif isinstance(heard, wire.Status):
            self.news.status = heard.status
        elif isinstance(heard, wire.Neutral):
            self.news.neutral = heard.neutral
        elif isinstance(heard, wire.NeedPicture) and self._opening is not None:
            file = self._opening[1]
            if file.picture.sha256 == heard.sha256:
                self._put(wire.Packet(wire.PICTURE, payload=file.content).to_bytes())
        return heard

    async def _take_packet(self, connection: ClientConnection, packet: wire.Packet) -> None:
        if packet.kind == wire.ACKNOWLEDGED:
            if packet.number == self._under_way:
                self._under_way = 0
                self._turn.set()
            return
        if packet.kind != wire.FRAME or packet.number <= self._seen_number:
            raise wire.WireError("an old frame, or none")
        self._seen_number = packet.number
        # Acknowledged on arrival: the host may encode the next one while this one is decoded.
        await connection.send(wire.Packet(wire.ACKNOWLEDGED, number=packet.number).to_bytes())
        decode = _DECODERS.get(packet.codec)
        if decode is None:
            raise wire.WireError(f"a frame of codec {packet.codec}")
        self._heard_s = time.monotonic()
        self._on_frame(decode(packet.payload, (packet.width, packet.height)), packet.captured_ns)

    # --- up ---

    async def _send(self, connection: ClientConnection) -> None:
        while True:
            await self._turn.wait()
            self._turn.clear()
            while self._outgoing:
                await connection.send(self._outgoing.pop(0))
            frame = self._frame
            if frame is not None and not self._under_way:
                self._frame = None
                self._number += 1
                self._under_way, self._sent_s = self._number, time.monotonic()
                packet = dataclasses.replace(frame.packet(), number=self._number, captured_ns=frame.captured_ns)
                await connection.send(packet.to_bytes())


_DECODERS = {wire.LZ4: codecs.decode_lz4, wire.JPEG_ALPHA: codecs.decode_jpeg_alpha}


class _Pinned(ClientConnection):  # type: ignore[misc]  # its newest release cannot be read by mypy for 3.9
    """A connection that sends nothing, the token least of all, before it has seen the paired host's certificate."""

    def __init__(self, address: HostAddress, fingerprint: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._address, self._pinned = address, fingerprint

    async def handshake(self, *args: Any, **options: Any) -> None:
        secure = self.transport.get_extra_info("ssl_object")
        require_pinned(self._address, secure.getpeercert(binary_form=True), self._pinned)
        await super().handshake(*args, **options)

"""One session on the host: what comes over the wire goes to a worker, and back."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection

from animator_core.ipc.frame_ring import now_ns
from animator_core.ipc.protocol import (
    AnimationSettings,
    CloseFilter,
    FilterAction,
    FilterOpened,
    FilterStatus,
    Message,
    NeutralPose,
    PlayEmote,
    UpdateFilter,
)
from animator_core.remote import codecs, wire
from animator_core.remote.host_rings import HostRings
from animator_core.remote.host_worker import HostWorker
from animator_core.remote.link_rate import CodecChoice, RemoteClock
from animator_core.remote.pictures import PictureStore

_POLL_SECONDS = 0.002
_REPORT_SECONDS = 0.1
_ALIVE_SECONDS = 1.5
_ACKNOWLEDGE_SECONDS = 5.0
_SEND_SECONDS = 5.0
_MOST_TEXTS_A_SECOND, _TEXT_BURST = 50.0, 200.0
_HIGHEST_FRAME_RATE = 60.0


class TextLimit:
    """Lets a number of control messages through at once, then so many a second."""

    def __init__(self) -> None:
        self._left, self._looked = _TEXT_BURST, time.monotonic()

    def take(self) -> None:
        """Count one; raises WireError if there were too many."""
        now = time.monotonic()
        self._left = min(_TEXT_BURST, self._left + _MOST_TEXTS_A_SECOND * (now - self._looked))
        self._looked = now
        if self._left < 1:
            raise wire.WireError("too many messages")
        self._left -= 1


@dataclass
class _Report:
    """News of the worker that were not sent yet."""

    status: FilterStatus | None = None
    neutral: str | None = None


class HostedSession:
    """Serves one connection with one worker after the other; used by the event loop's thread."""

    def __init__(self, connection: ServerConnection, hello: wire.Hello, store: PictureStore) -> None:
        self.key = hello.session
        self.worker: HostWorker | None = None
        self._connection, self._store, self._sends = connection, store, hello.sends
        self._clock = RemoteClock()
        self._rings: HostRings | None = None
        self._used_rings: list[HostRings] = []
        self._is_opened = False
        self._opened: wire.Open | None = None
        self._awaited: wire.Open | None = None
        self._neutral = ""
        self._lasting: dict[str, str] = {}
        self._report = _Report()
        self._acknowledged = asyncio.Event()
        self._number = self._seen_number = 0
        self._texts = TextLimit()

    async def run(self) -> None:
        """Serve until the connection ends, or breaks a rule: WireError."""
        tasks = [asyncio.ensure_future(part()) for part in (self._receive, self._send_frames, self._send_reports)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.leave()
            self._close_used()

    def end(self) -> None:
        """Have `run` return: another connection goes on with this session.

        A close in good order would wait for the answer of a computer that is not there any more.
        """
        self._connection.transport.abort()

    def use(self, worker: HostWorker) -> None:
        """Go on with this worker, in the settings and the neutral pose so far."""
        self.leave()
        self.worker = worker
        worker.load.sessions.add(self.key)
        worker.listeners[self.key] = self._hear
        if self._opened is not None:
            self._open_filter(self._opened)

    def leave(self) -> None:
        """Let go of the worker, running or not."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.send(CloseFilter(self.key))
            worker.load.sessions.discard(self.key)
            worker.listeners.pop(self.key, None)
        if self._rings is not None:
            # A thread may be encoding from them.
            self._used_rings.append(self._rings)
            self._rings = None

    @property
    def is_hung(self) -> bool:
        """Whether the worker has opened the filter and gives no sign of life since."""
        return self._rings is not None and self._is_opened and self._rings.heartbeat_age_s > 2 * _ACKNOWLEDGE_SECONDS

    # --- from the computer with OBS ---

    async def _receive(self) -> None:
        async for message in self._connection:
            if isinstance(message, str):
                self._texts.take()
                await self._take_text(wire.decode_to_host(message))
            else:
                await self._take_packet(wire.parse_packet(message))

    async def _take_text(self, message: wire.ToHost) -> None:
        if isinstance(message, wire.Open):
            if self._store.has(message.picture):
                self._apply(message)
            else:
                self._awaited = message
                await self._send(wire.encode(wire.NeedPicture(message.picture.sha256)))
        elif isinstance(message, wire.Act):
            self._act(message.action)
        elif isinstance(message, wire.Play):
            if self.worker is not None and self._rings is not None:
                self.worker.send(PlayEmote(self.key, message.emote))
        else:
            raise wire.WireError("a second hello")

    async def _take_packet(self, packet: wire.Packet) -> None:
        if packet.kind == wire.ACKNOWLEDGED:
            if packet.number == self._number:
                self._acknowledged.set()
        elif packet.kind == wire.PICTURE:
            opening, self._awaited = self._awaited, None
            if opening is None:
                raise wire.WireError("a picture that was not asked for")
            await asyncio.to_thread(self._store.add, opening.picture, bytes(packet.payload))
            self._apply(opening)
        else:
            await self._take_frame(packet)

    async def _take_frame(self, packet: wire.Packet) -> None:
        if packet.number <= self._seen_number:
            raise wire.WireError("an old frame")
        self._seen_number = packet.number
        moment = now_ns()
        await self._send(wire.Packet(wire.ACKNOWLEDGED, number=packet.number).to_bytes())
        expected = wire.LANDMARK_ROW if self._sends == wire.LANDMARKS else wire.JPEG
        if packet.codec != expected:
            raise wire.WireError(f"a frame of codec {packet.codec} in a session of {self._sends}")
        captured_ns = self._clock.to_ours(packet.captured_ns, moment)
        if packet.codec == wire.LANDMARK_ROW:
            row = codecs.decode_row(packet.payload)
            if self._rings is not None:
                self._rings.write_row(row, captured_ns)
            return
        picture = await asyncio.to_thread(codecs.decode_driving, packet.payload, (packet.width, packet.height))
        if self._rings is not None:
            self._rings.write_picture(picture, captured_ns)

    def _apply(self, opening: wire.Open) -> None:
        is_first, self._opened = self._opened is None, opening
        if is_first:
            self._neutral = opening.neutral
        if self.worker is None:
            return
        if self._rings is None:
            self._open_filter(opening)
        else:
            self.worker.send(UpdateFilter(self.key, self._settings(opening)))

    def _open_filter(self, opening: wire.Open) -> None:
        assert self.worker is not None
        self._rings, self._is_opened = HostRings(), False
        self.worker.send(self._rings.opening(self.key, self._settings(opening), self._neutral))
        for action in self._lasting.values():
            self.worker.send(FilterAction(self.key, action))

    def _settings(self, opening: wire.Open) -> AnimationSettings:
        return dataclasses.replace(opening.settings, character=self._store.file_name(opening.picture))

    def _act(self, action: str) -> None:
        kind = {"hide": "visible", "show": "visible", "freeze": "frozen", "unfreeze": "frozen"}.get(action)
        if kind is not None:
            self._lasting[kind] = action
        if self.worker is not None and self._rings is not None:
            self.worker.send(FilterAction(self.key, action))

    # --- from the worker ---

    def _hear(self, message: Message) -> None:
        if isinstance(message, FilterOpened) and self._rings is not None:
            self._is_opened = True
            self._rings.note_opened()
        elif isinstance(message, FilterStatus):
            self._report.status = message
        elif isinstance(message, NeutralPose):
            self._neutral = self._report.neutral = message.neutral

    async def _send_frames(self) -> None:
        choice = CodecChoice(_HIGHEST_FRAME_RATE, time.monotonic())
        while True:
            self._close_used()
            rings = self._rings
            if rings is None or not self._is_opened or not rings.has_news():
                await asyncio.sleep(_POLL_SECONDS)
                continue
            codec = choice.codec(time.monotonic())
            packet = await asyncio.to_thread(rings.take, codec)
            if packet is None or rings is not self._rings:
                continue
            self._number += 1
            self._acknowledged.clear()
            started = time.monotonic()
            captured_ns = self._clock.to_theirs(packet.captured_ns)
            await self._send(dataclasses.replace(packet, number=self._number, captured_ns=captured_ns).to_bytes())
            await asyncio.wait_for(self._acknowledged.wait(), _ACKNOWLEDGE_SECONDS)
            choice.note(codec, time.monotonic() - started, time.monotonic())

    async def _send_reports(self) -> None:
        while True:
            report, self._report = self._report, _Report()
            if report.status is not None:
                await self._send(wire.encode(wire.Status(report.status)))
            if report.neutral is not None:
                await self._send(wire.encode(wire.Neutral(report.neutral)))
            if self._rings is not None and self._is_opened and self._rings.heartbeat_age_s < _ALIVE_SECONDS:
                await self._send(wire.encode(wire.Beat()))
            await asyncio.sleep(_REPORT_SECONDS)

    async def _send(self, message: str | bytes) -> None:
        """Send a message; a computer that does not read for seconds ends its own session only."""
        await asyncio.wait_for(self._connection.send(message), _SEND_SECONDS)

    def _close_used(self) -> None:
        while self._used_rings:
            self._used_rings.pop().close()

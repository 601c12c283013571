"""A relay between two computers that takes its time: ``slow_relay PORT HOST HOST-PORT MS JITTER-MS LOSS``.

TCP hides a lost packet behind a pause until it is sent again: LOSS is the share of pieces after such a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys

_RESENT_SECONDS = 0.2
_PIECE_BYTES = 1 << 16


class SlowRelay:
    """Forwards connections to ``host``, every piece late by ``delay_s`` and up to ``jitter_s`` more, in order."""

    def __init__(self, host: str, port: int, *, delay_s: float, jitter_s: float = 0.0, loss: float = 0.0) -> None:
        self._host, self._port = host, port
        self._delay_s, self._jitter_s, self._loss = delay_s, jitter_s, loss
        self._chance = random.Random(5)
        self._relayed: list[asyncio.Task[None] | None] = []

    async def listen(self, address: str, port: int) -> int:
        """Take connections from now on, and return the port."""
        self._server = await asyncio.start_server(self._relay, address, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and end once both ends of all connections have."""
        self._server.close()
        await asyncio.gather(*self._relayed, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._relayed.append(asyncio.current_task())
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection(self._host, self._port)
            await asyncio.gather(self._one_way(reader, back), self._one_way(there, writer))

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue()

        async def deliver() -> None:
            with contextlib.suppress(OSError):
                while (piece := await pieces.get()) is not None:
                    await asyncio.sleep(max(0.0, piece[0] - loop.time()))
                    writer.write(piece[1])
                    await writer.drain()
            writer.close()

        delivery = asyncio.ensure_future(deliver())
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE_BYTES):
                late_s = self._delay_s + self._chance.uniform(0, self._jitter_s)
                late_s += _RESENT_SECONDS if self._chance.random() < self._loss else 0.0
                pieces.put_nowait((loop.time() + late_s, data))
        pieces.put_nowait(None)
        await delivery


async def main(port: int, host: str, host_port: int, milliseconds: tuple[float, float], loss: float) -> None:
    delay_s, jitter_s = (each / 1000 for each in milliseconds)
    relay = SlowRelay(host, host_port, delay_s=delay_s, jitter_s=jitter_s, loss=loss)
    print(await relay.listen(host, port), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(main(int(given[0]), given[1], int(given[2]), (float(given[3]), float(given[4])), float(given[5])))

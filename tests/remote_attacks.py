"""Hostile computers: ``python -m tests.remote_attacks ATTACK PORT TOKEN`` attacks a host on this computer.

Prints how often it tried, or what it was told. A process of its own, so that it takes no time of the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import ssl
import sys

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from animator_core.ipc.protocol import AnimationSettings
from animator_core.remote import codecs, wire
from animator_core.remote.hosts import client_context

HOST = "127.0.0.1"
REFUSED = (OSError, EOFError, WebSocketException, asyncio.TimeoutError, ssl.SSLError)
PICTURE = wire.Picture("a" * 64, ".png")
HELLO = wire.encode(wire.hello("e" * 32, wire.FRAMES))


def session(port: int, token: str) -> connect:
    return connect(
        f"wss://{HOST}:{port}{wire.SESSION_PATH}",
        ssl=client_context(),
        additional_headers={"Authorization": f"Bearer {token}"},
        compression=None,
        max_size=None,
        ping_interval=None,
        proxy=None,
    )


async def greeted(connection: ClientConnection) -> None:
    """Become a session of its own."""
    await connection.send(wire.encode(wire.hello(secrets.token_hex(16), wire.FRAMES)))
    await asyncio.wait_for(connection.recv(), 5)


async def connections(port: int, token: str) -> str:
    """Open a thousand connections at once; a third says nothing, a third begins TLS, a third has no token."""
    held = []

    async def one(number: int) -> None:
        with contextlib.suppress(*REFUSED):
            if number % 3 == 2:
                async with session(port, "wrong"):
                    raise AssertionError("it let somebody in")
            secure = client_context() if number % 3 else None
            held.append(await asyncio.wait_for(asyncio.open_connection(HOST, port, ssl=secure), 10))

    await asyncio.gather(*(one(number) for number in range(1000)))
    await asyncio.sleep(2)
    for _, writer in held:
        writer.close()
    return str(len(held))


async def garbage(port: int, token: str) -> str:
    """Send bytes that are neither TLS, nor HTTP, nor a WebSocket."""
    chance = random.Random(1)
    for number in range(150):
        with contextlib.suppress(*REFUSED):
            secure = client_context() if number % 2 else None
            _, writer = await asyncio.wait_for(asyncio.open_connection(HOST, port, ssl=secure), 5)
            writer.write(chance.randbytes(chance.randint(1, 20_000)))
            await writer.drain()
            writer.close()
    return "150"


async def fuzz(port: int, token: str) -> str:
    """Send messages that are nearly right, with a token that is."""
    chance = random.Random(2)
    right = [HELLO, wire.encode(wire.Open(AnimationSettings(), PICTURE)), wire.encode(wire.act("show"))]
    packets = [wire.Packet(wire.FRAME, wire.JPEG, 640, 360, payload=b"\xff\xd8" + bytes(500), number=n) for n in (1, 2)]
    for _ in range(30):
        with contextlib.suppress(*REFUSED):
            async with session(port, token) as connection:
                if chance.random() < 0.8:
                    await greeted(connection)
                for _ in range(20):
                    if chance.random() < 0.5:
                        data = bytearray(chance.choice(packets).to_bytes())
                        data[chance.randrange(len(data))] = chance.randrange(256)
                        await connection.send(bytes(data))
                    else:
                        text = chance.choice(right)
                        place = chance.randrange(len(text))
                        await connection.send(text[:place] + chr(chance.randint(32, 500)) + text[place + 1 :])
    return "30"


async def huge(port: int, token: str) -> str:
    """Send messages far above the limits, and a frame that claims to be enormous."""
    claims = wire.Packet(wire.FRAME, wire.JPEG, 60000, 60000, number=1, payload=b"\xff\xd8\xff" + bytes(1000))
    for message in (
        bytes(48 << 20),
        "x" * (8 << 20),
        claims.to_bytes(),
        wire.Packet(wire.PICTURE, payload=bytes(1 << 20)).to_bytes(),
    ):
        with contextlib.suppress(*REFUSED):
            async with session(port, token) as connection:
                await greeted(connection)
                await connection.send(message)
                await asyncio.wait_for(connection.wait_closed(), 5)
    return "4"


async def replays(port: int, token: str) -> str:
    """Send one frame twice, and settings a thousand times."""
    told = []
    jpeg = codecs.encode_driving(np.zeros((16, 16, 3), np.uint8))
    frame = wire.Packet(wire.FRAME, wire.JPEG, 16, 16, number=5, payload=jpeg).to_bytes()
    for messages in ([frame, frame], [wire.encode(wire.act("show"))] * 1000):
        with contextlib.suppress(*REFUSED):
            async with session(port, token) as connection:
                await greeted(connection)
                for message in messages:
                    await connection.send(message)
                async for answer in connection:
                    told.append(str(answer))
    return " ".join(told)


async def version(port: int, token: str) -> str:
    """Say hello in another version."""
    async with session(port, token) as connection:
        await connection.send(HELLO.replace(f'"version":{wire.WIRE_VERSION}', '"version":99'))
        return str(await connection.recv())


async def slow(port: int, token: str) -> str:
    """Open sessions and read nothing."""
    with contextlib.suppress(*REFUSED):
        held = [await session(port, token) for _ in range(5)]
        for connection in held:
            await greeted(connection)
            await connection.send(wire.encode(wire.Open(AnimationSettings(), PICTURE)))
            connection.transport.pause_reading()
        await asyncio.sleep(4)
        for connection in held:
            connection.transport.abort()
    return "5"


if __name__ == "__main__":
    attack = {each.__name__: each for each in (connections, garbage, fuzz, huge, replays, version, slow)}[sys.argv[1]]
    print(asyncio.run(attack(int(sys.argv[2]), sys.argv[3])))

"""A listening socket that turns floods away before they cost a TLS handshake."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import OrderedDict
from typing import Any

_BURST, _A_SECOND = 40.0, 20.0
"""Connections that one address may open at once, and then each second."""
_MOST_ADDRESSES = 4096


class ConnectionRate:
    """Counts the connections of each address."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def takes(self, address: str) -> bool:
        """Count a connection, and return whether it is within the limit."""
        now = time.monotonic()
        left, looked = self._left.pop(address, (_BURST, now))
        left = min(_BURST, left + _A_SECOND * (now - looked))
        self._left[address] = (max(0.0, left - 1), now)
        if len(self._left) > _MOST_ADDRESSES:
            self._left.popitem(last=False)
        return left >= 1


class LimitedSocket(socket.socket):
    """Closes connections of addresses that open too many; asyncio accepts by `accept`, but on Windows."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._rate = ConnectionRate()

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection that is within the limit; raises BlockingIOError if there is none."""
        while True:
            connection, address = super().accept()
            if self._rate.takes(str(address[0])):
                return connection, address
            connection.close()


def listening_socket(address: str, port: int) -> LimitedSocket:
    """Return a socket that listens at an address of this computer; raises OSError."""
    family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    listening = LimitedSocket(family, kind, protocol)
    with contextlib.ExitStack() as undo:
        undo.callback(listening.close)
        if hasattr(socket, "SO_REUSEPORT"):
            # On Windows this option would let another program take the port over.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.setblocking(False)
        undo.pop_all()
    return listening

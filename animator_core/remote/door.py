"""Who may come in: tokens, pairing, and limits on how often either may be tried."""

from __future__ import annotations

import hmac
import http
import logging
import time
from collections import OrderedDict, deque

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from animator_core.remote.identity import CLIENT_SIDE, HOST_SIDE, HostIdentity, new_pairing_code, proof
from animator_core.remote.wire import PAIR_PATH, SESSION_PATH

logger = logging.getLogger(__name__)

_WINDOW_SECONDS = 60.0
_MOST_FAILURES = 10
_MOST_ADDRESSES = 1024
_MOST_PAIRINGS = 5


class FailureLimit:
    """Counts the failures of each address in the last minute."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def is_reached(self, address: str) -> bool:
        """Return whether an address failed too often to be answered."""
        times = self._failures.get(address)
        return times is not None and len(times) >= _MOST_FAILURES and time.monotonic() - times[0] < _WINDOW_SECONDS

    def note(self, address: str) -> None:
        """Count a failure; the address that failed longest ago is forgotten if there are too many."""
        times = self._failures.setdefault(address, deque(maxlen=_MOST_FAILURES))
        times.append(time.monotonic())
        self._failures.move_to_end(address)
        if len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)


class Door:
    """Answers every request before it becomes a connection; a session needs the token, pairing the code."""

    def __init__(self, identity: HostIdentity) -> None:
        self.pairing_code = new_pairing_code()
        self._token, self._fingerprint = identity.token, identity.fingerprint
        self._limit = FailureLimit()
        self._wrong_codes = 0

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the refusal of a request, the answer to a pairing, or None for a session."""
        address = str((connection.remote_address or ("",))[0])
        # Of several, none: which of them counts is not for us to choose.
        values = request.headers.get_all("Authorization")
        given = values[0] if len(values) == 1 else ""
        # The token first: somebody else at the same address must not lock a paired computer out.
        if request.path == SESSION_PATH and _is_same(given, f"Bearer {self._token}"):
            return None
        if self._limit.is_reached(address):
            return connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "too many failures; wait a minute\n")
        if request.path == PAIR_PATH:
            answer = self._paired(given)
            if answer is not None:
                logger.warning("%s was paired", address)
                return connection.respond(http.HTTPStatus.OK, answer)
        self._limit.note(address)
        logger.warning("refused a request of %s for %.40r", address, request.path)
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "pair this computer first\n")

    def _paired(self, given: str) -> str | None:
        """Return our proof and the token, for the right proof of the code; a code ends with its use or abuse."""
        scheme, _, rest = given.partition(" ")
        nonce, _, theirs = rest.partition(".")
        if scheme != "Pair" or not 16 <= len(nonce) <= 64:
            return None
        if not _is_same(theirs, proof(self.pairing_code, CLIENT_SIDE, self._fingerprint, nonce=nonce)):
            self._wrong_codes += 1
            if self._wrong_codes >= _MOST_PAIRINGS:
                self._renew("tried too often")
            return None
        ours = proof(self.pairing_code, HOST_SIDE, self._fingerprint, nonce=nonce)
        self._renew("used")
        return f"{ours} {self._token}\n"

    def _renew(self, reason: str) -> None:
        self._wrong_codes, self.pairing_code = 0, new_pairing_code()
        logger.warning("the pairing code was %s; the next one is %s", reason, self.pairing_code)


def _is_same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())

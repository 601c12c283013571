"""The computer with OBS: how it reaches its host, and how it is paired with one."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from animator_core.errors import AnimatorError
from animator_core.remote.identity import CLIENT_SIDE, HOST_SIDE, fingerprint, proof, user_folder, write_private
from animator_core.remote.wire import DEFAULT_PORT, PAIR_PATH

_PAIR_SECONDS = 10.0
_TOKENS = "hosts.json"
_ADDRESS = re.compile(r"^(?:\[(?P<six>[^\]\s/@]+)\]|(?P<name>[^\s:/@]+))(?::(?P<port>\d{1,5}))?\Z")


@dataclass(frozen=True)
class HostAddress:
    """A computer's name or IP address, and the port."""

    host: str
    port: int = DEFAULT_PORT

    @property
    def in_uri(self) -> str:
        """The address as a URI has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return self.host if self.port == DEFAULT_PORT else self.in_uri


def parse_address(text: str) -> HostAddress:
    """Return the address in ``HOST``, ``HOST:PORT`` or ``[IPv6]:PORT``; raises AnimatorError for anything else."""
    found = _ADDRESS.match(text.strip())
    port = int(found["port"] or DEFAULT_PORT) if found else 0
    if found is None or not 0 < port < 65536:
        raise AnimatorError(f"{text!r} is no address", "write a name or IP address, and a port if it is not the usual")
    return HostAddress(found["six"] or found["name"], port)


def client_context() -> ssl.SSLContext:
    """Return TLS settings that take any certificate: it signs itself, and `require_pinned` must look at it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def require_pinned(address: HostAddress, certificate: bytes | None, pinned: str) -> None:
    """Raise AnimatorError unless this certificate, in DER, is the one of the pairing."""
    if not secrets.compare_digest(fingerprint(certificate or b""), pinned):
        raise AnimatorError(
            f"{address} is not the computer that was paired (another certificate)",
            "if you set the host up anew, pair again; if not, another computer has its address",
        )


def pair(address: HostAddress, code: str, folder: Path | None = None) -> str:
    """Get to know a host by the code on its screen, keep its token, and return its fingerprint.

    folder: keeps the token; None for the user's own. Raises AnimatorError with the remedy.
    """
    try:
        plain = socket.create_connection((address.host, address.port), _PAIR_SECONDS)
        with contextlib.ExitStack() as undo:
            undo.callback(plain.close)
            secure = client_context().wrap_socket(plain)
            undo.pop_all()
    except OSError as exc:
        raise AnimatorError(
            f"nothing answers at {address} ({exc})",
            "start `host --listen 0.0.0.0` there, and let its firewall accept that port",
        ) from exc
    with contextlib.closing(secure):
        seen, nonce = fingerprint(secure.getpeercert(binary_form=True) or b""), secrets.token_hex(16)
        request = http.client.HTTPConnection(address.host, address.port)
        request.sock = secure
        try:
            headers = {"Authorization": f"Pair {nonce}.{proof(code, CLIENT_SIDE, seen, nonce=nonce)}"}
            request.request("GET", PAIR_PATH, headers=headers)
            response = request.getresponse()
            answer = response.read(1000).decode("ascii", "replace").split()
        except (OSError, http.client.HTTPException) as exc:
            raise AnimatorError(f"{address} does not answer as a host ({exc})", "check the address") from exc
    if response.status == http.HTTPStatus.TOO_MANY_REQUESTS:
        raise AnimatorError(f"{address} refuses more attempts", "wait a minute and use the code it shows now")
    expected = proof(code, HOST_SIDE, seen, nonce=nonce)
    if response.status != http.HTTPStatus.OK or len(answer) != 2 or not secrets.compare_digest(answer[0], expected):
        raise AnimatorError("the code is not the one that the host shows now", "copy it again from the host's window")
    _keep_token(folder or user_folder(), seen, answer[1])
    return seen


def token_of(pinned: str, folder: Path | None = None) -> str:
    """Return the token for the host of this fingerprint; raises AnimatorError if it was never paired."""
    token = _tokens(folder or user_folder()).get(pinned)
    if not token:
        raise AnimatorError("this computer is not paired with its host", "run `pair ADDRESS CODE` again")
    return token


def _tokens(folder: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        content = json.loads((folder / _TOKENS).read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return {str(key): value for key, value in content.items() if isinstance(value, str)}
    return {}


def _keep_token(folder: Path, pinned: str, token: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        content = json.dumps({**_tokens(folder), pinned: token}, indent=1)
        write_private(folder / _TOKENS, content.encode())
    except OSError as exc:
        raise AnimatorError(f"the pairing cannot be kept in {folder} ({exc.strerror})", "make it yours") from exc

"""A host's certificate and token, and the pairing by which another computer gets to know both.

The streamer copies a code from one screen to the other. Either side proves with it that it knows the code and sees the
same certificate, so that nobody between the two can take part: HMAC-SHA256 over side, certificate and a nonce.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import os
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from animator_core.atomic_file import written_atomically
from animator_core.errors import AnimatorError

_CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE_GROUPS, _GROUP_LETTERS = 4, 4
_TOKEN_BYTES = 16
_YEARS = 20
FOLDER_VARIABLE = "STREAM_MOTION_ANIMATOR_PAIRINGS"
"""Environment variable with another folder for the pairings."""
HOST_SIDE, CLIENT_SIDE = "host", "client"


def user_folder() -> Path:
    """Return the folder of this user's pairings, which no update and no cleaning of the cache touches."""
    chosen = os.environ.get(FOLDER_VARIABLE, "")
    return Path(chosen) if chosen else platformdirs.user_config_path("stream-motion-animator", appauthor=False)


@dataclass(frozen=True)
class HostIdentity:
    """A host's own secret files; certificate, key: PEM files. token: what a paired computer shows."""

    certificate: Path
    key: Path
    token: str

    @property
    def fingerprint(self) -> str:
        """The sha256 of the certificate, 64 hexadecimal digits."""
        return fingerprint(ssl.PEM_cert_to_DER_cert(self.certificate.read_text(encoding="ascii")))

    def server_context(self) -> ssl.SSLContext:
        """Return the TLS settings of the host."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


def host_identity(folder: Path, is_new: bool = False) -> HostIdentity:
    """Return the identity kept in ``folder``, made at the first start.

    is_new: make another one, which no paired computer knows. Raises AnimatorError if the files cannot be kept there.
    """
    certificate, key, token = (folder / name for name in ("certificate.pem", "key.pem", "token"))
    try:
        if is_new or not (certificate.exists() and key.exists() and token.exists()):
            folder.mkdir(parents=True, exist_ok=True)
            for path, content in zip((key, certificate), _self_signed()):
                write_private(path, content)
            write_private(token, secrets.token_hex(_TOKEN_BYTES).encode())
        return HostIdentity(certificate, key, token.read_text(encoding="ascii").strip())
    except OSError as exc:
        problem = f"the host's certificate cannot be kept in {folder} ({exc.strerror})"
        raise AnimatorError(problem, "make this folder yours, or free some space") from exc


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user can read."""
    with written_atomically(path) as unfinished:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)


def fingerprint(certificate: bytes) -> str:
    """Return the sha256 of a certificate in DER, 64 hexadecimal digits."""
    return hashlib.sha256(certificate).hexdigest()


def new_pairing_code() -> str:
    """Return a code of 80 random bits to be copied by hand: ``K7QF-M2XD-9PLA-4TBN``."""
    groups = ("".join(secrets.choice(_CODE_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_CODE_GROUPS))
    return "-".join(groups)


def proof(code: str, side: str, certificate_fingerprint: str, nonce: str) -> str:
    """Return the proof that ``side`` knows the code and sees this certificate, 64 hexadecimal digits.

    code: as typed; case, spaces and hyphens do not count. nonce: the client's.
    """
    key = "".join(letter for letter in code.upper() if letter.isalnum()).encode()
    return hmac.new(key, f"{side} {certificate_fingerprint} {nonce}".encode(), hashlib.sha256).hexdigest()


def _self_signed() -> tuple[bytes, bytes]:
    """Return a new private key and its certificate as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stream Motion Animator host")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)

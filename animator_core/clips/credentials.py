"""Content credentials (C2PA): a signed statement inside a video that it was animated by this program, and how.

The certificate is made on this computer and names nobody; whoever has one of a trusted authority gives that. A reader
finds a changed video with either; only with the latter it says who signed. Nothing is sent anywhere: no time stamp
is asked for.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib.util
import json
from pathlib import Path
from typing import Any

from animator_core import __version__
from animator_core.atomic_file import link_target, replace_file, unfinished_file, written_atomically
from animator_core.errors import AnimatorError, first_line

MEDIA_TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime"}
"""By the ending of the file's name."""
CHAIN, KEY = "certificate.pem", "key.pem"
_YEARS = 10
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_SYNTHETIC, _TRAINED = "compositeSynthetic", "compositeWithTrainedAlgorithmicMedia"
"""IPTC's terms: of a picture that was deformed, and of one that a trained network painted."""


def require_credentials(path: Path) -> None:
    """Raise AnimatorError unless a video of that name could be signed here."""
    if path.suffix.lower() not in MEDIA_TYPES:
        raise AnimatorError(f"{path.name} cannot have content credentials", "write .mp4 or .mov")
    if importlib.util.find_spec("c2pa") is None:
        raise AnimatorError(
            "the package c2pa-python is missing", "run install.py --credentials (with Python 3.10 or newer)"
        )


def make_identity(folder: Path) -> None:
    """Make a certificate and its key in ``folder`` unless they are there; raises AnimatorError if that fails."""
    if (folder / CHAIN).exists() and (folder / KEY).exists():
        return
    chain, key = _new_identity()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content, mode in ((KEY, key, 0o600), (CHAIN, chain, 0o644)):
            with written_atomically(folder / name) as unfinished:
                unfinished.touch(mode)
                unfinished.write_bytes(content)
    except OSError as exc:
        raise AnimatorError(f"cannot write in {folder} ({exc.strerror})", "make the folder writable") from exc


def sign_video(path: Path, renderer: str, identity: Path) -> None:
    """Put content credentials into a finished video, in place; raises AnimatorError if it stays as it was.

    identity: folder of `CHAIN`, the certificate first, and `KEY`, both PEM, of an elliptic curve P-256.
    """
    import c2pa

    unfinished = unfinished_file(path)
    try:
        info = c2pa.C2paSignerInfo(
            alg=b"es256",
            sign_cert=(identity / CHAIN).read_bytes(),
            private_key=(identity / KEY).read_bytes(),
            ta_url=None,
        )
        with (
            c2pa.Signer.from_info(info) as signer,
            c2pa.Builder(json.dumps(_manifest(path, renderer))) as builder,
            path.open("rb") as source,
            unfinished.open("w+b") as signed,
        ):
            builder.sign(signer, MEDIA_TYPES[path.suffix.lower()], source, signed)
        replace_file(unfinished, link_target(path))
    except (c2pa.C2paError, OSError) as exc:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise AnimatorError(
            f"{path} was written without content credentials ({first_line(exc)})",
            f"check {identity / CHAIN} and {KEY}, or delete both to have new ones made",
        ) from exc


def _manifest(path: Path, renderer: str) -> dict[str, Any]:
    kind = _SYNTHETIC if renderer == "warp" else _TRAINED
    action = {
        "action": "c2pa.created",
        "digitalSourceType": _SOURCE_TYPE + kind,
        "description": f"A still picture, animated by the recorded motion of a face (renderer: {renderer})",
    }
    return {
        "claim_generator_info": [{"name": "Stream Motion Animator", "version": __version__}],
        "title": path.name,
        "format": MEDIA_TYPES[path.suffix.lower()],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }


def _new_identity() -> tuple[bytes, bytes]:
    """Return a certificate chain and its key, PEM; C2PA takes no certificate that signed itself."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Stream Motion Animator, local root", root_key, root_key)
    leaf = _certificate("Stream Motion Animator, this computer", key, root_key, issuer=root.subject)
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, root))
    return chain, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(name: str, key: Any, signing_key: Any, issuer: Any = None) -> Any:
    """Return a certificate of ``key``; without an issuer that of an authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
    now, is_authority = datetime.datetime.now(datetime.timezone.utc), issuer is None
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return builder.sign(signing_key, hashes.SHA256())

"""Opens HTTPS addresses, also if Python itself trusts no certificate authority.

Standard library only, but for the certificates inside pip.
"""

from __future__ import annotations

import importlib.machinery
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def open_url(request: urllib.request.Request, timeout_s: float) -> Any:
    """Return the open response; raises URLError, whose reason names the remedy if the server's certificate is refused.

    python.org's Python for macOS knows no certificate authority until its owner runs a command, and Windows fetches an
    authority only when Edge or the like first needs it. The list inside pip is then tried.
    """
    try:
        return urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.URLError as exc:
        if not _is_distrust(exc):
            raise
        distrust = exc
    context = _pips_context()
    if context is None:
        raise _with_remedy(distrust)
    try:
        return urllib.request.urlopen(request, timeout=timeout_s, context=context)
    except urllib.error.URLError as exc:
        raise (_with_remedy(exc) if _is_distrust(exc) else exc) from distrust


def _is_distrust(error: urllib.error.URLError) -> bool:
    return isinstance(error.reason, ssl.SSLCertVerificationError)


def _pips_context() -> ssl.SSLContext | None:
    """Return a context with pip's own list of authorities, None if this Python has no pip."""
    # Looked for as a file: importing pip, or asking every finder for it, has setuptools give up its own distutils for
    # the rest of the process, and torch's compiler needs that.
    found = importlib.machinery.PathFinder.find_spec("pip")
    if found is None or found.origin is None:
        return None
    try:
        # Private to pip, but part of every release of it.
        return ssl.create_default_context(cafile=str(Path(found.origin).parent / "_vendor" / "certifi" / "cacert.pem"))
    except OSError:
        return None


def _with_remedy(error: urllib.error.URLError) -> urllib.error.URLError:
    if sys.platform == "darwin":
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        remedy = f'run "/Applications/Python {version}/Install Certificates.command"'
    elif sys.platform == "win32":
        remedy = "open that address in Edge once, so that Windows fetches its certificates"
    else:
        remedy = "install your system's certificates (Debian, Ubuntu: apt install ca-certificates)"
    reason = getattr(error.reason, "verify_message", "") or "unknown authority"
    return urllib.error.URLError(f"its certificate is refused: {reason}; check the computer's clock, or {remedy}")

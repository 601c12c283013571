"""Whether files can be made in a folder.

Standard library only. Not by ``tempfile``: on Windows it takes a folder that may not be written for a name that is
in use, and tries 2**31 - 1 other names before it gives up.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

_PROBE = b"x" * 4096
"""More than a full disk has room for."""


def writing_problem(folder: Path) -> str:
    """Return why no file can be written in ``folder``, which is made if it is missing; "" if one can."""
    probe = folder / f".{secrets.token_hex(8)}.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(_PROBE)
    except OSError as exc:
        return exc.strerror or str(exc)
    finally:
        with contextlib.suppress(OSError):
            # Never made, or held for a moment by a virus scanner.
            probe.unlink()
    return ""

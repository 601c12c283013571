"""What is said where a device fails in the middle of the work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from animator_core.errors import ModelError, first_line


@contextlib.contextmanager
def device_errors_as(what: str, remedy: str) -> Iterator[None]:
    """Turn what torch raises of memory, drivers and devices that are gone into a ModelError: ``what``, why, remedy."""
    try:
        yield
    except RuntimeError as exc:
        # torch's errors of memory and drivers are RuntimeErrors.
        raise ModelError(f"{what} ({first_line(exc, 160)}); {remedy}") from exc

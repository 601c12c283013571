"""What is said where a device fails in the middle of the work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from animator_core.errors import ModelError


@contextlib.contextmanager
def device_errors_as(what: str, remedy: str) -> Iterator[None]:
    """Turn what torch raises of memory, drivers and devices that are gone into a ModelError: ``what``, why, remedy."""
    try:
        yield
    except RuntimeError as exc:
        # torch's errors of memory and drivers are RuntimeErrors.
        first = (str(exc).strip().splitlines() or [type(exc).__name__])[0][:160]
        raise ModelError(f"{what} ({first}); {remedy}") from exc

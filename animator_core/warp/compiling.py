"""Compiles functions by Numba, which keeps its work on disk if it can."""

from __future__ import annotations

import logging
from typing import Any, Callable

import numba

from animator_core.errors import first_line

logger = logging.getLogger(__name__)

Function = Callable[..., Any]


class Compiler:
    """Compiles functions for given types of arguments; once the cache failed, without it."""

    def __init__(self) -> None:
        self.is_caching = True

    def __call__(self, signature: str, **options: Any) -> Callable[[Function], Any]:
        """Return a decorator; signature, options: see ``numba.njit``."""

        def compile_for_types(function: Function) -> Any:
            reason = ""
            if self.is_caching:
                try:
                    return numba.njit(signature, cache=True, **options)(function)
                except Exception as exc:
                    # A cache without a place, a full disk and a damaged file raise all kinds of errors.
                    reason = first_line(exc, 160)
            compiled = numba.njit(signature, **options)(function)
            if reason:
                # It was the cache, then, and not the function.
                self.is_caching = False
                logger.warning(
                    "Numba's cache cannot be used (%s), so every start takes longer; free disk space, or make the "
                    "folder writable",
                    reason,
                )
            return compiled

        return compile_for_types


compiled = Compiler()
"""Shared by all modules of the warp renderer."""

"""Compiles functions by Numba, which keeps its work on disk if it can."""

from __future__ import annotations

import logging
import pickle
from typing import Any, Callable

import numba

from animator_core.errors import first_line

logger = logging.getLogger(__name__)

_NO_CACHE = (OSError, RuntimeError, EOFError, pickle.UnpicklingError)
"""What Numba raises of a cache that has no place, no room, or is damaged."""

Function = Callable[..., Any]


class Compiler:
    """Compiles functions for given types of arguments; once the cache failed, without it."""

    def __init__(self) -> None:
        self.is_caching = True

    def __call__(self, signature: str, **options: Any) -> Callable[[Function], Any]:
        """Return a decorator; signature, options: see ``numba.njit``."""

        def compile_for_types(function: Function) -> Any:
            if self.is_caching:
                try:
                    return numba.njit(signature, cache=True, **options)(function)
                except _NO_CACHE as exc:
                    self.is_caching = False
                    logger.warning(
                        "Numba's cache cannot be used (%s), so every start takes longer; free disk space, or make the "
                        "folder writable",
                        first_line(exc, 160),
                    )
            return numba.njit(signature, **options)(function)

        return compile_for_types


compiled = Compiler()
"""Shared by all modules of the warp renderer."""

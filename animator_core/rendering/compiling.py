"""Compiles functions with Numba, cached on disk if the cache can be used."""

from __future__ import annotations

import logging
from typing import Any, Callable, TypeVar, Union, cast

import numba
import numpy as np

from animator_core.errors import first_line

logger = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])
Scalar = Union[float, np.floating[Any]]
"""A number inside of a compiled function, in double precision."""


class Compiler:
    """Compiles functions ahead of time; stops using the disk cache after its first failure."""

    def __init__(self) -> None:
        self.is_caching = True

    def __call__(self, signature: str, **options: Any) -> Callable[[Function], Function]:
        """Return a decorator; signature, options: see ``numba.njit``."""

        def compile_for_types(function: Function) -> Function:
            reason = ""
            if self.is_caching:
                try:
                    return cast(Function, numba.njit(signature, cache=True, **options)(function))
                except Exception as exc:
                    # A missing cache folder, a full disk and a damaged file raise many kinds of errors.
                    reason = first_line(exc, 160)
            compiled = cast(Function, numba.njit(signature, **options)(function))
            if reason:
                # Without the cache it compiles, so the function is not at fault.
                self.is_caching = False
                logger.warning(
                    "Numba's cache cannot be used (%s), so every start takes longer; free disk space, or make the "
                    "folder writable",
                    reason,
                )
            return compiled

        return compile_for_types


compiled = Compiler()
"""Shared by all modules with compiled functions."""

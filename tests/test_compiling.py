"""Numba's cache: used where it can be, and never needed."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any, Callable

import pytest

from animator_core.config import PROJECT_ROOT
from animator_core.rendering import compiling
from animator_core.rendering.compiling import Compiler

FULL = OSError(28, "No space left on device")
NOWHERE = RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")


class Numba:
    """Stands for Numba's decorator: the cache fails with ``error``; notes which functions were to be cached."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.cached: list[bool] = []

    def njit(self, signature: str, cache: bool = False, **options: Any) -> Callable[[Any], Any]:
        def decorate(function: Any) -> Any:
            self.cached.append(cache)
            if cache and self.error is not None:
                raise self.error
            return function

        return decorate


@pytest.mark.parametrize("error", [FULL, NOWHERE, EOFError("Ran out of input")])
def test_without_a_place_for_its_cache_numba_compiles_without_and_says_so_once(monkeypatch, caplog, error):
    numba = Numba(error)
    monkeypatch.setattr(compiling, "numba", numba)
    compiled = Compiler()
    with caplog.at_level(logging.WARNING):
        functions = [compiled("void(int64)", nogil=True)(abs) for _ in range(3)]
    assert functions == [abs] * 3
    assert numba.cached == [True, False, False, False]
    assert len(caplog.records) == 1
    assert str(error).splitlines()[0] in caplog.text
    assert "free disk space" in caplog.text


def test_a_cache_that_works_is_used(monkeypatch):
    numba = Numba(None)
    monkeypatch.setattr(compiling, "numba", numba)
    compiled = Compiler()
    for _ in range(2):
        compiled("void(int64)")(abs)
    assert numba.cached == [True, True]


def test_what_is_wrong_with_the_function_itself_is_not_hidden():
    def adds_text(number: int) -> None:
        number + "text"

    compiled = Compiler()
    with pytest.raises(Exception, match="No implementation of function"):
        compiled("void(int64)")(adds_text)
    assert compiled.is_caching


@pytest.mark.slow
def test_numba_itself_compiles_where_its_cache_has_no_place():
    code = (
        "import numpy as np\n"
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from animator_core.warp.canvas import alpha_blend\n"
        "below, layer = np.zeros((2, 2, 4), np.uint8), np.full((2, 2, 4), 200, np.uint8)\n"
        "alpha_blend(below, layer, np.ones((2, 2), np.float32))\n"
        "assert below[..., :3].min() == 200\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Numba's cache cannot be used (cannot cache function" in done.stderr

"""What the worker asks of Windows, by doubles of the exact calls: priorities, timers, the end of the process."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from animator_core import thread_priority
from animator_core.animation import preparation
from animator_core.worker import process, process_end


class Function:
    """A function of a DLL; takes ``argtypes`` and ``restype`` as ctypes' do."""

    def __init__(self, name: str, calls: list[tuple[Any, ...]], result: int = 1) -> None:
        self._name, self._calls, self._result = name, calls, result

    def __call__(self, *given: int) -> int:
        self._calls.append((self._name, *given))
        return self._result


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The calls of Windows' functions, in order, on a pretended Windows."""
    made: list[tuple[Any, ...]] = []
    kernel32 = SimpleNamespace(
        GetCurrentProcess=Function("GetCurrentProcess", made, -1),
        GetCurrentThread=Function("GetCurrentThread", made, -2),
        SetThreadPriority=Function("SetThreadPriority", made),
        TerminateProcess=Function("TerminateProcess", made),
    )
    winmm = SimpleNamespace(timeBeginPeriod=Function("timeBeginPeriod", made, 0))
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel32, winmm=winmm), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    return made


def test_windows_is_asked_for_timers_of_a_millisecond(calls):
    process.use_fine_timers()
    assert calls == [("timeBeginPeriod", 1)]


def test_on_windows_the_process_keeps_its_priority_and_the_preparation_yields(calls, monkeypatch):
    monkeypatch.setattr(process.psutil, "Process", lambda: pytest.fail("the whole process was lowered"))
    monkeypatch.setattr(os, "nice", lambda step: pytest.fail("the whole process was lowered"))
    process.lower_priority()
    assert calls == []
    thread, is_done = preparation.PreparationThread(), threading.Event()
    thread.submit(preparation.WANTED, is_done.set)
    assert is_done.wait(10)
    thread.end()
    assert thread.join(10)
    assert calls == [("GetCurrentThread",), ("SetThreadPriority", -2, -1)]


def test_on_windows_the_process_ends_without_the_farewell_of_its_libraries(calls, monkeypatch):
    def end(status: int) -> None:
        calls.append(("_exit", status))
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Ended):
        process_end.end_process(3)
    assert calls == [("GetCurrentProcess",), ("TerminateProcess", -1, 3), ("_exit", 3)]


@pytest.mark.skipif(sys.platform == "win32", reason="elsewhere than on Windows")
def test_elsewhere_the_process_is_lowered_and_no_thread(monkeypatch):
    steps: list[int] = []
    monkeypatch.setattr(os, "nice", steps.append)
    process.lower_priority()
    thread_priority.lower_thread_priority()
    process.use_fine_timers()
    assert steps == [5]


def test_the_worker_asks_for_fine_timers_before_it_serves(monkeypatch, tmp_path):
    from animator_core.worker import main as worker
    from animator_core.worker import service

    asked: list[str] = []
    monkeypatch.setattr(process, "use_fine_timers", lambda: asked.append("timers"))
    monkeypatch.setattr(process, "lower_priority", lambda: None)
    monkeypatch.setattr(process, "limit_opencv_threads", lambda threads: None)
    monkeypatch.setattr(worker.signal, "signal", lambda *given: None)
    monkeypatch.setattr(
        service,
        "FilterService",
        lambda *given, **named: SimpleNamespace(run=lambda: asked.append("run") or 3, leave=None),
    )
    options = SimpleNamespace(parent_pid=None, config=None, for_host=None)
    assert worker._serve(SimpleNamespace(send=lambda message: None), options) == 3
    assert asked == ["timers", "run"]

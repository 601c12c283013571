"""Logging into OBS's script log: threads queue records, a timer of OBS writes them.

Helper threads must never call obspython, whose functions keep the GIL while they wait for OBS.

OBS raises its log window above all others at every line of level warning or worse. Warnings are in the filter's panel
too, so they are logged as information that begins with "Warning:". Only errors raise the window: there may be no panel
to show them.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
from collections import deque
from typing import Callable

from obs_plugin.texts import text

_KEPT_RECORDS = 200
_LINES_PER_FLUSH = 20

# OBS's numbers for levels.
_LOG_ERROR, _LOG_INFO, _LOG_DEBUG = 100, 300, 400


class ScriptLogHandler(logging.Handler):
    """Keeps records until `flush_to`; of too many the oldest are dropped, and their number is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._records: deque[tuple[int, str]] = deque()
        self._dropped_count = 0

    def emit(self, record: logging.LogRecord) -> None:
        level = _LOG_INFO
        prefix = "worker: " if record.name.endswith(".worker") else ""
        if record.levelno >= logging.ERROR:
            level = _LOG_ERROR
        elif record.levelno >= logging.WARNING:
            prefix = text("Log.Warning")
        elif record.levelno < logging.INFO:
            level = _LOG_DEBUG
        self._records.append((level, prefix + self.format(record)))
        if len(self._records) > _KEPT_RECORDS:
            self._records.popleft()
            self._dropped_count += 1

    def flush_to(self, script_log: Callable[[int, str], None]) -> None:
        """Write up to 20 kept lines with ``script_log(level, line)``; to be called a few times a second."""
        dropped, self._dropped_count = self._dropped_count, 0
        if dropped:
            script_log(_LOG_INFO, text("Log.Dropped", count=dropped))
        for _ in range(min(_LINES_PER_FLUSH, len(self._records))):
            script_log(*self._records.popleft())


HANDLER = ScriptLogHandler()


def set_up() -> None:
    """Send all records of `obs_plugin` to `HANDLER`, once per process."""
    logger = logging.getLogger("obs_plugin")
    if HANDLER not in logger.handlers:
        logger.addHandler(HANDLER)
        logger.setLevel(logging.INFO)
        logger.propagate = False

"""The time limits of the worker's life."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """All in seconds.

    poll: how often the worker is checked. restart_delays, restart_window, rare_restart: see `RestartPolicy`.
    missing_interpreter: how often a missing one is looked for. ready: from start to `Ready`. opened: from `OpenFilter`
    to `FilterOpened`. reopen: how often a filter is tried again that could not be opened. heartbeat, heartbeat_loading:
    the longest silence of a filter's ring. starved, starved_slow: the longest time in which camera frames go in and no
    picture comes out; slow: LivePortrait without a GPU. idle: how long a worker without filters is kept. stop: the
    longest wait for the supervisor's thread.
    """

    poll: float = 0.25
    restart_delays: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    restart_window: float = 60.0
    rare_restart: float = 45.0
    missing_interpreter: float = 3.0
    ready: float = 90.0
    opened: float = 45.0
    reopen: float = 10.0
    heartbeat: float = 8.0
    heartbeat_loading: float = 60.0
    starved: float = 8.0
    starved_slow: float = 240.0
    idle: float = 30.0
    stop: float = 5.0

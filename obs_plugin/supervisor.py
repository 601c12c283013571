"""Keeps a worker running while filters want one: start, watch, restart (quickly, then rarely), replay.

One thread owns all state; every public method only leaves a request for it, so none of them can block OBS.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Callable

from animator_core.ipc.frame_ring import RingError, remove_stale_rings
from animator_core.ipc.protocol import (
    PROTOCOL_VERSION,
    AnimationSettings,
    CharacterEntry,
    CharacterList,
    CloseFilter,
    FilterAction,
    FilterOpened,
    FilterStatus,
    Message,
    NeutralPose,
    OpenFilter,
    Ready,
    RefreshCharacters,
    UpdateFilter,
    WorkerProblem,
    may_be_slow,
)
from obs_plugin.condition import Problem
from obs_plugin.installation import Installation
from obs_plugin.link import FilterLink
from obs_plugin.worker_process import WorkerProcess

logger = logging.getLogger(__name__)

_RUN_INSTALLER = "Run install.py in the Stream Motion Animator folder; the animation then starts by itself"
_NO_MEMORY = "The picture memory cannot be had"
_PASSING_RESTARTS = 2
"""After so many restarts in a row the worker counts as failed, though it is restarted on."""
_SEE_LOG = "See Tools → Scripts → Script Log, then press Refresh"


@dataclass(frozen=True)
class Timing:
    """The supervisor's patience, in seconds."""

    poll: float = 0.25
    restart_delays: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    restart_window: float = 60.0
    rare_restart: float = 45.0
    missing_interpreter: float = 3.0
    ready: float = 90.0
    opened: float = 45.0
    heartbeat: float = 8.0
    heartbeat_loading: float = 60.0
    starved: float = 8.0
    starved_slow: float = 240.0
    idle: float = 30.0
    stop: float = 5.0


@dataclass
class _Client:
    """A filter as the supervisor knows it."""

    settings: AnimationSettings
    deliver: Callable[[FilterLink], None]
    neutral: str = ""
    link: FilterLink | None = None
    sent_at: float = 0.0
    frames_seen: tuple[int, int] = (0, 0)
    starved_since: float = 0.0


@dataclass
class _Run:
    """One run of the worker; what a run left behind in the queue is told from the next run's by identity."""

    started_at: float
    process: WorkerProcess | None = None
    is_ready: bool = False
    has_exited: bool = False


class Supervisor:
    """The plugin's side of the worker's life; lives from script_load to script_unload."""

    def __init__(
        self, installation: Installation, on_change: Callable[[str | None], None], timing: Timing | None = None
    ) -> None:
        """on_change: called on the supervisor's thread with a filter's id (None: all) when its panel line changed."""
        self._installation = installation
        self._on_change = on_change
        self._timing = timing or Timing()
        self._requests: queue.Queue[Callable[[], None]] = queue.Queue()
        self._clients: dict[str, _Client] = {}
        self._run: _Run | None = None
        self._start_at = 0.0
        self._idle_since = 0.0
        self._starts: deque[float] = deque()
        self._is_rare = False
        self._is_stopping = False
        self.problem: Problem | None = None
        """What keeps the worker from running, or None; read by any thread."""
        self.notice: Problem | None = None
        """What the worker complains of although it goes on; read by any thread."""
        self.characters: tuple[CharacterEntry, ...] = ()
        """The worker's library, or () before it answered; read by any thread."""
        self.statuses: dict[str, FilterStatus] = {}
        """The last status of each filter; read by any thread."""
        self._thread = threading.Thread(target=self._work, name="sma-supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    # --- requests, from any thread ---

    def open(self, filter_id: str, settings: AnimationSettings, deliver: Callable[[FilterLink], None]) -> None:
        """Animate a filter; ``deliver`` gets its rings, anew after every restart, on the supervisor's thread."""
        self._requests.put(lambda: self._open(filter_id, _Client(settings, deliver)))

    def update(self, filter_id: str, settings: AnimationSettings) -> None:
        self._requests.put(lambda: self._update(filter_id, settings))

    def close(self, filter_id: str) -> None:
        """Forget a filter; its rings remain the caller's to close."""
        self._requests.put(lambda: self._close(filter_id))

    def act(self, filter_id: str, action: str) -> None:
        self._requests.put(lambda: self._send(FilterAction(filter_id, action)))

    def refresh(self) -> None:
        """Ask for the characters again, and try at once a worker that is only tried now and then."""
        self._requests.put(self._refresh)

    def retire(self, link: FilterLink) -> None:
        """Close rings that the graphics thread uses no more, away from that thread."""
        self._requests.put(link.close)

    def stop(self) -> None:
        """End the worker and the thread; bounded."""
        self._requests.put(self._begin_stop)
        self._thread.join(self._timing.stop)
        if self._thread.is_alive():
            logger.error("the supervisor's thread does not end")

    # --- the thread ---

    def _work(self) -> None:
        remove_stale_rings()
        while not self._is_stopping:
            try:
                request: Callable[[], None] | None = self._requests.get(timeout=self._timing.poll)
            except queue.Empty:
                request = None
            try:
                if request is not None:
                    request()
                if not self._is_stopping:
                    self._watch(time.monotonic())
            except Exception:
                logger.exception("the supervisor failed at a step and goes on")
        self._end_run(is_hung=False)

    def _begin_stop(self) -> None:
        self._is_stopping = True

    def _open(self, filter_id: str, client: _Client) -> None:
        self._clients[filter_id] = client
        self._open_link(filter_id, client)

    def _update(self, filter_id: str, settings: AnimationSettings) -> None:
        client = self._clients.get(filter_id)
        if client is not None and client.settings != settings:
            client.settings = settings
            if client.link is not None:
                self._send(UpdateFilter(filter_id, settings))

    def _close(self, filter_id: str) -> None:
        client = self._clients.pop(filter_id, None)
        self.statuses.pop(filter_id, None)
        if client is not None and client.link is not None:
            self._send(CloseFilter(filter_id))
            if not client.link.is_opened:
                # Nobody else has it yet.
                client.link.close()

    def _refresh(self) -> None:
        if self._run is None and self.problem is not None:
            self._starts.clear()
            self._is_rare = False
            self._start_at = 0.0
            self._set_problem(None)
        for filter_id, client in self._clients.items():
            if client.link is None:
                self._open_link(filter_id, client)
        self._send(RefreshCharacters())
        # Without a worker nobody answers, and the folder may have changed all the same.
        self._on_change(None)

    def _send(self, message: Message) -> None:
        if self._run is not None and self._run.is_ready and self._run.process is not None:
            self._run.process.send(message)

    def _open_link(self, filter_id: str, client: _Client) -> None:
        if self._run is None or not self._run.is_ready:
            return
        try:
            client.link = FilterLink.create()
        except RingError as exc:
            self._set_problem(Problem(f"{_NO_MEMORY}: {exc}", "Press Refresh to try again"))
            return
        if self.problem is not None and self.problem.message.startswith(_NO_MEMORY):
            self._set_problem(None)
        client.sent_at = time.monotonic()
        client.frames_seen, client.starved_since = (0, 0), 0.0
        driving, animated = client.link.driving.address, client.link.animated.address
        self._send(OpenFilter(filter_id, driving, animated, client.settings, client.neutral))

    # --- the worker's messages, on the thread that reads them ---

    def _receive(self, run: _Run, message: Message) -> None:
        self._requests.put(lambda: self._handle(message) if self._run is run else None)

    def _note_exit(self, run: _Run) -> None:
        run.has_exited = True
        self._requests.put(lambda: None)

    def _handle(self, message: Message) -> None:
        if isinstance(message, Ready):
            self._on_ready(message)
        elif isinstance(message, FilterOpened):
            self._on_opened(message.filter_id)
        elif isinstance(message, CharacterList):
            self.characters = message.characters
            self._on_change(None)
        elif isinstance(message, FilterStatus):
            client = self._clients.get(message.filter_id)
            if client is not None:
                if message.state == "error" and client.link is not None and not client.link.is_opened:
                    # The worker refused it; waiting for it would end the worker of all other filters.
                    client.link.close()
                    client.link = None
                self.statuses[message.filter_id] = message
                self._on_change(message.filter_id)
        elif isinstance(message, NeutralPose):
            client = self._clients.get(message.filter_id)
            if client is not None:
                client.neutral = message.neutral
        elif isinstance(message, WorkerProblem):
            logger.warning("%s", Problem(message.message, message.remedy))
            self.notice = Problem(message.message, message.remedy)
            self._on_change(None)

    def _on_ready(self, message: Ready) -> None:
        assert self._run is not None
        if message.version != PROTOCOL_VERSION:
            self._end_run(is_hung=False)
            self._start_at = float("inf")
            problem = f"The worker speaks protocol {message.version}, this plugin {PROTOCOL_VERSION}"
            self._set_problem(Problem(problem, "Restart OBS so that both load the same release"))
            return
        self._run.is_ready = True
        self._set_problem(None)
        logger.info("the worker is ready (process %d)", message.pid)
        self._send(RefreshCharacters())
        for filter_id, client in self._clients.items():
            self._open_link(filter_id, client)

    def _on_opened(self, filter_id: str) -> None:
        client = self._clients.get(filter_id)
        if client is not None and client.link is not None and not client.link.is_opened:
            client.link.unlink()
            client.link.is_opened = True
            client.deliver(client.link)

    # --- watching ---

    def _watch(self, now: float) -> None:
        run = self._run
        if run is None or run.process is None:
            if self._clients and now >= self._start_at:
                self._start(now)
            return
        if run.has_exited or run.process.exit_code is not None:
            self._restart_later(now, "The animation worker ended unexpectedly", is_hung=False)
        elif not run.is_ready:
            if now - run.started_at > self._timing.ready:
                self._restart_later(now, "The animation worker does not start up", is_hung=True)
        elif any(self._is_hung(filter_id, client, now) for filter_id, client in self._clients.items()):
            self._restart_later(now, "The animation worker hangs", is_hung=True)
        elif self._clients:
            self._idle_since = now
        elif now - self._idle_since > self._timing.idle:
            self._end_run(is_hung=False)

    def _is_hung(self, filter_id: str, client: _Client, now: float) -> bool:
        link = client.link
        if link is None:
            return False
        if not link.is_opened:
            return now - client.sent_at > self._timing.opened
        status = self.statuses.get(filter_id)
        state = status.state if status is not None else "loading"
        patience = self._timing.heartbeat_loading if state == "loading" else self._timing.heartbeat
        frames, seen = (link.published_count, link.shown_count), client.frames_seen
        client.frames_seen = frames
        # Hidden sources drive nothing; only frames that go in while none comes out are a sign of a hang.
        if frames[0] == seen[0] or frames[1] != seen[1] or state not in ("tracking", "calibrating"):
            client.starved_since = now
        is_slow = status is not None and may_be_slow(status.renderer, status.device)
        starved = self._timing.starved_slow if is_slow else self._timing.starved
        return link.heartbeat_age_s > patience or now - client.starved_since > starved

    def _start(self, now: float) -> None:
        if not self._installation.python.exists():
            self._start_at = now + self._timing.missing_interpreter
            self._set_problem(Problem(f"{self._installation.python} is missing", _RUN_INSTALLER))
            return
        if len(self._starts) > len(self._timing.restart_delays):
            self._starts.popleft()
        self._starts.append(now)
        self._idle_since = now
        run = _Run(now)
        try:
            process = WorkerProcess(
                self._installation, lambda message: self._receive(run, message), lambda: self._note_exit(run)
            )
        except OSError as exc:
            self._restart_later(now, f"{self._installation.python} cannot be run: {exc.strerror or exc}", is_hung=False)
            return
        run.process, self._run = process, run
        self.notice = None
        logger.info("the worker was started (process %d)", process.pid)

    def _restart_later(self, now: float, what: str, *, is_hung: bool) -> None:
        timing, run = self._timing, self._run
        self._end_run(is_hung=is_hung)
        recent = [start for start in self._starts if now - start < timing.restart_window]
        delays = timing.restart_delays
        was_steady = run is not None and now - run.started_at > timing.restart_window
        self._is_rare = len(recent) > len(delays) or (self._is_rare and not was_steady)
        if self._is_rare:
            # Never for good: a game that starved it ends some time.
            self._start_at = now + timing.rare_restart
            times = f"{what}, {len(delays)} restarts in {timing.restart_window:.0f} seconds did not help"
            self._set_problem(Problem(times, f"It is tried again every {timing.rare_restart:.0f} seconds. {_SEE_LOG}"))
            return
        self._start_at = now + delays[max(0, len(recent) - 1)]
        self._set_problem(Problem(what, "It is being restarted", is_passing=len(recent) <= _PASSING_RESTARTS))

    def _end_run(self, *, is_hung: bool) -> None:
        run, self._run = self._run, None
        self.statuses.clear()
        for client in self._clients.values():
            if client.link is not None:
                client.link.end()
                if not client.link.is_opened:
                    client.link.close()
                client.link = None
        if run is not None and run.process is not None:
            run.process.stop(is_hung=is_hung)
            logger.info("the worker ended (exit code %s)", run.process.exit_code)

    def _set_problem(self, problem: Problem | None) -> None:
        if problem == self.problem:
            return
        if problem is not None:
            logger.warning("%s", problem)
        self.problem = problem
        self._on_change(None)

"""Keeps a worker running while there are filters: starts, watches and restarts it, and opens the filters anew.

One thread owns all state. The public methods only queue a request for it, so that none of them can block OBS.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
import queue
import threading
import time
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
    Ready,
    RefreshCharacters,
    UpdateFilter,
    WorkerProblem,
)
from obs_plugin.filter_rings import FilterRings
from obs_plugin.installation import Installation
from obs_plugin.problem import Problem
from obs_plugin.restart_policy import RestartPolicy
from obs_plugin.served_filter import ServedFilter
from obs_plugin.timing import Timing
from obs_plugin.worker_process import WorkerProcess

logger = logging.getLogger(__name__)

_NOT_STARTED = Problem("The script is not loaded", "Add it in Tools → Scripts", is_passing=True)
_RUN_INSTALLER = "Run install.py in the Stream Motion Animator folder; the animation then starts by itself"
_NO_MEMORY = "There is no memory for the pictures"
_SEE_LOG = "See Tools → Scripts → Script Log, then press Refresh"


class Supervisor:
    """The plugin's side of the worker's life, from `start` to `stop`; before and after, requests have no effect."""

    def __init__(
        self, installation: Installation, on_change: Callable[[str | None], None], timing: Timing | None = None
    ) -> None:
        """on_change: called on the supervisor's thread with the id of a filter that has news, None for all of them."""
        self._installation = installation
        self._on_change = on_change
        self._timing = timing = timing or Timing()
        self._requests: queue.Queue[Callable[[], None]] = queue.Queue()
        self._filters: dict[str, ServedFilter] = {}
        self._restarts = RestartPolicy(timing.restart_delays, window=timing.restart_window, rare=timing.rare_restart)
        self._worker: WorkerProcess | None = None
        self._is_ready = False
        self._started_at = 0.0
        self._idle_since = 0.0
        self._is_stopping = False
        self.is_running = False
        self.problem: Problem | None = _NOT_STARTED
        """Why the worker does not run, or None; read by any thread."""
        self.notice: Problem | None = None
        """The worker's last complaint, or None; read by any thread."""
        self.characters: tuple[CharacterEntry, ...] = ()
        """The worker's library, () before its first answer; read by any thread."""
        self.statuses: dict[str, FilterStatus] = {}
        """The last status of each filter, by its id; read by any thread."""
        self._thread = threading.Thread(target=self._work, name="sma-supervisor", daemon=True)

    def start(self) -> None:
        self.problem, self.is_running = None, True
        self._thread.start()

    # --- requests, from any thread ---

    def open(self, filter_id: str, settings: AnimationSettings, deliver: Callable[[FilterRings], None]) -> None:
        """Animate a filter; ``deliver`` gets its rings on the supervisor's thread, new ones after every restart."""
        self._request(lambda: self._open(ServedFilter(filter_id, settings, deliver)))

    def update(self, filter_id: str, settings: AnimationSettings) -> None:
        self._request(lambda: self._update(filter_id, settings))

    def close(self, filter_id: str) -> None:
        """Forget a filter; rings that were delivered are closed by their owner."""
        self._request(lambda: self._close(filter_id))

    def act(self, filter_id: str, action: str) -> None:
        """Send one of `protocol.ACTIONS`."""
        self._request(lambda: self._send(FilterAction(filter_id, action)))

    def announce(self, filter_id: str) -> None:
        """Call ``on_change`` for a filter, after the requests that were made before."""
        self._request(lambda: self._on_change(filter_id))

    def refresh(self) -> None:
        """Ask for the characters again, and start a worker at once that waits for its next start."""
        self._request(self._refresh)

    def retire(self, rings: FilterRings) -> None:
        """Close rings that the graphics thread no longer uses, on another thread than that."""
        if self.is_running:
            self._requests.put(rings.close)
        else:
            rings.close()

    def stop(self) -> None:
        """End the worker and the thread; bounded."""
        if not self.is_running:
            return
        self._request(self._begin_stop)
        self.is_running = False
        self._thread.join(self._timing.stop)
        if self._thread.is_alive():
            logger.error("the supervisor's thread does not end")

    def _request(self, work: Callable[[], None]) -> None:
        if self.is_running:
            self._requests.put(work)

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
        self._end_worker(is_hung=False)

    def _begin_stop(self) -> None:
        self._is_stopping = True

    def _open(self, served: ServedFilter) -> None:
        self._filters[served.filter_id] = served
        self._send_open(served)

    def _update(self, filter_id: str, settings: AnimationSettings) -> None:
        served = self._filters.get(filter_id)
        if served is not None and served.settings != settings:
            served.settings = settings
            if served.rings is not None:
                self._send(UpdateFilter(filter_id, settings))
            self._on_change(filter_id)

    def _close(self, filter_id: str) -> None:
        served = self._filters.pop(filter_id, None)
        self.statuses.pop(filter_id, None)
        if served is not None and served.rings is not None:
            self._send(CloseFilter(filter_id))
            served.note_refused()

    def _refresh(self) -> None:
        if self._worker is None and self.problem is not None:
            self._restarts.reset()
            self._set_problem(None)
        for served in self._filters.values():
            if served.rings is None:
                self._send_open(served)
        self._send(RefreshCharacters())
        # Without a worker nobody answers, but the folder may have changed.
        self._on_change(None)

    def _send(self, message: Message) -> None:
        if self._worker is not None and self._is_ready:
            self._worker.send(message)

    def _send_open(self, served: ServedFilter) -> None:
        if not self._is_ready:
            return
        try:
            message = served.make_rings(time.monotonic())
        except RingError as exc:
            remedy = f"{exc.remedy}, then press Refresh" if exc.remedy else "press Refresh to try again"
            self._set_problem(Problem(f"{_NO_MEMORY}: {exc.message}", remedy))
            return
        if self.problem is not None and self.problem.message.startswith(_NO_MEMORY):
            self._set_problem(None)
        self._send(message)

    # --- the worker's messages ---

    def _receive(self, worker: WorkerProcess, message: Message) -> None:
        # On the worker's reading thread; a message may still be queued when its worker has been replaced.
        self._requests.put(lambda: self._handle(message) if self._worker is worker else None)

    def _wake(self) -> None:
        self._requests.put(lambda: None)

    def _handle(self, message: Message) -> None:
        served = self._filters.get(getattr(message, "filter_id", ""))
        if isinstance(message, Ready):
            self._on_ready(message)
        elif isinstance(message, CharacterList):
            self.characters = message.characters
            self._on_change(None)
        elif isinstance(message, WorkerProblem):
            self.notice = Problem(message.message, message.remedy)
            logger.warning("%s", self.notice)
            self._on_change(None)
        elif served is None:
            logger.debug("%s for a filter that is gone", message.type)
        elif isinstance(message, FilterOpened):
            served.note_opened()
        elif isinstance(message, FilterStatus):
            if message.state == "error":
                served.note_refused()
            self.statuses[message.filter_id] = message
            self._on_change(message.filter_id)
        elif isinstance(message, NeutralPose):
            served.neutral = message.neutral

    def _on_ready(self, message: Ready) -> None:
        if message.version != PROTOCOL_VERSION:
            self._end_worker(is_hung=False)
            self._restarts.next_start = float("inf")
            problem = f"The worker speaks protocol {message.version}, this plugin {PROTOCOL_VERSION}"
            self._set_problem(Problem(problem, "Restart OBS so that both load the same release"))
            return
        self._is_ready = True
        self._set_problem(None)
        logger.info("the worker is ready (process %d)", message.pid)
        self._send(RefreshCharacters())
        for served in self._filters.values():
            self._send_open(served)

    # --- the worker's life ---

    def _watch(self, now: float) -> None:
        worker = self._worker
        if worker is None:
            if self._filters and now >= self._restarts.next_start:
                self._start_worker(now)
        elif worker.has_ended:
            self._restart_later(now, "The animation worker ended unexpectedly", is_hung=False)
        elif not self._is_ready:
            if now - self._started_at > self._timing.ready:
                self._restart_later(now, "The animation worker does not start up", is_hung=True)
        elif any(self._is_hung(served, now) for served in self._filters.values()):
            self._restart_later(now, "The animation worker hangs", is_hung=True)
        elif self._filters:
            self._idle_since = now
        elif now - self._idle_since > self._timing.idle:
            self._end_worker(is_hung=False)

    def _is_hung(self, served: ServedFilter, now: float) -> bool:
        return served.is_hung(self.statuses.get(served.filter_id), now, self._timing)

    def _start_worker(self, now: float) -> None:
        python = self._installation.python
        if not python.exists():
            self._restarts.next_start = now + self._timing.missing_interpreter
            self._set_problem(Problem(f"{python} is missing", _RUN_INSTALLER))
            return
        self._restarts.note_start(now)
        self._started_at = self._idle_since = now
        try:
            self._worker = WorkerProcess(self._installation, on_message=self._receive, on_exit=self._wake)
        except OSError as exc:
            self._restart_later(now, f"{python} cannot be run: {exc.strerror or exc}", is_hung=False)
            return
        self.notice = None
        logger.info("the worker was started (process %d)", self._worker.pid)

    def _restart_later(self, now: float, failure: str, *, is_hung: bool) -> None:
        self._end_worker(is_hung=is_hung)
        timing, restarts = self._timing, self._restarts
        restarts.schedule(now, ran=now - self._started_at)
        if restarts.is_rare:
            tried = f"{len(timing.restart_delays)} restarts in {timing.restart_window:.0f} seconds did not help"
            remedy = f"It is tried again every {timing.rare_restart:.0f} seconds. {_SEE_LOG}"
            self._set_problem(Problem(f"{failure}, {tried}", remedy))
        else:
            self._set_problem(Problem(failure, "It is being restarted", is_passing=restarts.is_passing))

    def _end_worker(self, *, is_hung: bool) -> None:
        worker, self._worker, self._is_ready = self._worker, None, False
        self.statuses.clear()
        for served in self._filters.values():
            served.end_rings()
        if worker is not None:
            worker.stop(is_hung=is_hung)
            logger.info("the worker ended (exit code %s)", worker.exit_code)

    def _set_problem(self, problem: Problem | None) -> None:
        if problem == self.problem:
            return
        if problem is not None:
            logger.warning("%s", problem)
        self.problem = problem
        self._on_change(None)

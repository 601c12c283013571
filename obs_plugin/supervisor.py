"""Keeps a worker running while there are filters: starts, watches and restarts it, and opens the filters anew.

One thread owns all state. The public methods only queue a request for it, so that none of them can block OBS.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
import math
import queue
import threading
import time
from typing import Callable

from animator_core.ipc.frame_ring import RingError, remove_stale_rings
from animator_core.ipc.protocol import (
    PROTOCOL_VERSION,
    AddCharacter,
    AnimationSettings,
    CharacterAdded,
    CharacterEntry,
    CharacterList,
    CloseFilter,
    CutOutCharacter,
    FilterAction,
    FilterOpened,
    FilterStatus,
    Message,
    NeutralPose,
    PlayEmote,
    Ready,
    RefreshCharacters,
    UpdateFilter,
    WorkerProblem,
)
from obs_plugin.filter_rings import FilterRings
from obs_plugin.installation import Installation
from obs_plugin.problem import Problem, told
from obs_plugin.restart_policy import RestartPolicy
from obs_plugin.served_filter import ServedFilter
from obs_plugin.texts import text
from obs_plugin.timing import Timing
from obs_plugin.worker_process import WorkerProcess

logger = logging.getLogger(__name__)


class Supervisor:
    """The plugin's side of the worker's life, from `start` to `stop`; before and after, requests have no effect."""

    def __init__(
        self, installation: Installation, on_change: Callable[[str | None], None], timing: Timing | None = None
    ) -> None:
        """on_change: called on the supervisor's thread with the id of a filter that has news, None for all of them."""
        self._installation = installation
        self._on_change = on_change
        self.on_added: Callable[[CharacterAdded], None] = lambda _: None
        """Called on the supervisor's thread with the answer to `add_picture`."""
        self._timing = timing = timing or Timing()
        self._requests: queue.Queue[Callable[[], None]] = queue.Queue()
        self._filters: dict[str, ServedFilter] = {}
        self._restarts = RestartPolicy(timing.restart_delays, window=timing.restart_window, rare=timing.rare_restart)
        self._worker: WorkerProcess | None = None
        self._is_ready = False
        self._started_at = 0.0
        self._idle_since = 0.0
        self._watched_at = time.monotonic()
        self._awake_since = -math.inf
        self._is_stopping = False
        self._lacks_memory = False
        self.is_running = False
        self.problem: Problem | None = told("NotStarted", is_passing=True)
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

    def open(
        self, filter_id: str, settings: AnimationSettings, deliver: Callable[[FilterRings], None], camera_id: str = ""
    ) -> None:
        """Animate a filter; ``deliver`` gets its rings on the supervisor's thread, new ones after every restart."""
        self._request(lambda: self._open(ServedFilter(filter_id, settings, deliver, camera_id=camera_id)))

    def update(self, filter_id: str, settings: AnimationSettings) -> None:
        self._request(lambda: self._update(filter_id, settings))

    def close(self, filter_id: str) -> None:
        """Forget a filter; rings that were delivered are closed by their owner."""
        self._request(lambda: self._close(filter_id))

    def act(self, filter_id: str, action: str) -> None:
        """Send one of `protocol.ACTIONS`."""
        self._request(lambda: self._send(FilterAction(filter_id, action)))

    def play(self, filter_id: str, emote: str) -> None:
        """Have a filter's character play the emote of that name."""
        self._request(lambda: self._send(PlayEmote(filter_id, emote)))

    def add_picture(self, filter_id: str, path: str) -> None:
        """Have the picture at an absolute path copied into the library; `on_added` gets the answer."""
        self._request(lambda: self._send(AddCharacter(filter_id, path)))

    def cut_out(self, filter_id: str, file: str) -> None:
        """Have a character of the library cut out of its background; `on_added` gets the answer."""
        self._request(lambda: self._send(CutOutCharacter(filter_id, file)))

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
            self._lacks_memory = True
            name = "NoMemory" if exc.remedy else "NoMemoryNow"
            self._set_problem(told(name, reason=exc.message, remedy=exc.remedy))
            return
        if self._lacks_memory:
            self._lacks_memory = False
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
        elif isinstance(message, CharacterAdded):
            self.on_added(message)
        elif isinstance(message, NeutralPose):
            served.neutral = message.neutral

    def _on_ready(self, message: Ready) -> None:
        if message.version != PROTOCOL_VERSION:
            self._end_worker(is_hung=False)
            self._restarts.next_start = float("inf")
            self._set_problem(told("OtherProtocol", theirs=message.version, ours=PROTOCOL_VERSION))
            return
        self._is_ready = True
        self._set_problem(None)
        logger.info("the worker is ready (process %d)", message.pid)
        self._send(RefreshCharacters())
        for served in self._filters.values():
            self._send_open(served)

    # --- the worker's life ---

    def _watch(self, now: float) -> None:
        if now - self._watched_at > self._timing.heartbeat / 2:
            # The computer slept, or this process was stopped: the worker had no time to give a sign of life either.
            self._awake_since = now
        self._watched_at = now
        worker = self._worker
        if worker is None:
            if self._filters and now >= self._restarts.next_start:
                self._start_worker(now)
        elif worker.has_ended:
            self._restart_later(now, "Ended", is_hung=False)
        elif not self._is_ready:
            if now - self._started_at > self._timing.ready:
                self._restart_later(now, "NoStart", is_hung=True)
        elif now - self._awake_since < self._timing.heartbeat:
            self._idle_since = now
        elif any(self._is_hung(served, now) for served in self._filters.values()):
            self._restart_later(now, "Hangs", is_hung=True)
        elif self._filters:
            self._idle_since = now
            self._open_anew(now)
        elif now - self._idle_since > self._timing.idle:
            self._end_worker(is_hung=False)

    def _open_anew(self, now: float) -> None:
        """Try again to open filters for which there was no memory, here or in the worker."""
        for served in self._filters.values():
            if served.rings is None and now - served.opened_at > self._timing.reopen:
                self._send_open(served)

    def _is_hung(self, served: ServedFilter, now: float) -> bool:
        return served.is_hung(self.statuses.get(served.filter_id), now, self._timing)

    def _start_worker(self, now: float) -> None:
        python = self._installation.python
        if not python.exists():
            self._restarts.next_start = now + self._timing.missing_interpreter
            self._set_problem(told("NoPython", python=python))
            return
        self._restarts.note_start(now)
        self._started_at = self._idle_since = now
        try:
            self._worker = WorkerProcess(self._installation, on_message=self._receive, on_exit=self._wake)
        except OSError as exc:
            self._restart_later(now, "NotRun", is_hung=False, python=python, reason=exc.strerror or exc)
            return
        self.notice = None
        logger.info("the worker was started (process %d)", self._worker.pid)

    def _restart_later(self, now: float, failure: str, *, is_hung: bool, **values: object) -> None:
        """Schedule a restart; failure, values: of a text ``Worker.FAILURE``."""
        self._end_worker(is_hung=is_hung)
        timing, restarts, words = self._timing, self._restarts, text(f"Worker.{failure}", **values)
        restarts.schedule(now, ran=now - self._started_at)
        if restarts.is_rare:
            count, window, rare = len(timing.restart_delays), timing.restart_window, timing.rare_restart
            problem = told("RareRestarts", failure=words, count=count, window=f"{window:.0f}", rare=f"{rare:.0f}")
            self._set_problem(problem)
        else:
            self._set_problem(told("Restart", failure=words, is_passing=restarts.is_passing))

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

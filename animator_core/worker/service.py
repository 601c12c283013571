"""Answers the messages of the OBS process, and tells it how the filters are doing."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from animator_core.animation.neutral_store import NeutralStore
from animator_core.animation.preparation import WANTED
from animator_core.animation.services import Services
from animator_core.characters.adding import add_picture
from animator_core.characters.face_quality import FaceWarning
from animator_core.characters.library import CharacterLibrary
from animator_core.cutout import cut_out_of_library
from animator_core.errors import CharacterError, MotionError
from animator_core.ipc.character_names import list_other_pictures
from animator_core.ipc.frame_ring import RingError
from animator_core.ipc.protocol import (
    PROTOCOL_VERSION,
    AddCharacter,
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
    OpenFilter,
    PlayEmote,
    Ready,
    RefreshCharacters,
    Shutdown,
    UpdateFilter,
    WorkerProblem,
)
from animator_core.worker.channel import MessageChannel
from animator_core.worker.process import ParentWatch
from animator_core.worker.process_end import DEVICE_LOST, end_process
from animator_core.worker.session import FilterSession

logger = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
_STATUS_SECONDS = 1.0
_LEAVE_SECONDS = 0.7
_CLOSE_SECONDS = 1.0
_LAST_RESORT_SECONDS = 1.4
"""The plugin waits 1.5 s before it uses force."""
_OPEN_AGAIN = "Restart OBS; if it stays, see Tools → Scripts → Script Log"


class FilterService:
    """Serves filters until it is told to leave."""

    def __init__(
        self,
        channel: MessageChannel,
        services: Services,
        parent: ParentWatch,
        make_session: Callable[[OpenFilter, Services], FilterSession] = FilterSession,
    ) -> None:
        """make_session: opens a filter; raises RingError."""
        self._channel = channel
        self._services = services
        self._parent = parent
        self._make_session = make_session
        self._sessions: dict[str, FilterSession] = {}
        self._neutrals: dict[str, str] = {}
        self._kept_neutrals = NeutralStore(services.config.performance.cache_dir)
        self._characters: tuple[CharacterEntry, ...] = ()
        self._sent: dict[str, tuple[FilterStatus, float]] = {}
        self._added: queue.SimpleQueue[CharacterAdded] = queue.SimpleQueue()
        self._is_leaving = threading.Event()

    def leave(self) -> None:
        """Have `run` return soon; safe in a signal handler."""
        self._is_leaving.set()

    def run(self) -> int:
        """Answer messages until the input ends, a `Shutdown` comes, the parent is gone or `leave` was called.

        Also ends if a filter's graphics card is lost to this process. Returns the process's exit code.
        """
        self._channel.send(Ready(PROTOCOL_VERSION, os.getpid()))
        self._send_characters()
        parent_seen = time.monotonic()
        status = 0
        try:
            while not (self._is_leaving.is_set() or self._channel.is_broken):
                try:
                    message = self._channel.receive(_TICK_SECONDS)
                except queue.Empty:
                    pass
                else:
                    if message is None or isinstance(message, Shutdown):
                        break
                    self._answer(message)
                if time.monotonic() - parent_seen > 1.0:
                    parent_seen = time.monotonic()
                    if self._parent.is_gone():
                        logger.info("the parent is gone")
                        break
                self._tell_added()
                self._send_statuses()
                if any(session.is_device_lost for session in self._sessions.values()):
                    logger.error("the graphics card is lost to this process, which ends so that another one starts")
                    status = DEVICE_LOST
                    break
        finally:
            self._close_all(status)
        return status

    def _answer(self, message: Message) -> None:
        session = self._sessions.get(getattr(message, "filter_id", ""))
        if isinstance(message, OpenFilter):
            self._open(message)
        elif isinstance(message, RefreshCharacters):
            self._refresh()
        elif isinstance(message, AddCharacter):
            self._make_character(message.filter_id, lambda library: add_picture(Path(message.path), library.directory))
        elif isinstance(message, CutOutCharacter):
            self._make_character(message.filter_id, lambda library: cut_out_of_library(library, message.file))
        elif session is None:
            # A filter that could not be opened, or was closed while the message was under way.
            logger.debug("%s for a filter that is not open", message.type)
        elif isinstance(message, UpdateFilter):
            session.update(message.settings)
        elif isinstance(message, FilterAction):
            session.act(message.action)
        elif isinstance(message, PlayEmote):
            self._play(session, message.emote)
        elif isinstance(message, CloseFilter):
            self._close(message.filter_id)

    def _open(self, message: OpenFilter) -> None:
        self._close(message.filter_id)
        opening = message
        if not message.neutral:
            opening = replace(message, neutral=self._kept_neutrals.load(message.camera_id))
        try:
            self._sessions[message.filter_id] = self._make_session(opening, self._services)
        except RingError as exc:
            logger.error("filter %s cannot be opened: %s", message.filter_id, exc)
            remedy = exc.remedy or _OPEN_AGAIN
            self._channel.send(FilterStatus(message.filter_id, "error", message=exc.message, remedy=remedy))
            return
        self._neutrals[message.filter_id] = message.neutral
        self._channel.send(FilterOpened(message.filter_id))

    def _close(self, filter_id: str) -> None:
        session = self._sessions.pop(filter_id, None)
        self._sent.pop(filter_id, None)
        self._neutrals.pop(filter_id, None)
        if session is not None:
            session.close(_CLOSE_SECONDS)

    def _play(self, session: FilterSession, name: str) -> None:
        try:
            session.play(name, self._services.emotes.load(name))
        except MotionError as exc:
            logger.warning("the emote %s cannot be played: %s", name, exc)

    def _refresh(self) -> None:
        self._send_characters()
        for each in self._sessions.values():
            each.refresh_characters()

    def _make_character(self, filter_id: str, make: Callable[[CharacterLibrary], str]) -> None:
        """Have a character made, which may take seconds, in the preparation thread; make: returns its file name."""

        def work() -> None:
            try:
                added = CharacterAdded(filter_id, make(self._services.library))
            except CharacterError as exc:
                added = CharacterAdded(filter_id, message=exc.message, remedy=exc.remedy)
            self._added.put(added)

        self._services.preparation.submit(WANTED, work)

    def _tell_added(self) -> None:
        while not self._added.empty():
            added = self._added.get()
            if added.file:
                self._refresh()
            self._channel.send(added)

    def _send_characters(self) -> None:
        characters = self._characters = self._with_problems(self._services.library.list())
        self._channel.send(CharacterList(characters))
        directory = self._services.library.directory
        others = list_other_pictures(directory)
        if others:
            logger.warning("%s in %s cannot be used; save as PNG, JPEG or WebP", ", ".join(others), directory)
        if not characters:
            remedy = f"save {others[0]} as PNG, JPEG or WebP" if others else "put a PNG, JPEG or WebP there"
            self._channel.send(WorkerProblem(f"there is no picture in {directory}", f"{remedy}, then press Refresh"))

    def _with_problems(self, characters: tuple[CharacterEntry, ...]) -> tuple[CharacterEntry, ...]:
        """Return the characters with what is known to be wrong with them."""
        errors: dict[str, CharacterError] = {}
        warnings: dict[str, FaceWarning] = {}
        for session in self._sessions.values():
            errors.update(session.character_problems())
            warnings.update(session.character_warnings())
        return tuple(_told(entry, errors.get(entry.file), warnings.get(entry.file)) for entry in characters)

    def _send_statuses(self) -> None:
        characters = self._with_problems(self._characters)
        if characters != self._characters:
            self._characters = characters
            self._channel.send(CharacterList(characters))
        now = time.monotonic()
        for filter_id, session in self._sessions.items():
            status = session.status()
            before, sent_at = self._sent.get(filter_id, (None, 0.0))
            # Numbers change all the time; only the rest is news.
            is_news = before is None or replace(status, fps=before.fps, latency_ms=before.latency_ms) != before
            if is_news or now - sent_at >= _STATUS_SECONDS:
                self._sent[filter_id] = (status, now)
                self._channel.send(status)
            neutral = session.neutral
            if neutral != self._neutrals[filter_id]:
                self._neutrals[filter_id] = neutral
                self._channel.send(NeutralPose(filter_id, neutral))
                self._kept_neutrals.save(session.camera_id, neutral)

    def _close_all(self, status: int) -> None:
        last_resort = threading.Timer(_LAST_RESORT_SECONDS, end_process, (status,))
        last_resort.daemon = True
        last_resort.start()
        self._services.preparation.end()
        for session in self._sessions.values():
            session.ask_to_end()
        deadline = time.monotonic() + _LEAVE_SECONDS
        for session in self._sessions.values():
            session.close(max(0.0, deadline - time.monotonic()))
        self._sessions.clear()
        last_resort.cancel()


def _told(entry: CharacterEntry, error: CharacterError | None, warning: FaceWarning | None) -> CharacterEntry:
    """Return the entry with these and no other faults."""
    problem, remedy = (error.message, error.remedy) if error is not None else ("", "")
    text, advice = (warning.message, warning.remedy) if warning is not None and error is None else ("", "")
    return replace(entry, problem=problem, remedy=remedy, warning=text, advice=advice)

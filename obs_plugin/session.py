"""Everything between script_load and script_unload: the worker's supervisor, the picture loader, the live filters.

Filters outlive a session: OBS destroys them after it unloaded the script, and a reload must find them again.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
import threading
import time
from typing import Callable

from animator_core.ipc.protocol import CharacterEntry, MessageError
from obs_plugin import character_list, properties
from obs_plugin.condition import Condition, describe
from obs_plugin.filter import AnimatorFilter
from obs_plugin.installation import Installation, find_installation
from obs_plugin.libobs import LibObs
from obs_plugin.link import FilterLink
from obs_plugin.panel import PanelState, PanelView, Section
from obs_plugin.roster import Roster
from obs_plugin.still_picture import StillLoader
from obs_plugin.supervisor import Supervisor
from obs_plugin.ui_thread import UiThread

logger = logging.getLogger(__name__)

_PANEL_REFRESH_SECONDS = 0.9
"""The worker tells its numbers once a second."""
_DEFAULT_FRAME_RATE = 60.0


class Session:
    """The one session of this OBS process; `start` and `stop` may alternate any number of times."""

    def __init__(self, lib: LibObs, installation: Installation | None = None) -> None:
        self._lib = lib
        self._installation = installation or find_installation()
        self._ui_thread = UiThread(lib)
        self._filters: dict[str, AnimatorFilter] = {}
        # Held only for moments, and never while a libobs function runs that could wait.
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None
        self._loader: StillLoader | None = None
        self.roster = Roster(self._list_characters)
        self._defaults: dict[str, str] = {}
        self._panels: dict[str, PanelState] = {}

    @property
    def is_running(self) -> bool:
        return self._supervisor is not None

    def start(self) -> None:
        """Start the threads and take up every filter that lives."""
        if self.is_running:
            return
        self.roster.forget()
        self._look_at_characters()
        self._loader = StillLoader(self._lib, str(self._installation.characters))
        self._supervisor = Supervisor(self._installation, self._on_change)
        self._supervisor.start()
        for instance in self.filters():
            self._take_up(instance)

    def stop(self) -> None:
        """End the worker and the threads, bounded; the filters stay, harmless, until OBS destroys them."""
        supervisor, self._supervisor = self._supervisor, None
        loader, self._loader = self._loader, None
        if supervisor is not None:
            supervisor.stop()
        if loader is not None:
            loader.stop()

    # --- filters ---

    def filters(self) -> list[AnimatorFilter]:
        return list(self._filters.values())

    def add(self, instance: AnimatorFilter) -> None:
        with self._lock:
            self._filters[instance.filter_id] = instance
        self._take_up(instance)

    def remove(self, instance: AnimatorFilter) -> None:
        with self._lock:
            self._filters.pop(instance.filter_id, None)
        self._defaults.pop(instance.filter_id, None)
        self._panels.pop(instance.filter_id, None)
        if self._supervisor is not None:
            self._supervisor.close(instance.filter_id)

    def _take_up(self, instance: AnimatorFilter) -> None:
        self.request_still(instance)
        if self._supervisor is not None:
            settings = instance.settings.animation(self._frame_rate())
            self._supervisor.open(instance.filter_id, settings, lambda link: self._deliver(instance, link))
            if instance.filter_id not in self._filters:
                # OBS destroyed it meanwhile, and its `close` came before the `open`.
                self._supervisor.close(instance.filter_id)

    def _deliver(self, instance: AnimatorFilter, link: FilterLink) -> None:
        # A new run of the worker knows nothing of a freeze.
        instance.is_frozen = False
        instance.links.put(link)

    def update(self, instance: AnimatorFilter) -> None:
        """Tell the worker a filter's settings."""
        if self._supervisor is not None:
            try:
                self._supervisor.update(instance.filter_id, instance.settings.animation(self._frame_rate()))
            except MessageError as exc:
                logger.warning("the settings cannot be used: %s", exc)

    def retire(self, link: FilterLink) -> None:
        """Close rings off the graphics thread."""
        if self._supervisor is not None:
            self._supervisor.retire(link)
        else:
            link.close()

    def _frame_rate(self) -> float:
        interval_ns = self._lib.obs_get_frame_interval_ns()
        return 1e9 / interval_ns if interval_ns else _DEFAULT_FRAME_RATE

    # --- characters ---

    def characters(self) -> tuple[CharacterEntry, ...]:
        """Return the characters in the order of panel and hotkeys."""
        return self.roster.characters()

    def _list_characters(self) -> tuple[CharacterEntry, ...]:
        supervisor = self._supervisor
        known = supervisor.characters if supervisor is not None else ()
        return known or character_list.list_pictures(str(self._installation.characters))

    def _look_at_characters(self) -> None:
        if self.roster.look():
            for instance in self.filters():
                self.request_still(instance)
                self._panel(instance).is_outdated = True

    def request_still(self, instance: AnimatorFilter) -> None:
        """Have the filter's still picture decoded; it arrives in ``instance.stills``."""
        name = instance.settings.character
        loader = self._loader
        if loader is not None:
            loader.request(
                name,
                lambda: self._find_picture(instance.filter_id, name),
                instance.stills.put,
                lambda: instance.settings.character == name,
            )

    def _find_picture(self, filter_id: str, name: str) -> CharacterEntry | None:
        # Only a listed picture is opened: a scene collection from elsewhere must not name any file of this computer.
        characters = self.characters()
        if not name:
            # Which one stands for "" is for the worker to say, once it runs.
            preferred = character_list.find(characters, self._defaults.get(filter_id, ""))
            if preferred is not None:
                return preferred
        return character_list.find(characters, name)

    def step(self, places: int) -> None:
        """Give every filter the next character that can be shown, in the direction of ``places`` (1 or -1)."""
        characters = self.characters()

        def choose(current: str) -> str:
            entry = character_list.neighbour(characters, current, places)
            return entry.file if entry is not None else current

        self._choose_everywhere(choose)

    def select_number(self, number: int) -> None:
        """Give every filter the character of this number (from 1), unless there is none or it cannot be shown."""
        entry = self.roster.numbered(number)
        if entry is None or entry.problem:
            logger.info("character %d cannot be shown: %s", number, entry.problem if entry else "there is none")
            return
        name = entry.file
        self._choose_everywhere(lambda _: name)

    def _choose_everywhere(self, choose: Callable[[str], str]) -> None:
        for instance in self.filters():
            self._choose_later(instance, choose)

    def _choose_later(self, instance: AnimatorFilter, choose: Callable[[str], str]) -> None:
        def work() -> None:
            self.choose(instance, choose)
            self._reload_panel(instance)

        self._ui_thread.run(work)

    def choose(self, instance: AnimatorFilter, choose: Callable[[str], str]) -> None:
        """Set the character that ``choose`` makes of the present setting; on the user interface thread only."""

        def change(data: int) -> None:
            # OBS hands changed settings to the filter one tick late; a quick second press must build on the first.
            name = choose(properties.read_settings(self._lib, data).character)
            self._lib.obs_data_set_string(data, b"character", name.encode())

        self._with_settings(instance, change, is_change=True)

    def _wanted_character(self, instance: AnimatorFilter) -> str:
        # The filter itself hears of a choice one tick later.
        names: list[str] = []
        self._with_settings(instance, lambda data: names.append(properties.read_settings(self._lib, data).character))
        return names[0] if names else instance.settings.character

    def keep_frame_size(self, instance: AnimatorFilter) -> None:
        """Keep the size of a filter's camera in its settings."""

        def write(data: int) -> None:
            properties.write_frame_size(self._lib, data, instance.frame_size)

        self._ui_thread.run(lambda: self._with_settings(instance, write))

    def _with_settings(
        self, instance: AnimatorFilter, use: Callable[[int], object], *, is_change: bool = False
    ) -> None:
        lib = self._lib
        source = self._reference(instance)
        if not source:
            return
        try:
            data = lib.obs_source_get_settings(source)
            try:
                use(data)
            finally:
                lib.obs_data_release(data)
            if is_change:
                lib.obs_source_update(source, None)
        finally:
            lib.obs_source_release(source)

    def _reference(self, instance: AnimatorFilter) -> int | None:
        """Return the filter's source, to be released, or None where OBS is destroying it."""
        with self._lock:
            # `remove` takes the lock before the filter lets go of its weak reference, so that is good here.
            if instance.filter_id not in self._filters:
                return None
            return self._lib.obs_weak_source_get_source(instance.weak_source) or None

    # --- actions of hotkeys and buttons ---

    def set_seen(self, instance: AnimatorFilter, is_seen: bool) -> None:
        """Have the worker rest while nothing shows a filter."""
        if self._supervisor is not None:
            self._supervisor.act(instance.filter_id, "show" if is_seen else "hide")

    def calibrate(self, instance: AnimatorFilter) -> None:
        if self._supervisor is not None:
            self._supervisor.act(instance.filter_id, "calibrate")

    def set_frozen(self, instance: AnimatorFilter, is_frozen: bool) -> None:
        instance.is_frozen = is_frozen
        if self._supervisor is not None:
            self._supervisor.act(instance.filter_id, "freeze" if is_frozen else "unfreeze")

    def refresh(self) -> None:
        """Look at the character folder again, load the stills again, and try at once a worker that does not start."""
        if self._supervisor is not None:
            self._supervisor.refresh()
        for instance in self.filters():
            self.request_still(instance)

    # --- the panel ---

    def condition(self, instance: AnimatorFilter) -> Condition:
        """Return the panel's status line of a filter."""
        supervisor = self._supervisor
        if supervisor is None:
            return Condition("The script is not loaded. Add it in Tools → Scripts.", True)
        status = supervisor.statuses.get(instance.filter_id)
        return describe(
            supervisor.problem,
            supervisor.notice,
            status,
            instance.still_problem,
            instance.is_hidden,
            str(self._installation.root),
        )

    def _panel(self, instance: AnimatorFilter) -> PanelState:
        return self._panels.setdefault(instance.filter_id, PanelState())

    def open_panel(self, instance: AnimatorFilter) -> PanelView:
        """Return what a panel that OBS opens or makes anew is to show; `close_panel` must follow for each."""
        self._panel(instance).open_count += 1
        return self.panel_view(instance)

    def close_panel(self, filter_id: str) -> None:
        """Note that OBS let go of a panel; once the last one is gone, the next one opens folded."""
        state = self._panels.get(filter_id)
        if state is not None:
            state.open_count -= 1
            if not state.open_count:
                state.section = Section.NONE

    def panel_view(self, instance: AnimatorFilter) -> PanelView:
        """Return what the panel is to show, and take it for shown."""
        state = self._panel(instance)
        state.shown, state.shown_at, state.is_outdated = self.condition(instance), time.monotonic(), False
        characters = self.characters()
        name = self._wanted_character(instance)
        current = self._find_picture(instance.filter_id, name)
        return PanelView(state.shown, characters, self.roster.numbers, current, name, state.section)

    def unfold(self, instance: AnimatorFilter, section: Section) -> None:
        """Unfold a section of the panel, or fold it where it is unfolded; there is one at a time."""
        state = self._panel(instance)
        state.section = Section.NONE if state.section is section else section

    def _on_change(self, filter_id: str | None) -> None:
        """Follow what the supervisor learnt (on its thread): the list of characters, a filter's condition."""
        if filter_id is None:
            self._look_at_characters()
        for instance in self.filters():
            if filter_id in (None, instance.filter_id):
                self._follow_failure(instance)
                self._follow_default(instance)
                self._follow_condition(instance)
                # The frame rate of OBS may have changed; settings that did not change go no further.
                self.update(instance)

    def _follow_failure(self, instance: AnimatorFilter) -> None:
        """Note whether the animation has failed; a failure lasts until the filter is animated again."""
        supervisor = self._supervisor
        if supervisor is None:
            return
        problem, status = supervisor.problem, supervisor.statuses.get(instance.filter_id)
        state = status.state if status is not None else "loading"
        if state == "error" or (problem is not None and not problem.is_passing):
            instance.has_failed = True
        elif state != "loading":
            instance.has_failed = False

    def _follow_default(self, instance: AnimatorFilter) -> None:
        """Show the still of the character that the worker takes where none is chosen."""
        supervisor = self._supervisor
        status = supervisor.statuses.get(instance.filter_id) if supervisor is not None else None
        if status is None or instance.settings.character or not status.character:
            return
        if self._defaults.get(instance.filter_id) != status.character:
            self._defaults[instance.filter_id] = status.character
            self.request_still(instance)

    def _follow_condition(self, instance: AnimatorFilter) -> None:
        """Have an open panel made anew where it misleads, at most once a second, and never under an open list."""
        state = self._panel(instance)
        if not state.open_count:
            return
        condition = self.condition(instance)
        waited = time.monotonic() - state.shown_at
        is_due = state.is_outdated or condition.is_urgent or waited >= _PANEL_REFRESH_SECONDS
        if is_due and (state.is_outdated or condition.is_news_after(state.shown)):
            self._ui_thread.run(lambda: self._reload_panel(instance))

    def _reload_panel(self, instance: AnimatorFilter) -> None:
        state = self._panel(instance)
        if not state.open_count or state.section is Section.ADVANCED:
            return
        source = self._reference(instance)
        if source:
            self._lib.obs_source_update_properties(source)
            self._lib.obs_source_release(source)

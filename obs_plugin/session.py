"""The plugin from script_load to script_unload: the worker's supervisor, the loader of stills, and the live filters.

Filters outlive a session: OBS destroys them after it unloaded the script, and a reload must find them again.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
from functools import partial
from pathlib import Path
from typing import Callable, Iterable, Mapping

from animator_core.ipc import emote_names
from animator_core.ipc.protocol import CharacterEntry, FilterStatus
from obs_plugin import character_list, file_manager, texts
from obs_plugin.filter import AnimatorFilter
from obs_plugin.filter_rings import FilterRings
from obs_plugin.filter_source import FilterSource
from obs_plugin.installation import Installation, find_installation
from obs_plugin.libobs import LibObs
from obs_plugin.microphones import delay_microphone, list_microphones
from obs_plugin.panel_state import PanelView, Section
from obs_plugin.picture_adding import PictureAdding
from obs_plugin.roster import Roster
from obs_plugin.status_line import Condition, StatusLine, describe
from obs_plugin.still_picture import StillLoader, StillRequest
from obs_plugin.supervisor import Supervisor
from obs_plugin.ui_thread import UiThread

logger = logging.getLogger(__name__)

_DEFAULT_FRAME_RATE = 60.0


class Session:
    """The one session of this OBS process; `start` and `stop` may alternate any number of times."""

    def __init__(self, lib: LibObs, installation: Installation | None = None) -> None:
        self._lib = lib
        self._installation = installation or find_installation()
        self._ui_thread = UiThread(lib)
        self._filters: dict[str, AnimatorFilter] = {}
        self._adding = PictureAdding(self.filters, run=self._ui_thread.run, folder=self.folder)
        self._supervisor = self._new_supervisor()
        self._loader = self._new_loader()
        self.roster = Roster(self._list_characters)
        self.on_news: Callable[[AnimatorFilter | None], None] = lambda _: None
        """Called with a filter of which anything may be new, None if the characters are; not on the graphics thread."""

    def _new_supervisor(self) -> Supervisor:
        supervisor = Supervisor(self._installation, self._on_change)
        supervisor.on_added = self._adding.end
        return supervisor

    def _new_loader(self) -> StillLoader:
        return StillLoader(self._lib, str(self._installation.characters))

    @property
    def folder(self) -> str:
        """The folder of the installation, relative to which the user is told paths."""
        return str(self._installation.root)

    @property
    def characters_folder(self) -> Path:
        return self._installation.characters

    def start(self) -> None:
        """Start the threads and open every live filter."""
        if self._supervisor.is_running:
            return
        self.roster.forget()
        self._refresh_characters()
        self._loader.start()
        self._supervisor.start()
        for instance in self.filters():
            self._open(instance)

    def stop(self) -> None:
        """End the worker and the threads, bounded; the filters stay, harmless, until OBS destroys them."""
        supervisor, self._supervisor = self._supervisor, self._new_supervisor()
        loader, self._loader = self._loader, self._new_loader()
        supervisor.stop()
        loader.stop()

    # --- filters ---

    def filters(self) -> list[AnimatorFilter]:
        return list(self._filters.values())

    def add(self, instance: AnimatorFilter) -> None:
        self._filters[instance.filter_id] = instance
        self._open(instance)

    def remove(self, instance: AnimatorFilter) -> None:
        self._filters.pop(instance.filter_id, None)
        self._supervisor.close(instance.filter_id)

    def _open(self, instance: AnimatorFilter) -> None:
        self.request_still(instance)
        if instance.settings.has_label:
            self.request_label(instance)
        settings = instance.settings.animation(self._frame_rate())
        self._supervisor.open(
            instance.filter_id,
            settings,
            lambda rings: self._deliver(instance, rings),
            camera_id=instance.camera_id,
        )
        if instance.filter_id not in self._filters:
            # OBS destroyed it meanwhile, and its `close` came before the `open`.
            self._supervisor.close(instance.filter_id)

    def _deliver(self, instance: AnimatorFilter, rings: FilterRings) -> None:
        # A new worker knows nothing of a freeze.
        instance.is_frozen = False
        instance.new_rings.put(rings)

    def update(self, instance: AnimatorFilter) -> None:
        """Send a filter's settings to the worker."""
        self._supervisor.update(instance.filter_id, instance.settings.animation(self._frame_rate()))

    def act(self, instance: AnimatorFilter, action: str) -> None:
        """Send one of `protocol.ACTIONS` to the worker."""
        self._supervisor.act(instance.filter_id, action)

    def expressions(self, instance: AnimatorFilter) -> tuple[str, ...]:
        """Return the expressions of a filter's character that have a picture of their own."""
        entry = self.shown_character(instance)
        return character_list.expressions(str(self._installation.characters), entry.file) if entry else ()

    def express(self, expression: str, instances: Iterable[AnimatorFilter] | None = None) -> None:
        """Show this expression's picture in these filters, see `AnimationSettings.expression`; None: in every one."""
        for instance in self.filters() if instances is None else instances:
            self._ui_thread.run(partial(self._express, instance, expression))

    def express_number(self, number: int) -> None:
        """Show the expression of this number (from 1) in every filter whose character has as many."""
        for instance in self.filters():
            names = self.expressions(instance)
            if number <= len(names):
                self.express(names[number - 1], [instance])

    def _express(self, instance: AnimatorFilter, expression: str) -> None:
        instance.obs_source.change_settings({"expression": expression})
        self._reload_panel(instance)

    def emotes(self) -> tuple[str, ...]:
        """Return the names of the emotes, in order."""
        return tuple(emote_names.list_emotes(str(self._installation.emotes)))

    def play(self, emote: str, instances: Iterable[AnimatorFilter] | None = None) -> None:
        """Have the characters of these filters play an emote; None: of every filter."""
        for instance in self.filters() if instances is None else instances:
            self._supervisor.play(instance.filter_id, emote)

    def open_thumbnails(self) -> None:
        """Show a page of all characters in the browser."""
        file_manager.open_thumbnails(self._installation)

    def add_picture(self, instance: AnimatorFilter, path: str) -> None:
        """Add a picture of the panel's file dialog to the characters, and give it to the filter."""
        self._adding.begin(instance, path, self._supervisor.problem)
        self._supervisor.add_picture(instance.filter_id, path)

    def cut_out(self, instance: AnimatorFilter) -> None:
        """Have a filter's character cut out of its background, and give the filter the result."""
        entry = self.shown_character(instance)
        if entry is not None:
            self._adding.begin(instance, entry.file, self._supervisor.problem)
            self._supervisor.cut_out(instance.filter_id, entry.file)

    def freeze(self, instances: Iterable[AnimatorFilter], is_frozen: bool | None = None) -> None:
        """Freeze the characters of these filters or let them move; None: let them move if any is frozen."""
        chosen = list(instances)
        if is_frozen is None:
            is_frozen = not any(instance.is_frozen for instance in chosen)
        for instance in chosen:
            instance.is_frozen = is_frozen
            self.act(instance, "freeze" if is_frozen else "unfreeze")

    def hide(self, instances: Iterable[AnimatorFilter], is_hidden: bool | None = None) -> None:
        """Hide the characters of these filters or show them; None: show them if any is hidden."""
        chosen = list(instances)
        if is_hidden is None:
            is_hidden = not any(instance.is_hidden for instance in chosen)
        for instance in chosen:
            instance.is_hidden = is_hidden
            self._supervisor.announce(instance.filter_id)

    def retire(self, rings: FilterRings) -> None:
        """Close rings on another thread than the graphics thread."""
        self._supervisor.retire(rings)

    def keep_frame_size(self, instance: AnimatorFilter) -> None:
        """Save the size of a filter's camera in its settings."""
        self._ui_thread.run(lambda: instance.obs_source.keep_frame_size(instance.frame_size))

    def refresh(self) -> None:
        """List the character folder again, load the stills again, and start a worker that waits for its next start."""
        self._supervisor.refresh()
        for instance in self.filters():
            self.request_still(instance)

    def _frame_rate(self) -> float:
        interval_ns = self._lib.obs_get_frame_interval_ns()
        return 1e9 / interval_ns if interval_ns else _DEFAULT_FRAME_RATE

    # --- characters ---

    def characters(self) -> tuple[CharacterEntry, ...]:
        """Return the characters in the order of panel and hotkeys."""
        return self.roster.characters()

    def _list_characters(self) -> tuple[CharacterEntry, ...]:
        return self._supervisor.characters or character_list.list_pictures(str(self._installation.characters))

    def _refresh_characters(self) -> None:
        if self.roster.refresh():
            for instance in self.filters():
                self.request_still(instance)
                instance.panel.is_outdated = True
            self.on_news(None)

    def request_still(self, instance: AnimatorFilter) -> None:
        """Have the filter's still picture decoded; it arrives in ``instance.stills``."""
        name = instance.settings.character
        self._loader.request(
            StillRequest(
                name,
                find=lambda: self._find_picture(instance, name),
                deliver=instance.stills.put,
                is_wanted=lambda: instance.settings.character == name,
            )
        )

    def request_label(self, instance: AnimatorFilter) -> None:
        """Have the label decoded that says that a picture is animated; it arrives in ``instance.labels``."""
        path = texts.label_picture()
        entry = CharacterEntry(path.name, path.stem, str(path))
        self._loader.request(
            StillRequest(
                path.name,
                find=lambda: entry,
                deliver=instance.labels.put,
                is_wanted=lambda: instance.settings.has_label,
            )
        )

    def _find_picture(self, instance: AnimatorFilter, name: str) -> CharacterEntry | None:
        # Only a listed picture is opened: a scene collection from elsewhere must not name any file of this computer.
        characters = self.characters()
        # Once the worker runs, it says which character is the default.
        default = None if name else character_list.find(characters, instance.default_character)
        return default or character_list.find(characters, name)

    def shown_character(self, instance: AnimatorFilter) -> CharacterEntry | None:
        """Return the character of a filter, None if there is none of that name."""
        return self._find_picture(instance, instance.settings.character)

    def step(self, places: int, instances: Iterable[AnimatorFilter] | None = None) -> None:
        """Give filters the next character that can be shown, in the direction of ``places`` (1 or -1).

        instances: None for every filter.
        """
        characters = self.characters()

        def choose(current: str) -> str:
            entry = character_list.neighbour(characters, current, places)
            return entry.file if entry is not None else current

        self._change_characters(choose, instances)

    def select_number(self, number: int) -> None:
        """Give every filter the character of this number (from 1), unless there is none or it cannot be shown."""
        entry = self.roster.numbered(number)
        if entry is None or entry.problem:
            logger.info("character %d cannot be shown: %s", number, entry.problem if entry else "there is none")
            return
        self.select(entry)

    def select(self, entry: CharacterEntry, instances: Iterable[AnimatorFilter] | None = None) -> None:
        """Give filters a character; instances: None for every filter."""
        self._change_characters(lambda _: entry.file, instances)

    def _change_characters(self, choose: Callable[[str], str], instances: Iterable[AnimatorFilter] | None) -> None:
        for instance in self.filters() if instances is None else instances:
            self._ui_thread.run(partial(self._choose, instance, choose))

    def _choose(self, instance: AnimatorFilter, choose: Callable[[str], str]) -> None:
        instance.obs_source.change_character(choose)
        self._reload_panel(instance)

    def change_settings(self, instance: AnimatorFilter, values: Mapping[str, float | bool | str]) -> None:
        """Set settings of a filter by their keys, each within its range."""
        self._ui_thread.run(partial(self._change_all, instance, lambda source: source.change_settings(values)))

    def reset_settings(self, instance: AnimatorFilter) -> None:
        """Give every setting of a filter but the character its default."""
        self._ui_thread.run(partial(self._change_all, instance, FilterSource.reset_settings))

    def _change_all(self, instance: AnimatorFilter, change: Callable[[FilterSource], None]) -> None:
        change(instance.obs_source)
        if instance.panel.open_count and instance.panel.section is not Section.ADDING:
            # Also while a section with sliders is unfolded: they are wrong now.
            instance.obs_source.reload_panel()

    # --- the panel ---

    def condition(self, instance: AnimatorFilter) -> Condition:
        """Return how a filter is doing; any thread."""
        return Condition(
            problem=self._supervisor.problem,
            notice=self._supervisor.notice,
            status=self._supervisor.statuses.get(instance.filter_id),
            still_problem=instance.still_problem,
            is_hidden=instance.is_hidden,
            folder=self.folder,
        )

    def status_line(self, instance: AnimatorFilter) -> StatusLine:
        """Return the status line of a filter."""
        return describe(self.condition(instance))

    def panel_view(self, instance: AnimatorFilter) -> PanelView:
        """Return the content of a filter's panel, which the caller shows at once."""
        condition = self.condition(instance)
        line, status = describe(condition), condition.status
        instance.panel.note_shown(line)
        settings = instance.obs_source.settings() or instance.settings
        current = self._find_picture(instance, settings.character)
        return PanelView(
            line,
            characters=self.characters(),
            numbers=self.roster.numbers,
            current=current,
            emotes=self.emotes(),
            expressions=self.expressions(instance),
            added=instance.panel.added,
            settings=settings,
            renderer=status.renderer if status is not None else "",
            section=instance.panel.section,
            folder=self.folder,
            is_reset_armed=instance.panel.is_reset_armed,
            microphones=list_microphones(self._lib),
            delay_ms=self._delay_ms(status),
        )

    def delay_sound(self, instance: AnimatorFilter, name: str) -> None:
        """Delay a microphone by as long as a filter's animation takes."""
        delay_ms = self._delay_ms(self.condition(instance).status)
        if delay_ms:
            self._ui_thread.run(partial(self._delay_sound, instance, name, delay_ms))

    def _delay_sound(self, instance: AnimatorFilter, name: str, delay_ms: int) -> None:
        delay_microphone(self._lib, name, delay_ms)
        self._reload_panel(instance)

    def _delay_ms(self, status: FilterStatus | None) -> int:
        """Return the milliseconds from a camera frame to its picture in OBS's next frame, 0 if they are not known."""
        return round(status.latency_ms + 1000 / self._frame_rate()) if status is not None and status.latency_ms else 0

    def _on_change(self, filter_id: str | None) -> None:
        """Follow news of the supervisor, on its thread: the list of characters, a filter's status."""
        if filter_id is None:
            self._refresh_characters()
        for instance in self.filters():
            if filter_id in (None, instance.filter_id):
                self._follow_status(instance)
                if instance.panel.needs_reload(self.status_line(instance)):
                    self._ui_thread.run(partial(self._reload_panel, instance))
                # The frame rate of OBS may have changed; settings that did not change are not sent.
                self.update(instance)
                self.on_news(instance)

    def _follow_status(self, instance: AnimatorFilter) -> None:
        """Note whether the animation has failed, and which character the worker takes as the default."""
        problem, status = self._supervisor.problem, self._supervisor.statuses.get(instance.filter_id)
        state = status.state if status is not None else "loading"
        if state == "error" or (problem is not None and not problem.is_passing):
            instance.has_failed = True
        elif state != "loading":
            # A failure lasts until the filter is animated again.
            instance.has_failed = False
        is_default = status is not None and status.character and not instance.settings.character
        if status is not None and is_default and instance.default_character != status.character:
            instance.default_character = status.character
            self.request_still(instance)

    def _reload_panel(self, instance: AnimatorFilter) -> None:
        if instance.panel.open_count and not instance.panel.section.rests:
            instance.obs_source.reload_panel()

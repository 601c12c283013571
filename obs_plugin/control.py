"""Control from other programs: the requests that they may make, and the events that they get.

A request may come on any thread, the graphics thread included: nothing here waits. A change is handed on as a
hotkey's is, so the answer comes before its effect.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import dataclasses
from typing import Callable, Sequence
from weakref import WeakKeyDictionary

from animator_core.ipc.emote_names import display_name
from animator_core.ipc.face_settings import RANGES
from animator_core.ipc.protocol import BY_FACE, CharacterEntry
from obs_plugin import character_list, request_data
from obs_plugin.filter import AnimatorFilter
from obs_plugin.filter_places import FilterPlaces
from obs_plugin.filter_report import NUMBERS, report
from obs_plugin.request_data import Content, RequestError
from obs_plugin.session import Session
from obs_plugin.wording import sentences

EVENTS = ("StatusChanged", "CharacterChanged", "CharactersChanged")

_OWN = "own"
"""A character's own picture, in place of an expression."""
_STEPS = {"next": 1, "previous": -1}
_MODES = {"on": True, "off": False, "toggle": None}
_FILTER_KINDS = {"source": request_data.TEXT, "filter": request_data.TEXT}
_CHARACTER_KINDS = {"character": request_data.TEXT_OR_COUNT, **_FILTER_KINDS}
_EMOTE_KINDS = {"emote": request_data.TEXT, **_FILTER_KINDS}
_EXPRESSION_KINDS = {"expression": request_data.TEXT, **_FILTER_KINDS}
_MODE_KINDS = {"mode": request_data.choice(_MODES), **_FILTER_KINDS}
_FACE_KINDS = {
    **{key: request_data.number(limits) for key, limits in RANGES.items()},
    "mirror": request_data.FLAG,
    "still_shoulders": request_data.FLAG,
}


class Control:
    """Answers the requests, and tells the events."""

    def __init__(
        self, session: Session, *, ask: Callable[[str], Content], emit: Callable[[str, Content], None]
    ) -> None:
        """ask: returns obs-websocket's own answer to a request, {} if it has none. emit: sends an event."""
        self._session = session
        self._places = FilterPlaces(ask)
        self._emit = emit
        self._told: WeakKeyDictionary[AnimatorFilter, tuple[Content, Content]] = WeakKeyDictionary()
        self.requests: dict[str, Callable[[Content], Content]] = {
            "ListFilters": self._list_filters,
            "ListCharacters": self._list_characters,
            "GetStatus": self._get_status,
            "SetCharacter": self._set_character,
            "SetStrengths": self._set_strengths,
            "Calibrate": self._calibrate,
            "ForgetCalibration": self._forget_calibration,
            "ListEmotes": self._list_emotes,
            "PlayEmote": self._play_emote,
            "ListExpressions": self._list_expressions,
            "SetExpression": self._set_expression,
            "Freeze": self._freeze,
            "Hide": self._hide,
        }
        """The function that answers a request, by its name; each may raise `RequestError`."""

    # --- requests ---

    def _list_filters(self, data: Content) -> Content:
        request_data.check(data, {})
        return self._answer(self._session.filters())

    def _list_characters(self, data: Content) -> Content:
        request_data.check(data, {})
        return {"characters": [self._describe(entry) for entry in self._session.characters()]}

    def _get_status(self, data: Content) -> Content:
        request_data.check(data, _FILTER_KINDS)
        return {
            "filters": [
                {
                    **self._name(instance),
                    **self._character(instance),
                    **report(self._session.condition(instance)),
                    "strengths": dataclasses.asdict(instance.settings.face),
                }
                for instance in self._chosen(data)
            ]
        }

    def _set_character(self, data: Content) -> Content:
        request_data.check(data, _CHARACTER_KINDS)
        if "character" not in data:
            raise RequestError("The request has no key character", f"It takes {request_data.TEXT_OR_COUNT.expected}")
        chosen, wanted = self._chosen(data), data["character"]
        entry = self._find_character(wanted)
        if entry is not None:
            if entry.problem:
                raise RequestError(*self._worded(entry.problem, entry.remedy))
            self._session.select(entry, chosen)
        elif wanted in _STEPS:
            self._session.step(_STEPS[wanted], chosen)
        else:
            raise RequestError(f"There is no character {request_data.shown(wanted)}", "ListCharacters names them all")
        return self._answer(chosen)

    def _set_strengths(self, data: Content) -> Content:
        request_data.check(data, {**_FACE_KINDS, **_FILTER_KINDS})
        values = {key: value for key, value in data.items() if key in _FACE_KINDS}
        if not values:
            raise RequestError("The request sets nothing", f"It takes {', '.join(_FACE_KINDS)}")
        chosen = self._chosen(data)
        for instance in chosen:
            self._session.change_settings(instance, values)
        return self._answer(chosen)

    def _calibrate(self, data: Content) -> Content:
        return self._act(data, "calibrate")

    def _forget_calibration(self, data: Content) -> Content:
        return self._act(data, "forget_calibration")

    def _act(self, data: Content, action: str) -> Content:
        request_data.check(data, _FILTER_KINDS)
        chosen = self._animated(data)
        for instance in chosen:
            self._session.act(instance, action)
        return self._answer(chosen)

    def _list_emotes(self, data: Content) -> Content:
        request_data.check(data, {})
        return {"emotes": [{"emote": name, "name": display_name(name)} for name in self._session.emotes()]}

    def _play_emote(self, data: Content) -> Content:
        request_data.check(data, _EMOTE_KINDS)
        if "emote" not in data:
            raise RequestError("The request has no key emote", f"It takes {request_data.TEXT.expected}")
        wanted = data["emote"].strip().casefold()
        names = {text.casefold(): name for name in self._session.emotes() for text in (display_name(name), name)}
        if wanted not in names:
            raise RequestError(f"There is no emote {request_data.shown(data['emote'])}", "ListEmotes names them all")
        chosen = self._animated(data)
        self._session.play(names[wanted], chosen)
        return self._answer(chosen)

    def _list_expressions(self, data: Content) -> Content:
        request_data.check(data, _FILTER_KINDS)
        return {
            "filters": [
                {
                    **self._name(instance),
                    **self._character(instance),
                    "expression": instance.settings.expression or _OWN,
                    "expressions": [{"expression": each} for each in self._session.expressions(instance)],
                }
                for instance in self._chosen(data)
            ]
        }

    def _set_expression(self, data: Content) -> Content:
        request_data.check(data, _EXPRESSION_KINDS)
        if "expression" not in data:
            raise RequestError("The request has no key expression", f"It takes {request_data.TEXT.expected}")
        chosen, wanted = self._chosen(data), data["expression"].strip().lower()
        if wanted not in (_OWN, BY_FACE):
            able = [instance for instance in chosen if wanted in self._session.expressions(instance)]
            if not able:
                shown = request_data.shown(data["expression"])
                raise RequestError(f"The character has no expression {shown}", "ListExpressions names them all")
            chosen = able
        self._session.express("" if wanted == _OWN else wanted, chosen)
        return self._answer(chosen)

    def _freeze(self, data: Content) -> Content:
        request_data.check(data, _MODE_KINDS)
        chosen = self._animated(data)
        self._session.freeze(chosen, _MODES[data.get("mode", "toggle")])
        return self._answer(chosen)

    def _hide(self, data: Content) -> Content:
        request_data.check(data, _MODE_KINDS)
        chosen = self._chosen(data)
        self._session.hide(chosen, _MODES[data.get("mode", "toggle")])
        return self._answer(chosen)

    # --- events ---

    def tell(self, instance: AnimatorFilter | None) -> None:
        """Send the events for a filter that may have changed, or for the characters that have; any thread but OBS's."""
        if instance is None:
            self._emit("CharactersChanged", self._list_characters({}))
            return
        status = {key: value for key, value in report(self._session.condition(instance)).items() if key not in NUMBERS}
        character = self._character(instance)
        before = self._told.get(instance)
        self._told[instance] = status, character
        if before is None or before[0] != status:
            self._emit("StatusChanged", {**self._name(instance), **status})
        if before is None or before[1] != character:
            self._emit("CharacterChanged", {**self._name(instance), **character})

    # --- filters ---

    def _chosen(self, data: Content) -> list[AnimatorFilter]:
        """Return the filters that a request names, all of them if it names none."""
        filters = self._session.filters()
        if not filters:
            raise RequestError(
                "There is no filter of ours", "Right-click the camera, Filters, + and add Stream Motion Animator"
            )
        wanted = {key: data[key] for key in _FILTER_KINDS if key in data}
        chosen = [instance for instance in filters if wanted.items() <= self._name(instance).items()]
        if not chosen:
            named = " and ".join(f"{key} {request_data.shown(name)}" for key, name in wanted.items())
            raise RequestError(f"There is no filter of ours with {named}", "ListFilters names them all")
        return chosen

    def _animated(self, data: Content) -> list[AnimatorFilter]:
        """Return those of the filters that a request names which are animated at present."""
        chosen = self._chosen(data)
        reports = {instance: report(self._session.condition(instance)) for instance in chosen}
        animated = [instance for instance in chosen if reports[instance]["state"] not in ("starting", "error")]
        if not animated:
            first = reports[chosen[0]]
            raise RequestError(
                first["message"] or "The animation has not started yet", first["remedy"] or "Try again in a few seconds"
            )
        return animated

    def _answer(self, chosen: list[AnimatorFilter]) -> Content:
        return {"filters": [self._name(instance) for instance in chosen]}

    def _name(self, instance: AnimatorFilter) -> Content:
        source = instance.obs_source
        return {"source": self._places.source_of(source), "filter": source.name()}

    # --- characters ---

    def _character(self, instance: AnimatorFilter) -> Content:
        entry = self._session.shown_character(instance)
        file = instance.settings.character if entry is None else entry.file
        return {"character": file, "character_name": "" if entry is None else entry.display_name}

    def _describe(self, entry: CharacterEntry) -> Content:
        numbers = self._session.roster.numbers
        problem, remedy = self._worded(entry.problem, entry.remedy)
        warning, advice = self._worded(entry.warning, entry.advice)
        return {
            "file": entry.file,
            "name": entry.display_name,
            "number": numbers.index(entry.file) + 1 if entry.file in numbers else 0,
            "problem": problem,
            "remedy": remedy,
            "warning": warning,
            "advice": advice,
        }

    def _find_character(self, wanted: str | int) -> CharacterEntry | None:
        """Return the character with this file, name or number; the first one that fits, in this order."""
        characters, text = self._session.characters(), str(wanted)
        names = {} if isinstance(wanted, int) or wanted in _STEPS else _by_name(characters)
        found = character_list.find(characters, text) or names.get(text.strip().casefold())
        if found is None and text.isdecimal() and int(text) > 0:
            return self._session.roster.numbered(int(text))
        return found

    def _worded(self, message: str, remedy: str) -> tuple[str, str]:
        folder = self._session.folder
        return sentences(message, "", folder), sentences("", remedy, folder)


def _by_name(characters: Sequence[CharacterEntry]) -> dict[str, CharacterEntry]:
    """Return the characters by name, without regard to case; of several with one name the first."""
    return {entry.display_name.casefold(): entry for entry in reversed(characters)}

"""Finds the source that has a filter."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from typing import Callable, Iterator
from weakref import WeakKeyDictionary

from obs_plugin.filter_source import FilterSource
from obs_plugin.request_data import Content

_LISTS = (
    ("GetInputList", "inputs", "inputName"),
    ("GetSceneList", "scenes", "sceneName"),
    ("GetGroupList", "groups", ""),
)
"""Requests of obs-websocket, the key of the list in the answer, and that of the name in an entry, if it has keys."""


class FilterPlaces:
    """The names of the sources that have our filters.

    libobs tells a filter's source safely on the graphics thread only; elsewhere it may be freed memory. So each source
    is asked for the filter. obs-websocket names them: functions of libobs that enumerate sources call us back under
    the lock of all sources, for which another thread may wait with the GIL.
    """

    def __init__(self, ask: Callable[[str], Content]) -> None:
        """ask: returns obs-websocket's answer to a request, {} if it has none."""
        self._ask = ask
        self._known: WeakKeyDictionary[FilterSource, str] = WeakKeyDictionary()

    def source_of(self, obs_source: FilterSource) -> str:
        """Return the name of the source that has a filter, "" if it is not found; any thread."""
        name = self._known.get(obs_source, "")
        if not name or not obs_source.is_on(name):
            name = next((each for each in self._names() if obs_source.is_on(each)), "")
            self._known[obs_source] = name
        return name

    def _names(self) -> Iterator[str]:
        for request, key, name_key in _LISTS:
            for entry in self._ask(request).get(key, ()):
                yield entry[name_key] if name_key else entry

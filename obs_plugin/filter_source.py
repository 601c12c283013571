"""A filter's own source in OBS, for threads on which OBS may be destroying it."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import contextlib
import threading
from typing import Callable, Iterator, Mapping

from obs_plugin import properties
from obs_plugin.libobs import LibObs
from obs_plugin.properties import FilterSettings


class FilterSource:
    """A weak reference to a filter's source; after `close`, and once OBS is destroying the source, nothing happens."""

    def __init__(self, lib: LibObs, source: int) -> None:
        self._lib = lib
        # Between the last reference and `destroy` the source's own reference count is freed memory; this one is not.
        self._weak: int = lib.obs_source_get_weak_source(source)
        self._is_closed = False
        # Held for moments only, and never during a libobs function that could wait.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Release the reference."""
        with self._lock:
            self._is_closed = True
        self._lib.obs_weak_source_release(self._weak)

    def settings(self) -> FilterSettings | None:
        """Return the settings, of which the filter itself hears one tick later; None without a source."""
        with self._settings() as (source, data):
            return properties.read_settings(self._lib, data) if source else None

    def change_character(self, choose: Callable[[str], str]) -> None:
        """Set the character that ``choose`` makes of the present one; user interface thread only."""
        with self._settings() as (source, data):
            if source:
                # OBS hands changed settings to the filter one tick late; a quick second press must build on the first.
                name = choose(properties.read_settings(self._lib, data).character)
                self._lib.obs_data_set_string(data, b"character", name.encode())
                self._lib.obs_source_update(source, None)

    def change_settings(self, values: Mapping[str, float | bool | str]) -> None:
        """Set settings by their keys, each within its range; user interface thread only."""
        with self._settings() as (source, data):
            if source:
                for key, value in values.items():
                    if isinstance(value, str):
                        self._lib.obs_data_set_string(data, key.encode(), value.encode())
                    elif isinstance(value, bool):
                        self._lib.obs_data_set_bool(data, key.encode(), value)
                    else:
                        self._lib.obs_data_set_double(data, key.encode(), value)
                self._lib.obs_source_update(source, None)

    def reset_settings(self) -> None:
        """Give every setting but the character its default; user interface thread only."""
        with self._settings() as (source, data):
            if source:
                properties.reset(self._lib, data)
                self._lib.obs_source_update(source, None)

    def name(self) -> str:
        """Return the name of the filter, "" without a source; any thread."""
        with self._reference() as source:
            return self._name(source).decode("utf-8", "replace") if source else ""

    def is_on(self, parent_name: str) -> bool:
        """Return whether the source of this name has the filter; any thread."""
        lib = self._lib
        with self._reference() as source:
            parent = lib.obs_get_source_by_name(parent_name.encode("utf-8", "replace")) if source else 0
            if not parent:
                return False
            found = lib.obs_source_get_filter_by_name(parent, self._name(source))
            for each in (found, parent):
                if each:
                    lib.obs_source_release(each)
            return bool(found == source)

    def _name(self, source: int) -> bytes:
        # libobs keeps all former names as long as the source lives.
        return self._lib.obs_source_get_name(source) or b""

    def keep_frame_size(self, size: tuple[int, int]) -> None:
        """Save the camera's size in the settings; user interface thread only."""
        with self._settings() as (source, data):
            if source:
                properties.write_frame_size(self._lib, data, size)

    def reload_panel(self) -> None:
        """Have OBS make an open panel anew; user interface thread only."""
        with self._reference() as source:
            if source:
                self._lib.obs_source_update_properties(source)

    @contextlib.contextmanager
    def _settings(self) -> Iterator[tuple[int, int]]:
        """Yield the source and its ``obs_data_t``, both 0 without a source."""
        with self._reference() as source:
            data = self._lib.obs_source_get_settings(source) if source else 0
            try:
                yield source, data
            finally:
                if source:
                    self._lib.obs_data_release(data)

    @contextlib.contextmanager
    def _reference(self) -> Iterator[int]:
        """Yield the source, or 0."""
        with self._lock:
            # The weak reference is released after the lock was taken to close, so it is valid here.
            source = 0 if self._is_closed else self._lib.obs_weak_source_get_source(self._weak) or 0
        try:
            yield source
        finally:
            if source:
                self._lib.obs_source_release(source)

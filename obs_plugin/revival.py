"""Replaces filters that OBS loaded before this script registered their type.

OBS keeps a source of an unknown type with its settings, but never calls it: the camera stays visible through such a
filter. It cannot be given its type later, so each one is replaced by a new filter with the same data and place.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
from contextlib import ExitStack
from typing import Iterator

from obs_plugin import libobs
from obs_plugin.libobs import LibObs
from obs_plugin.texts import text

logger = logging.getLogger(__name__)

_LONGEST_CHAIN = 256


def revive(lib: LibObs, type_id: bytes) -> None:
    """Replace every dead filter of ``type_id``, and log each; user interface thread only."""
    with ExitStack() as owned:
        _Revival(lib, type_id, owned).run()


class _Revival:
    """One search; every handle from libobs is released when ``owned`` closes.

    Dead filters are found by saving the sources: unlike every function that enumerates sources, saving calls nothing of
    ours while it holds the lock of all sources, so it cannot deadlock with a thread that has the GIL and wants that
    lock.
    """

    def __init__(self, lib: LibObs, type_id: bytes, owned: ExitStack) -> None:
        self._lib = lib
        self._type_id = type_id
        self._owned = owned

    def run(self) -> None:
        for data in self._items(self._own_array(self._lib.obs_save_sources())):
            self._revive_in(self._find_source(data, b"uuid"), data)
        # Nobody saves the copies of scenes and sources that studio mode has on program.
        scene = self._program_scene()
        data = self._save(scene)
        self._revive_in(scene, data)
        settings = self._own_data(self._lib.obs_data_get_obj(data, b"settings")) if data else 0
        for item in self._items(self._array(settings, b"items")):
            source = self._find_source(item, b"source_uuid")
            self._revive_in(source, self._save(source))

    def _revive_in(self, source: int, data: int) -> None:
        """Replace a source's dead filters; data: the source as saved."""
        for saved in self._items(self._array(data, b"filters")) if source else ():
            if self._text(saved, b"id") == self._type_id:
                self._replace(source, self._text(data, b"name"), saved)

    def _replace(self, parent: int, parent_name: bytes, saved: int) -> None:
        """Replace one saved filter if it is dead."""
        lib, name = self._lib, self._text(saved, b"name")
        dead = self._own_source(lib.obs_source_get_filter_by_name(parent, name))
        if not dead or lib.obs_obj_get_data(dead):
            return
        place = f"“{name.decode('utf-8', 'replace')}” on “{parent_name.decode('utf-8', 'replace')}”"
        revived = self._own_source(lib.obs_load_source(saved))
        if not revived or not lib.obs_obj_get_data(revived):
            logger.error("%s", text("Log.NotRevived", place=place))
            return
        lib.obs_source_filter_add(parent, revived)
        self._move_beside(parent, revived, dead)
        lib.obs_source_filter_remove(parent, dead)
        # An error raises OBS's log window: viewers may have seen the camera.
        logger.error("%s", text("Log.Revived", place=place))

    def _move_beside(self, parent: int, revived: int, dead: int) -> None:
        """Move a filter from the end of the chain, where OBS adds it, to the dead one."""
        lib = self._lib
        for _ in range(_LONGEST_CHAIN):
            # A step may pass the dead one, as it goes beyond filters of sound.
            if dead == lib.obs_filter_get_target(revived) or revived == lib.obs_filter_get_target(dead):
                return
            lib.obs_source_filter_set_order(parent, revived, libobs.ORDER_MOVE_UP)

    def _find_source(self, data: int, uuid_key: bytes) -> int:
        """Return a saved source, or 0; by UUID from OBS 30 on, as copies and canvases share names."""
        uuid = self._text(data, uuid_key)
        if uuid and self._lib.obs_get_source_by_uuid is not None:
            return self._own_source(self._lib.obs_get_source_by_uuid(uuid))
        return self._own_source(self._lib.obs_get_source_by_name(self._text(data, b"name")))

    def _program_scene(self) -> int:
        """Return the scene on program, or 0."""
        shown = self._own_source(self._lib.obs_get_output_source(0))
        if not shown or self._lib.obs_source_get_type(shown) != libobs.SOURCE_TYPE_TRANSITION:
            return 0
        return self._own_source(self._lib.obs_transition_get_active_source(shown))

    def _save(self, source: int) -> int:
        return self._own_data(self._lib.obs_save_source(source)) if source else 0

    # --- data; every function accepts 0 ---

    def _text(self, data: int, key: bytes) -> bytes:
        return self._lib.obs_data_get_string(data, key) or b""

    def _array(self, data: int, key: bytes) -> int:
        return self._own_array(self._lib.obs_data_get_array(data, key)) if data else 0

    def _items(self, array: int) -> Iterator[int]:
        for index in range(self._lib.obs_data_array_count(array) if array else 0):
            yield self._own_data(self._lib.obs_data_array_item(array, index))

    def _own_source(self, handle: int | None) -> int:
        return self._own(handle, "obs_source_release")

    def _own_data(self, handle: int | None) -> int:
        return self._own(handle, "obs_data_release")

    def _own_array(self, handle: int | None) -> int:
        return self._own(handle, "obs_data_array_release")

    def _own(self, handle: int | None, release: str) -> int:
        if handle:
            self._owned.callback(getattr(self._lib, release), handle)
        return handle or 0

"""Brings filters back to life that OBS loaded before this script registered their type.

OBS keeps a source of an unknown type with its settings, but never calls it: the camera stays visible through such a
filter. It cannot be given its type later, so each one is replaced by a new filter with the same data and place.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import Iterator

from obs_plugin import libobs
from obs_plugin.libobs import LibObs

logger = logging.getLogger(__name__)

_LONGEST_CHAIN = 256


def revive(lib: LibObs, type_id: bytes) -> int:
    """Replace every dead filter of ``type_id`` and return how many there were; user interface thread only.

    Saving is how the dead ones are found: unlike every function that enumerates sources, it calls nothing of ours
    while it holds the lock of all sources, so it cannot deadlock with a thread that has the GIL and wants that lock.
    """
    count = 0
    with _owned(lib, lib.obs_save_sources(), "obs_data_array_release") as sources:
        for data in _items(lib, sources):
            with _owned(lib, lib.obs_data_get_array(data, b"filters"), "obs_data_array_release") as filters:
                for filter_data in _items(lib, filters):
                    if lib.obs_data_get_string(filter_data, b"id") == type_id:
                        count += _replace(lib, data, filter_data)
    return count


def _replace(lib: LibObs, parent_data: int, filter_data: int) -> bool:
    """Replace one saved filter if it is dead; return whether it was."""
    name = lib.obs_data_get_string(filter_data, b"name")
    with _owned(lib, _find_source(lib, parent_data), "obs_source_release") as parent:
        if not parent:
            return False
        with _owned(lib, lib.obs_source_get_filter_by_name(parent, name), "obs_source_release") as dead:
            if not dead or lib.obs_obj_get_data(dead):
                return False
            with _owned(lib, lib.obs_load_source(filter_data), "obs_source_release") as revived:
                place = f"“{_text(name)}” on “{_text(lib.obs_data_get_string(parent_data, b'name'))}”"
                if not revived or not lib.obs_obj_get_data(revived):
                    logger.error("The filter %s does not work: OBS shows the camera. Remove it and add it again", place)
                    return True
                lib.obs_source_filter_add(parent, revived)
                _move_beside(lib, parent, revived, dead)
                lib.obs_source_filter_remove(parent, dead)
    logger.warning(
        "The filter %s was loaded before this script: OBS showed the camera until now. It works again", place
    )
    return True


def _move_beside(lib: LibObs, parent: int, revived: int, dead: int) -> None:
    """Move a filter from the end of the chain, where OBS adds it, to the dead one."""
    for _ in range(_LONGEST_CHAIN):
        # A step may pass the dead one, as it goes beyond filters of sound.
        if dead == lib.obs_filter_get_target(revived) or revived == lib.obs_filter_get_target(dead):
            return
        lib.obs_source_filter_set_order(parent, revived, libobs.ORDER_MOVE_UP)


def _find_source(lib: LibObs, data: int) -> int:
    """Return a saved source, to be released, or 0; names are unique only up to OBS 31, which has canvases."""
    uuid = lib.obs_data_get_string(data, b"uuid")
    if uuid and lib.obs_get_source_by_uuid is not None:
        return lib.obs_get_source_by_uuid(uuid) or 0
    return lib.obs_get_source_by_name(lib.obs_data_get_string(data, b"name")) or 0


@contextmanager
def _owned(lib: LibObs, handle: int | None, release: str) -> Iterator[int]:
    try:
        yield handle or 0
    finally:
        if handle:
            getattr(lib, release)(handle)


def _items(lib: LibObs, array: int) -> Iterator[int]:
    for index in range(lib.obs_data_array_count(array) if array else 0):
        with _owned(lib, lib.obs_data_array_item(array, index), "obs_data_release") as item:
            yield item


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")

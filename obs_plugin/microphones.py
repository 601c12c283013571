"""The microphones of OBS, and by how much their sound is delayed."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from typing import Iterator, NamedTuple

from obs_plugin.libobs import LibObs

_CHANNELS = range(3, 7)
"""OBS's channels of Mic/Auxiliary Audio 1 to 4; those before are the desktop's sound."""
_NS_PER_MS = 1_000_000


class Microphone(NamedTuple):
    """The name of an audio source, and its sync offset in milliseconds."""

    name: str
    delay_ms: int


def list_microphones(lib: LibObs) -> tuple[Microphone, ...]:
    """Return the microphones of Settings → Audio; those that are sources of scenes are not among them.

    Functions of libobs that enumerate sources call back under a lock for which another thread may wait with the GIL.
    """
    found = {name: int(lib.obs_source_get_sync_offset(source)) for source, name in _sources(lib)}
    return tuple(Microphone(name, round(offset / _NS_PER_MS)) for name, offset in found.items())


def delay_microphone(lib: LibObs, name: str, delay_ms: int) -> None:
    """Set the sync offset of the microphone of this name, if it is still there; user interface thread only."""
    for source, each in _sources(lib):
        if each == name:
            lib.obs_source_set_sync_offset(source, delay_ms * _NS_PER_MS)


def _sources(lib: LibObs) -> Iterator[tuple[int, str]]:
    for channel in _CHANNELS:
        source = lib.obs_get_output_source(channel)
        if source:
            try:
                yield source, (lib.obs_source_get_name(source) or b"").decode("utf-8", "replace")
            finally:
                lib.obs_source_release(source)

"""The networks, and the bases of all characters, that the anime renderers of a process share."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

from animator_core.anime.basis import MotionBasis
from animator_core.anime.basis_parts import BasisParts
from animator_core.anime.building import BasisBuilder
from animator_core.anime.continuation import continued
from animator_core.anime.execution import accelerated
from animator_core.anime.network_picture import network_picture
from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.anime.networks.weights import load_networks
from animator_core.anime.placing import Fit, find_place
from animator_core.anime.store import FIT_FOLDER, BasisStore, FitStore, basis_key
from animator_core.characters.character import Character
from animator_core.errors import AnimatorError, ModelError, described, first_line
from animator_core.lru import LruCache
from animator_core.thread_priority import lower_thread_priority

logger = logging.getLogger(__name__)

_KEPT_CHARACTERS = 8
_LOOK_SECONDS = 0.05
_KEEP_SECONDS = 20.0
"""How often an unfinished basis is written to disk."""
_NICENESS = 10
_REMEDY = "use the warp renderer, and report this if it stays"


@dataclass(eq=False)
class CharacterBasis:
    """A character's way to its basis; written by the thread that computes, read by any.

    fit: None before the head was searched. basis: None before the coarse one; the fine one replaces it. progress: of
    the basis, 0 to 1. error: why nothing more is computed. is_forced: whether the basis is wanted even if the warp
    suits the character better.
    """

    character: Character
    fit: Fit | None = None
    basis: MotionBasis | None = None
    progress: float = 0.0
    error: AnimatorError | None = None
    is_forced: bool = False

    @property
    def may_have_basis(self) -> bool:
        """Whether there is or will be a basis, as far as it is known."""
        return self.fit is None or (self.fit.fits and (self.is_forced or self.fit.prefers_anime))

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to compute."""
        return self.error is not None or self.progress >= 1 or not self.may_have_basis


class AnimeEngine:
    """Finds heads and computes bases in a thread of its own, of low priority, the wanted character first.

    weights_dir: has the checkpoints of the networks, which are loaded when they are needed. cache_dir: keeps bases and
    places; None keeps none. device: PyTorch's.
    """

    def __init__(self, weights_dir: Path, cache_dir: Path | None = None, device: str = "cpu") -> None:
        self.device = device
        self._weights_dir, self._cache_dir = weights_dir, cache_dir
        self._store = BasisStore(cache_dir / "anime-basis") if cache_dir else None
        self._fits = FitStore(cache_dir / FIT_FOLDER) if cache_dir else None
        self._networks: AnimeNetworks | None = None
        self._known: LruCache[str, CharacterBasis] = LruCache(_KEPT_CHARACTERS)
        self._wanted: list[CharacterBasis] = []
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._thread: threading.Thread | None = None
        self._users = 0

    @property
    def device_name(self) -> str:
        """The device's name for the status line."""
        return "CPU" if self.device == "cpu" else self.device.upper()

    @property
    def networks(self) -> AnimeNetworks:
        """The networks, loaded by the first use; raises WeightsError or ModelError."""
        with self._loading:
            if self._networks is None:
                self._networks = self._load_networks()
            return self._networks

    def basis_of(self, character: Character) -> CharacterBasis:
        """Return what is known of a character, with all that lies on disk."""
        return self._known.get_or_make(character.content_hash, lambda: self._from_disk(character))

    def want(self, state: CharacterBasis) -> None:
        """Have a character's basis computed in the background, before those that were wanted earlier."""
        if state.is_finished:
            return
        with self._lock:
            if state in self._wanted:
                self._wanted.remove(state)
            self._wanted.append(state)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="motion basis")
                self._thread.start()

    def find_head(self, state: CharacterBasis) -> Fit:
        """Return the fit of a character, searched for if it is not known; raises AnimatorError."""
        if state.fit is None:

            def find() -> Fit:
                return find_place(state.character, self.networks)

            state.fit = self._fits.get_or_find(state.character, find) if self._fits else find()
        return state.fit

    def finish(self, state: CharacterBasis, report: Callable[[float], None]) -> None:
        """Wait for a basis; report: called with the progress. Raises AnimatorError if it cannot be computed."""
        self.want(state)
        while not state.is_finished:
            if not self._is_wanted(state):
                raise ModelError(f"no renderer waits for the motion basis of {state.character.name} any more")
            report(state.progress)
            time.sleep(_LOOK_SECONDS)
        report(1.0)
        if state.error is not None:
            raise state.error.without_traceback()

    def acquire(self) -> None:
        """Note one renderer more."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Note one renderer less; without any, nothing more is computed."""
        with self._lock:
            self._users -= 1
            if self._users <= 0:
                self._wanted.clear()

    def _load_networks(self) -> AnimeNetworks:
        try:
            networks = load_networks(self._weights_dir, self._cache_dir).to(self.device)
        except RuntimeError as exc:
            problem = f"the anime networks cannot be loaded onto {self.device} ({first_line(exc, 160)})"
            raise ModelError(problem, _REMEDY) from exc
        return accelerated(networks) if self.device == "cpu" else networks

    def _run(self) -> None:
        lower_thread_priority(_NICENESS)
        while (state := self._next()) is not None:
            for _ in self._steps(state):
                if not self._is_wanted_most(state):
                    break

    def _next(self) -> CharacterBasis | None:
        """Return the state that is wanted most, None to end the thread."""
        with self._lock:
            while self._wanted and self._wanted[-1].is_finished:
                self._wanted.pop()
            if not self._wanted or not threading.main_thread().is_alive():
                self._thread = None
                return None
            return self._wanted[-1]

    def _is_wanted(self, state: CharacterBasis) -> bool:
        with self._lock:
            return state in self._wanted or state.is_finished

    def _is_wanted_most(self, state: CharacterBasis) -> bool:
        # Python waits for this thread before it ends: torch does not survive being left in the middle of its work.
        is_ending = not threading.main_thread().is_alive()
        with self._lock:
            return bool(self._wanted) and self._wanted[-1] is state and not is_ending

    def _from_disk(self, character: Character) -> CharacterBasis:
        state = CharacterBasis(character)
        state.fit = self._fits.get(character) if self._fits else None
        if state.fit is not None and self._store is not None:
            state.basis = self._store.get(_key(state.fit))
            state.progress = 1.0 if state.basis is not None else 0.0
        return state

    def _steps(self, state: CharacterBasis) -> Iterator[None]:
        """Compute part by part; whoever stops between two of them finds the work kept on disk."""
        try:
            yield from self._parts(state)
        except AnimatorError as exc:
            state.error = exc.without_traceback()
        except Exception as exc:
            # A boundary: whatever a library raises, the character goes on with another renderer.
            logger.exception("the motion basis of %s cannot be computed", state.character.name)
            reason = f"the motion basis of {state.character.name} cannot be computed ({described(exc)})"
            state.error = ModelError(reason, _REMEDY)

    def _parts(self, state: CharacterBasis) -> Iterator[None]:
        fit = self.find_head(state)
        yield
        if state.is_finished:
            return
        key = _key(fit)
        state.basis = self._store.get(key) if self._store else None
        if state.basis is not None:
            state.progress = 1.0
            return
        parts = (self._store.get_parts(key) if self._store else None) or BasisParts()
        state.basis = parts.basis()
        try:
            yield from self._computed(state, parts)
        finally:
            if self._store and not parts.is_complete and parts.regions is not None:
                self._store.put_parts(key, parts)
        state.basis = basis = parts.basis()
        if self._store and basis is not None:
            self._store.put(key, basis)
        # Last: whoever waits for it takes the fine basis, and may end the process.
        state.progress = 1.0

    def _computed(self, state: CharacterBasis, parts: BasisParts) -> Iterator[None]:
        fit = state.fit
        assert fit is not None
        picture = network_picture(*continued(fit.picture, fit.place))
        kept_at = time.monotonic()
        for _ in parts.advance(lambda: BasisBuilder(self.networks, picture)):
            if parts.is_complete:
                return
            if state.basis is None:
                state.basis = parts.basis()
            state.progress = parts.progress
            if self._store and time.monotonic() - kept_at > _KEEP_SECONDS:
                self._store.put_parts(_key(fit), parts)
                kept_at = time.monotonic()
            yield


def _key(fit: Fit) -> str:
    digest = hashlib.sha256(repr(fit.picture.shape).encode())
    digest.update(np.ascontiguousarray(fit.picture).data)
    return basis_key(digest.hexdigest(), fit.place)

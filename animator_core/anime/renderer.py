"""The renderer of anime characters: parameters → picture, by the motion basis; `driver.py` makes the parameters."""

from __future__ import annotations

from typing import Callable, Protocol

import numpy as np

from animator_core.anime import parameters
from animator_core.anime.basis import MotionBasis
from animator_core.anime.driver import AnimeDriver
from animator_core.anime.engine import AnimeEngine, CharacterBasis
from animator_core.anime.live_networks import NetworkPlayer
from animator_core.anime.player import BasisPlayer
from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.errors import AnimatorError, CharacterError
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Placement
from animator_core.rendering.srgb import premultiplied_bgra

_REMEDY = "show the place of its head with `prepare --pick`, or choose the warp renderer"


class _Player(Protocol):
    """Draws a character at (45,) parameters."""

    steps: FloatArray
    """(45,) float32, the change of each parameter that nobody sees."""

    def draw(self, pose: FloatArray) -> UInt8Array: ...


class AnimeRenderer:
    """Draws a character from its basis, see `rendering.contract.Renderer`; before there is one, the still picture.

    live_networks: run the networks for every frame instead. is_forced: whether characters get a basis even if the warp
    suits them better; otherwise only those whose description asks for it.
    """

    name = "anime"

    def __init__(self, engine: AnimeEngine, *, live_networks: bool = False, is_forced: bool = False) -> None:
        self._engine = engine
        self._is_live, self._is_forced = live_networks, is_forced
        self._is_closed = False
        self._state: CharacterBasis | None = None
        self._player: _Player | None = None
        self._played: object = None
        self._still: UInt8Array | None = None
        engine.acquire()

    @property
    def device(self) -> str:
        """Where the networks run for every frame, or else the basis is played."""
        return self._engine.device_name if self._is_live else "CPU"

    @property
    def note(self) -> AnimatorError | None:
        """The reason why the character cannot be animated, None if it can be or soon will be."""
        state = self._state
        if state is None:
            return None
        if state.error is not None:
            return state.error
        if state.fit is None or state.fit.fits:
            return None
        return CharacterError(
            f"{state.character.name} is not animated as an anime character: {state.fit.reason}", _REMEDY
        )

    @property
    def progress(self) -> float | None:
        """The share of the character's basis that is computed, 0 to 1; None if there will be none."""
        state = self._state
        if state is None or state.error is not None or self._is_live or state.fit is None or not state.may_have_basis:
            return None
        return state.progress

    @property
    def is_computing(self) -> bool:
        """Whether the head is searched, or the basis computed."""
        state = self._state
        return state is not None and not state.is_finished and not (self._is_live and state.fit is not None)

    @property
    def is_ready(self) -> bool:
        """Whether the character that is set can be animated now."""
        state = self._state
        if state is None or state.fit is None or not state.fit.fits:
            return False
        # A coarse basis remains one if the fine one fails.
        return state.basis is not None or (self._is_live and state.error is None)

    @property
    def prefers_anime(self) -> bool:
        """Whether the character that is set is moved better by the networks than by a warp, as far as it is known."""
        return self._state is not None and self._state.fit is not None and self._state.fit.prefers_anime

    def create_driver(self, estimator: MotionEstimator) -> AnimeDriver:
        """Return a driver for the person that ``estimator`` follows."""
        return AnimeDriver(self, estimator)

    def prepare(self, character: Character) -> None:
        """Read all that is known of a character from disk."""
        self._engine.basis_of(character)

    def find_head(self, character: Character) -> bool:
        """Return whether the networks can animate a character; may take 20 s. Raises AnimatorError."""
        return self._engine.find_head(self._engine.basis_of(character)).fits

    def set_character(self, character: Character) -> None:
        """Draw ``character`` from now on, and have its basis computed if it is not there."""
        self._state = self._engine.basis_of(character)
        self._state.is_forced |= self._is_forced or character.renderer == self.name
        self._player = self._played = None
        self._still = None
        if not self._is_live or self._state.fit is None:
            self._engine.want(self._state)

    def settled(self, report: Callable[[float], None]) -> AnimeRenderer:
        """Return itself with the basis of the character that is set computed; raises AnimatorError if it cannot be."""
        if self._state is not None and not self._is_live:
            self._engine.finish(self._state, report)
        return self

    def place(self, parameters: FloatArray, captured_ns: int) -> Placement:
        """Return the character at parameters, (45,) float32, to be drawn; raises CharacterError if none is set."""
        player = self._present_player()
        steps = player.steps if player is not None else _NEVER
        return Placement(parameters / steps, parameters, captured_ns)

    def draw(self, placement: Placement) -> UInt8Array:
        """Return the character: (H, W, 4) uint8 BGRA, premultiplied; reused by the next call."""
        player = self._present_player()
        if player is not None:
            return player.draw(placement.content)
        if self._still is None:
            assert self._state is not None
            self._still = premultiplied_bgra(self._state.character.picture)
        return self._still

    def warm_up(self) -> None:
        """Draw a frame; see `Renderer.warm_up`."""
        self.draw(self.place(parameters.pose(), 0))

    def close(self) -> None:
        """Let go of the character; without any renderer, nothing more is computed."""
        if not self._is_closed:
            self._is_closed = True
            self._engine.release()
        self._state = self._player = self._played = self._still = None

    def _present_player(self) -> _Player | None:
        """Return the player of the finest basis that is there, None before any."""
        state = self._state
        if state is None:
            raise CharacterError("no character is set", "choose one")
        fit = state.fit
        if fit is None or not self.is_ready:
            return None
        source = self._engine if self._is_live else state.basis
        if self._played is not source:
            if self._is_live:
                self._player = NetworkPlayer(self._engine.networks, fit.picture, fit.place)
            elif isinstance(self._player, BasisPlayer) and isinstance(source, MotionBasis):
                self._player.refine(source)
            elif isinstance(source, MotionBasis):
                self._player = BasisPlayer(source, fit.picture, fit.place)
            self._played = source
        return self._player


_NEVER = np.full(len(parameters.NAMES), 1e9, np.float32)
"""Steps of the still picture, which looks the same at all parameters."""

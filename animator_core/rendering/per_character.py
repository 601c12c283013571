"""Draws each character by the renderer that suits it: anime characters by their basis, others as before."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Callable, Protocol

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.errors import AnimatorError, ModelError
from animator_core.ipc.face_settings import FaceSettings
from animator_core.lru import LruCache
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Driver, Placement, Renderer
from animator_core.tracking.observation import TrackedFrame

logger = logging.getLogger(__name__)

_KNOWN_CHARACTERS = 64
_PROGRESS_STEP = 5
"""Percent: the status is not news at each of them."""


class BasisRenderer(Renderer, Protocol):
    """A renderer whose characters take a while to be computed in the background; `anime.renderer` has one."""

    @property
    def is_ready(self) -> bool:
        """Whether the character that is set can be animated now."""
        ...

    @property
    def prefers_anime(self) -> bool:
        """Whether the character that is set is moved better by it, as far as it is known."""
        ...

    @property
    def progress(self) -> float | None:
        """The share of the character that is computed, 0 to 1; None if it will not be."""
        ...

    def find_head(self, character: Character) -> bool:
        """Return whether it can animate a character."""
        ...


class PerCharacterRenderer:
    """Draws by ``anime`` the characters that suit it, as soon as they are computed; all else by ``usual``.

    warp: for characters whose description asks for it; may be ``usual`` itself. make_anime: called for the
    first character that may suit it. may_suit: a quick look that spares photographs the networks.
    is_forced: whether every character is drawn by ``anime`` if it can be, unless its description says otherwise.
    """

    def __init__(
        self,
        usual: Renderer,
        make_anime: Callable[[], BasisRenderer],
        *,
        warp: Renderer,
        may_suit: Callable[[Character], bool],
        is_forced: bool = False,
    ) -> None:
        self._usual, self._warp = usual, warp
        self._make_anime, self._may_suit = make_anime, may_suit
        self._is_forced = is_forced
        self._suits: LruCache[str, bool] = LruCache(_KNOWN_CHARACTERS)
        self._anime: BasisRenderer | None = None
        self._anime_error: AnimatorError | None = None
        """Why ``make_anime`` failed; it is not called again."""
        self._character: Character | None = None
        self._other: Renderer | None = usual
        """Draws until the basis is there, or altogether; None for a character without a face that it would need."""
        self._is_candidate = False

    @property
    def active(self) -> Renderer:
        """The renderer that draws the next frame."""
        anime = self._anime
        if anime is None or not self._is_candidate:
            return self._other or self._usual
        if self._other is None or (self._wants_anime(anime) and anime.is_ready):
            return anime
        return self._other

    @property
    def name(self) -> str:
        """Of the renderer that draws."""
        return self.active.name

    @property
    def device(self) -> str:
        """Of the renderer that draws, and the progress of a basis that is being computed."""
        device, anime = self.active.device, self._anime
        progress = anime.progress if anime is not None and self._is_candidate and self._wants_anime(anime) else None
        if progress is None or progress >= 1:
            return device
        percent = int(progress * 100) // _PROGRESS_STEP * _PROGRESS_STEP
        return f"{device}, motion basis {percent} %"

    @property
    def is_computing(self) -> bool:
        """Whether the character's basis is computed."""
        return self._anime is not None and self._is_candidate and self._anime.is_computing

    @property
    def note(self) -> AnimatorError | None:
        """Why it is not the renderer that could be expected; None if it is."""
        reason: AnimatorError | None = None
        if self._must_be_anime():
            anime = self._anime
            reason = anime.note if anime is not None and self._is_candidate else self._anime_error
        elif self._character is not None and self._character.renderer == "liveportrait" != self._usual.name:
            problem = f"{self._character.name} asks for LivePortrait, but the {self._usual.name} renderer draws"
            reason = AnimatorError(problem, "choose liveportrait to have it, or to be told what it lacks")
        return reason or self._usual.note

    def create_driver(self, estimator: MotionEstimator) -> PerCharacterDriver:
        """Return a driver for the person that ``estimator`` follows."""
        return PerCharacterDriver(self, estimator)

    def prepare(self, character: Character) -> None:
        """Prepare ``character`` for the renderers that may draw it; raises CharacterError if none can."""
        anime = self._anime_for(character)
        if anime is not None:
            anime.prepare(character)
            if character.landmarks is None and anime.find_head(character):
                return
        self._without_anime(character).prepare(character)

    def set_character(self, character: Character) -> None:
        """Draw ``character`` from now on; raises CharacterError if it cannot be drawn."""
        anime = self._anime_for(character)
        other: Renderer | None = self._without_anime(character)
        if anime is not None and character.landmarks is None and anime.find_head(character):
            other = None
        if other is not None:
            other.set_character(character)
        if anime is not None:
            anime.set_character(character)
        self._character, self._other, self._is_candidate = character, other, anime is not None

    def settled(self, report: Callable[[float], None]) -> Renderer:
        """Return the renderer of the character that is set, with its basis computed; raises AnimatorError."""
        anime, character = self._anime, self._character
        if anime is None or character is None or not self._is_candidate:
            return self.active
        try:
            if anime.find_head(character) and self._wants_anime(anime):
                anime.settled(report)
        except ModelError as exc:
            if self._must_be_anime() or self._other is None:
                raise
            logger.warning("%s", exc)
        return self.active

    def draw(self, placement: Placement) -> UInt8Array:
        """Return the character as placed by the driver: (H, W, 4) uint8 BGRA; see `Renderer.draw`."""
        renderer, inner = placement.content
        return renderer.draw(inner)  # type: ignore[no-any-return]

    def warm_up(self) -> None:
        """Warm up the renderer that draws now."""
        self.active.warm_up()

    def close(self) -> None:
        """Free all of them."""
        self._character, self._is_candidate = None, False
        for renderer in self.parts:
            renderer.close()

    @property
    def parts(self) -> tuple[Renderer, ...]:
        """All renderers, each once."""
        made = (self._usual, self._warp, *(() if self._anime is None else (self._anime,)))
        return tuple({id(each): each for each in made}.values())

    def _anime_for(self, character: Character) -> BasisRenderer | None:
        """Return the renderer of anime characters if it may draw this one."""
        if not self._may_be_anime(character):
            return None
        if self._anime is None and self._anime_error is None:
            try:
                self._anime = self._make_anime()
            except ModelError as exc:
                logger.warning("%s", exc)
                self._anime_error = exc.without_traceback()
        return self._anime

    def _without_anime(self, character: Character) -> Renderer:
        return self._warp if character.renderer == "warp" else self._usual

    def _may_be_anime(self, character: Character) -> bool:
        asked = character.renderer
        if asked != "auto" or self._is_forced:
            return asked in ("anime", "auto")
        return self._suits.get_or_make(character.content_hash, lambda: self._may_suit(character))

    def _must_be_anime(self) -> bool:
        asked = self._character.renderer if self._character is not None else "auto"
        return asked == "anime" or (self._is_forced and asked == "auto")

    def _wants_anime(self, anime: BasisRenderer) -> bool:
        return self._must_be_anime() or anime.prefers_anime


class PerCharacterDriver:
    """The drivers of all renderers for one person; the one of the renderer that draws is asked."""

    def __init__(self, renderer: PerCharacterRenderer, estimator: MotionEstimator) -> None:
        self._renderer, self._estimator = renderer, estimator
        self._settings = estimator.settings
        self._drivers: dict[int, Driver] = {}
        self._active = renderer.active
        self._known: dict[str, FloatArray] = {}
        self._found: Mapping[str, FloatArray] = {}
        self._merged: Mapping[str, FloatArray] = {}

    @property
    def neutral(self) -> Mapping[str, FloatArray]:
        """The person's neutral pose of every kind of renderer that drew so far."""
        found = self._present().neutral
        if found is not self._found:
            self._found = found
            self._merged = self._known = {**self._known, **found} if found else {}
        return self._merged

    def set_neutral(self, arrays: Mapping[str, FloatArray]) -> None:
        """Take the parts that single renderers know."""
        self._known = dict(arrays)
        self._present().set_neutral(arrays)

    def set_settings(self, settings: FaceSettings) -> None:
        """Take other settings."""
        self._settings = settings
        self._present().set_settings(settings)

    def calibrate(self) -> None:
        """Make the present moment the neutral pose."""
        self._present().calibrate()

    def forget_neutral(self) -> None:
        """Estimate the neutral pose anew."""
        self._present().forget_neutral()

    def calibrate_from(self, faces: Iterable[TrackedFrame]) -> None:
        """Find the neutral pose in the faces of a clip."""
        self._present().calibrate_from(faces)

    def face_lost(self, now_ns: int) -> None:
        """Tell that no face is seen."""
        self._present().face_lost(now_ns)

    def place(self, tracked: TrackedFrame | None, now_ns: int) -> Placement:
        """Return the character at ``now_ns``."""
        return self._wrapped(self._present().place(tracked, now_ns))

    def place_again(self) -> Placement:
        """Return the last motion of the character that is set now."""
        return self._wrapped(self._present().place_again())

    def _present(self) -> Driver:
        """Return the driver of the renderer that draws now."""
        active = self._renderer.active
        driver = self._drivers.get(id(active))
        if driver is None:
            driver = self._drivers[id(active)] = active.create_driver(self._estimator)
            driver.set_neutral(self._known)
        elif active is not self._active:
            driver.set_settings(self._settings)
            driver.set_neutral(self._known)
        self._active = active
        return driver

    def _wrapped(self, placement: Placement) -> Placement:
        return Placement(placement.signature, (self._active, placement), placement.captured_ns)

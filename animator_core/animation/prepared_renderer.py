"""A renderer and the characters that are prepared for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from animator_core.animation.backoff import Backoff
from animator_core.animation.preparation import SOON, WANTED
from animator_core.animation.services import Services
from animator_core.characters.character import Character
from animator_core.characters.face_quality import FaceWarning
from animator_core.errors import AnimatorError, CharacterError, ModelError, described
from animator_core.rendering.contract import Renderer

logger = logging.getLogger(__name__)

_FALLBACK = "warp"
_REPORT = "run install.py again, and report this if it stays"


class PreparedRenderer:
    """Makes a renderer and prepares characters for it in the preparation thread; asked by the thread that draws.

    name: one of `protocol.RENDERERS`. max_pixels: larger pictures are reduced to this many.
    """

    def __init__(self, name: str, max_pixels: int, services: Services) -> None:
        self.name = name
        self.max_pixels = max_pixels
        self.renderer: Renderer | None = None
        self.renderer_problem: AnimatorError | None = None
        """Why there is no renderer, or another one than was asked for."""
        self.frame_seconds = 0.0
        """Time of the last warm-up frame; 0 without one."""
        self._services = services
        self._characters: dict[str, tuple[Character, tuple[int, ...]]] = {}
        self._errors: dict[str, AnimatorError] = {}
        self._unserved: set[str] = set()
        """Characters whose error is that there is no renderer."""
        self._requested: set[tuple[str, int]] = set()
        self._is_closed = False
        self._backoff = Backoff(first_s=2.0, longest_s=60.0)
        self._try_again_at = 0.0

    @property
    def prepared_count(self) -> int:
        """How many characters are prepared."""
        return len(self._characters)

    def character(self, name: str) -> Character | None:
        """Return the prepared character with the file name ``name``; None if it is not, and it is prepared soon."""
        prepared = self._characters.get(name)
        if prepared is not None:
            return prepared[0]
        if name not in self._errors or (name in self._unserved and time.monotonic() >= self._try_again_at):
            self._request(name, WANTED)
        return None

    def error(self, name: str) -> AnimatorError | None:
        """Return the reason why ``name`` cannot be drawn, None if none is known."""
        return self._errors.get(name)

    def problems(self) -> dict[str, CharacterError]:
        """Return the errors of faulty pictures by file name; without those of the device or a model."""
        return {name: error for name, error in tuple(self._errors.items()) if isinstance(error, CharacterError)}

    def warnings(self) -> dict[str, FaceWarning]:
        """Return the first warning of each prepared character that has one, by file name."""
        prepared = tuple(self._characters.items())
        return {name: character.warnings[0] for name, (character, _) in prepared if character.warnings}

    def reject(self, name: str, error: AnimatorError) -> None:
        """Note that the renderer refused a prepared character."""
        self._characters.pop(name, None)
        self._errors[name] = error

    def preload(self, names: Sequence[str]) -> None:
        """Prepare ``names`` when nothing more urgent waits."""
        for name in names:
            if name not in self._characters and name not in self._errors:
                self._request(name, SOON)

    def refresh(self) -> None:
        """Forget characters whose files changed, and every failure, since files may have been mended."""
        self._errors.clear()
        self._backoff.reset()
        self._try_again_at = 0.0
        for name, (_, fingerprint) in tuple(self._characters.items()):
            if self._services.library.fingerprint(name) != fingerprint:
                self._characters.pop(name, None)

    def close(self) -> None:
        """Free the renderer in the preparation thread, which may be using it."""
        self._is_closed = True
        self._services.preparation.submit(WANTED, self._free)

    def _request(self, name: str, priority: int) -> None:
        if (name, priority) not in self._requested:
            self._requested.add((name, priority))
            self._services.preparation.submit(priority, lambda: self._prepare(name, priority))

    def _prepare(self, name: str, priority: int) -> None:
        try:
            if self._is_closed or name in self._characters:
                return
            if self.renderer is None and time.monotonic() >= self._try_again_at:
                self._try_renderer()
            if self.renderer is not None:
                self._prepare_character(name, self.renderer)
            elif self.renderer_problem is not None:
                self._errors[name] = self.renderer_problem
                self._unserved.add(name)
        finally:
            self._requested.discard((name, priority))

    def _try_renderer(self) -> None:
        """Make the renderer; a failure is logged once and tried again at growing intervals."""
        unexpected: Exception | None = None
        try:
            self._make_renderer()
            for name in self._unserved:
                self._errors.pop(name, None)
            self._unserved.clear()
            return
        except AnimatorError as exc:
            problem = exc.without_traceback()
        except Exception as exc:
            # A boundary: whatever a library raises, the thread goes on and the streamer is told.
            problem, unexpected = ModelError(f"the renderer cannot be started ({described(exc)})", _REPORT), exc
        if str(problem) != str(self.renderer_problem):
            logger.warning("%s; it is tried again by itself, later and later", problem, exc_info=unexpected)
        self.renderer_problem = problem
        self._try_again_at = time.monotonic() + self._backoff.next_s()

    def _make_renderer(self) -> None:
        renderer: Renderer | None = None
        problem: AnimatorError | None = None
        try:
            renderer = self._services.create_renderer(self.name)
        except ModelError as exc:
            problem = exc.without_traceback()
        if renderer is None:
            # Outside of the handler: the error held everything that had been loaded.
            renderer = self._services.create_renderer(_FALLBACK)
            logger.warning("%s", problem)
        else:
            problem = renderer.note
        self.renderer, self.renderer_problem = renderer, problem

    def _prepare_character(self, name: str, renderer: Renderer) -> None:
        library = self._services.library
        try:
            fingerprint = library.fingerprint(name)
            character = library.load(name, self.max_pixels)
            renderer.prepare(character)
            if not self._characters:
                # Nobody draws with this renderer before its first character is there.
                self._warm_up(renderer, character)
        except AnimatorError as exc:
            self._errors[name] = exc.without_traceback()
        except Exception as exc:
            # If a library fails over a picture, the streamer is told that the picture is at fault.
            logger.exception("%s cannot be prepared", name)
            self._errors[name] = CharacterError(
                f"{name} cannot be prepared ({described(exc)})", "use another picture and report this one"
            )
        else:
            self._characters[name] = (character, fingerprint)

    def _warm_up(self, renderer: Renderer, character: Character) -> None:
        frames = self._services.config.ai_model.warmup_frames
        if frames:
            renderer.set_character(character)
        for _ in range(frames):
            started = time.perf_counter()
            renderer.warm_up()
            self.frame_seconds = time.perf_counter() - started

    def _free(self) -> None:
        renderer, self.renderer = self.renderer, None
        self._characters.clear()
        if renderer is not None:
            renderer.close()


class RendererPair:
    """The renderer that draws, and the one that is prepared to replace it."""

    def __init__(self, services: Services) -> None:
        self.current: PreparedRenderer | None = None
        self.incoming: PreparedRenderer | None = None
        self._services = services

    @property
    def present(self) -> PreparedRenderer | None:
        """The renderer that draws, before there is one the first that will; None before any was wanted."""
        return self.current or self.incoming

    def select(self, name: str, max_pixels: int) -> PreparedRenderer:
        """Return the wanted renderer; begins its preparation if it is neither of both."""
        incoming = self.incoming
        if incoming is not None and (incoming.name, incoming.max_pixels) != (name, max_pixels):
            incoming.close()
            self.incoming = None
        current = self.current
        if current is not None and (current.name, current.max_pixels) == (name, max_pixels):
            return current
        if self.incoming is None:
            self.incoming = PreparedRenderer(name, max_pixels, self._services)
        return self.incoming

    def promote(self) -> None:
        """Let the incoming renderer draw from now on."""
        if self.current is not None:
            self.current.close()
        self.current, self.incoming = self.incoming, None

    def refresh(self) -> None:
        """Have changed characters loaded anew and failed ones tried again."""
        for each in (self.current, self.incoming):
            if each is not None:
                each.refresh()

    def close(self) -> None:
        """Free both."""
        for each in (self.current, self.incoming):
            if each is not None:
                each.close()
        self.current = self.incoming = None

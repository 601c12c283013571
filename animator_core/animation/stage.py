"""A renderer and the characters that it is ready to draw."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Callable

from animator_core.animation.preparation import SOON, WANTED, PreparationThread
from animator_core.characters.character import Character
from animator_core.characters.library import CharacterLibrary
from animator_core.errors import AnimatorError, CharacterError, ModelError, described
from animator_core.rendering.contract import Renderer

logger = logging.getLogger(__name__)

CreateRenderer = Callable[[str], Renderer]
_FALLBACK = "warp"
_REPORT = "run install.py again, and report this if it stays"
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 60.0
"""Before a renderer that could not be had is tried again by itself, each time twice as long."""


class Stage:
    """Gets ready in the background what one filter draws with; asked from the filter's render thread.

    renderer_name: "auto", "liveportrait" or "warp". max_pixels: what a picture is reduced to.
    """

    def __init__(
        self,
        renderer_name: str,
        library: CharacterLibrary,
        create_renderer: CreateRenderer,
        preparation: PreparationThread,
        max_pixels: int,
        warmup_frames: int = 0,
    ) -> None:
        self.renderer_name = renderer_name
        self.max_pixels = max_pixels
        self.renderer: Renderer | None = None
        self.renderer_problem: AnimatorError | None = None
        """Why there is no renderer, or not the one that was asked for."""
        self.frame_seconds = 0.0
        """How long the last warm-up frame took; 0 where there was none."""
        self._library = library
        self._create_renderer = create_renderer
        self._preparation = preparation
        self._warmup_frames = warmup_frames
        self._characters: dict[str, tuple[Character, tuple[int, ...]]] = {}
        self._errors: dict[str, AnimatorError] = {}
        self._unserved: set[str] = set()
        """Those whose error is that there is no renderer."""
        self._requested: set[tuple[str, int]] = set()
        self._is_closed = False
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._try_again_at = 0.0

    def character(self, name: str) -> Character | None:
        """Return the prepared character with the file name ``name``; None, and it is prepared soon, where it is not."""
        prepared = self._characters.get(name)
        if prepared is not None:
            return prepared[0]
        if name not in self._errors or (name in self._unserved and time.monotonic() >= self._try_again_at):
            self._request(name, WANTED)
        return None

    def error(self, name: str) -> AnimatorError | None:
        """Return why ``name`` cannot be drawn, if it cannot."""
        return self._errors.get(name)

    def problems(self) -> dict[str, CharacterError]:
        """Return the errors of faulty pictures by file name; without those of the device or a model."""
        return {name: error for name, error in tuple(self._errors.items()) if isinstance(error, CharacterError)}

    def reject(self, name: str, error: AnimatorError) -> None:
        """Note that the renderer refused a character that had been prepared."""
        self._characters.pop(name, None)
        self._errors[name] = error

    def preload(self, names: Sequence[str]) -> None:
        """Prepare ``names`` when nothing more urgent is to be done."""
        for name in names:
            if name not in self._characters and name not in self._errors:
                self._request(name, SOON)

    def refresh(self) -> None:
        """Forget the characters whose files changed, and every failure: the files may have been mended."""
        self._errors.clear()
        self._pause_seconds, self._try_again_at = _FIRST_PAUSE_SECONDS, 0.0
        for name, (_, fingerprint) in tuple(self._characters.items()):
            if self._library.fingerprint(name) != fingerprint:
                self._characters.pop(name, None)

    def close(self) -> None:
        """Free the renderer, in the background: a preparation may be using it."""
        self._is_closed = True
        self._preparation.submit(WANTED, self._free)

    def _request(self, name: str, priority: int) -> None:
        if (name, priority) not in self._requested:
            self._requested.add((name, priority))
            self._preparation.submit(priority, lambda: self._prepare(name, priority))

    def _prepare(self, name: str, priority: int) -> None:
        try:
            if self._is_closed or name in self._characters:
                return
            if self.renderer is None and time.monotonic() >= self._try_again_at:
                self._try_renderer()
            if self.renderer is not None:
                self._prepare_character(name)
            elif self.renderer_problem is not None:
                self._errors[name] = self.renderer_problem
                self._unserved.add(name)
        finally:
            self._requested.discard((name, priority))

    def _try_renderer(self) -> None:
        """Make the renderer; says once why there is none, and waits longer and longer for the next attempt."""
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
        self._try_again_at = time.monotonic() + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _prepare_character(self, name: str) -> None:
        renderer = self.renderer
        assert renderer is not None
        try:
            fingerprint = self._library.fingerprint(name)
            character = self._library.load(name, self.max_pixels)
            renderer.prepare(character)
            if not self._characters and self._warmup_frames:
                # Nobody draws with this renderer before its first character is there.
                renderer.set_character(character)
                for _ in range(self._warmup_frames):
                    started = time.perf_counter()
                    renderer.warm_up()
                    self.frame_seconds = time.perf_counter() - started
        except AnimatorError as exc:
            self._errors[name] = exc.without_traceback()
        except Exception as exc:
            # A picture that a library chokes on is that picture's fault, for the streamer.
            logger.exception("%s cannot be prepared", name)
            self._errors[name] = CharacterError(
                f"{name} cannot be prepared ({described(exc)})", "use another picture and report this one"
            )
        else:
            self._characters[name] = (character, fingerprint)

    def _make_renderer(self) -> None:
        renderer: Renderer | None = None
        problem: AnimatorError | None = None
        try:
            renderer = self._create_renderer(self.renderer_name)
        except ModelError as exc:
            problem = exc.without_traceback()
        if renderer is None:
            renderer = self._create_renderer(_FALLBACK)
            logger.warning("%s", problem)
        else:
            problem = renderer.note
        self.renderer, self.renderer_problem = renderer, problem

    def _free(self) -> None:
        renderer, self.renderer = self.renderer, None
        self._characters.clear()
        if renderer is not None:
            renderer.close()

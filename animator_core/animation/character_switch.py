"""Switches renderer and character without a gap: the old ones draw until the wanted ones are prepared.

Of the renderers, `Fallback` may have the warp draw in place of LivePortrait; `CharacterChoice` names the character.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Callable

from animator_core.animation.pipeline import CharacterPipeline
from animator_core.animation.prepared_renderer import PreparedRenderer, RendererPair
from animator_core.animation.quality import QualityLadder
from animator_core.animation.services import Services
from animator_core.characters.character import Character
from animator_core.characters.face_quality import FaceWarning
from animator_core.characters.library import CharacterLibrary
from animator_core.config import CharacterConfig
from animator_core.errors import AnimatorError, CharacterError, DeviceLostError, ModelError
from animator_core.ipc.protocol import BY_FACE, AnimationSettings, may_be_slow

logger = logging.getLogger(__name__)

_LEAST_PIXELS = 256 * 256
_MOST_PRELOADED = 16
_NEIGHBOURS = 2


class CharacterChoice:
    """The names of the library, and which of them are trusted; used by the thread that draws."""

    def __init__(self, library: CharacterLibrary, config: CharacterConfig) -> None:
        self.last_shown = ""
        """The last character of which a frame was shown."""
        self.distrusted = ""
        """A character that failed before its first frame was shown, so it would fail again."""
        self._library = library
        self._config = config
        self._names: tuple[str, ...] = ()
        self._expressions: dict[str, dict[str, str]] = {}

    def refresh(self) -> None:
        """List the library again."""
        self._names = tuple(entry.file for entry in self._library.list())
        self._expressions = self._library.expressions()

    def base(self, name: str) -> str:
        """Return the character whose expression a picture is, or the character itself."""
        return next((base for base, files in self._expressions.items() if name in files.values()), name)

    def picture(self, name: str, expression: str) -> str:
        """Return the file of a character's expression, the character's own one if it has none of that name."""
        return self._expressions.get(name, {}).get(expression, name)

    def distrust(self, name: str) -> None:
        """Do not draw ``name`` again if no frame of it was shown."""
        if name not in ("", self.last_shown):
            self.distrusted = name

    def wanted(self, chosen: str, is_broken: Callable[[str], bool]) -> str:
        """Return the file name of the character to draw, "" for an empty library.

        chosen: file name, "" for none. is_broken: whether a picture is known to be at fault.
        """
        preferred = self._config.current_character
        if chosen or preferred in self._names:
            return chosen or preferred
        return next((name for name in self._names if not is_broken(name)), next(iter(self._names), ""))

    def to_preload(self, name: str) -> list[str]:
        """Return the pictures to prepare beside ``name``: of its other expressions, then of the nearest characters."""
        base = self.base(name)
        family = [base, *self._expressions.get(base, {}).values()]
        others = nearest_first(self._names, base)[: _MOST_PRELOADED if self._config.preload_all else _NEIGHBOURS]
        return [*(each for each in family if each != name), *others]


def nearest_first(names: Sequence[str], name: str) -> list[str]:
    """Return the other names in the order in which hotkeys are likely to ask for them: next, previous, and so on."""
    if name not in names:
        return list(names)
    index = names.index(name)
    ordered: list[str] = []
    for distance in range(1, len(names) // 2 + 1):
        for position in (index + distance, index - distance):
            other = names[position % len(names)]
            if other != name and other not in ordered:
                ordered.append(other)
    return ordered


class Fallback:
    """Decides between LivePortrait and the warp for one animation; the ladder has LivePortrait tried again later."""

    def __init__(self, quality: QualityLadder) -> None:
        self.error: AnimatorError | None = None
        """The failure of LivePortrait's device because of which the warp draws; None without one."""
        self._quality = quality
        self._has_shown = False

    def note_shown(self, renderer_name: str) -> None:
        """Note the renderer of a frame that was shown."""
        self._has_shown |= renderer_name == "liveportrait"

    def failure(self, prepared: PreparedRenderer, name: str, is_incoming: bool) -> AnimatorError | None:
        """Return the failure of the device that draws or is to draw the character, None if it works."""
        error, problem = prepared.error(name), prepared.renderer_problem
        if self._has_shown:
            for each in (error, problem):
                if isinstance(each, DeviceLostError):
                    return each
        if self._quality.rung.is_warp or not is_incoming or prepared.renderer is None:
            return None
        if prepared.renderer.name == "liveportrait":
            return error if isinstance(error, ModelError) else None
        # It failed before, was tried again, and still cannot be had.
        return (problem or self.error) if self.error is not None else None

    def refuses(self, prepared: PreparedRenderer, is_chosen: bool) -> bool:
        """Return whether a prepared renderer is too slow to be shown; is_chosen: LivePortrait was chosen by name."""
        assert prepared.renderer is not None
        if self._quality.refuses(prepared.frame_seconds):
            return True
        if is_chosen or prepared.renderer.name != "liveportrait":
            return False
        return self._quality.refuses_liveportrait(prepared.frame_seconds)

    def fall_back(self, error: AnimatorError, is_incoming: bool = False) -> None:
        """Have the warp draw for now, since the device failed; a game may have taken its memory.

        is_incoming: LivePortrait failed before its first frame. Raises ``error`` if this process cannot use the device
        again, or the warp itself failed.
        """
        if is_incoming:
            self._quality.use(is_liveportrait=True)
        if isinstance(error, DeviceLostError) and self._has_shown:
            # Another process may use it again; one in which it never worked would only start over and over.
            raise error
        was_warp = self._quality.rung.is_warp
        if not self._quality.fall_back():
            raise error
        self.error = error.without_traceback()
        if not was_warp:
            logger.warning("%s; the warp renderer draws for now", error, exc_info=error)

    def note_renderer(self, renderer_name: str) -> None:
        """Note the renderer that draws from now on."""
        if not self._quality.rung.is_warp:
            self.error = None
            self._quality.use(renderer_name == "liveportrait")

    def forget(self) -> None:
        """Begin anew, since another renderer was chosen."""
        self.error = None
        self._quality.use(is_liveportrait=False)


class CharacterSwitch:
    """Has a pipeline draw the wanted character with the wanted renderer as soon as both are prepared.

    Used by the thread that draws; the attributes may be read by any. max_pixels: larger pictures are reduced to this
    many.
    """

    def __init__(
        self, services: Services, *, quality: QualityLadder, pipeline: CharacterPipeline, max_pixels: int
    ) -> None:
        self.pipeline = pipeline
        self.error: AnimatorError | None = None
        """Why the wanted character is not drawn."""
        self.is_warming_up = False
        """Whether the thread that draws warms up a renderer for itself, which may take seconds."""
        self.is_settled = False
        """Whether the pipeline draws the wanted character with the wanted renderer, so that the switch has no work."""
        self.renderers = RendererPair(services)
        self.fallback = Fallback(quality)
        self._services = services
        self._quality = quality
        self._choice = CharacterChoice(services.library, services.config.character)
        self._most_pixels = max_pixels
        self._small_pixels: int | None = None

    @property
    def is_preparing(self) -> bool:
        """Whether a renderer or character is prepared, which takes time of the machine."""
        renderer = self.pipeline.renderer
        is_computing = renderer is not None and renderer.is_computing
        return self.renderers.incoming is not None or self._services.preparation.is_busy or is_computing

    @property
    def character_problems(self) -> dict[str, CharacterError]:
        """The errors of the characters that cannot be drawn, as far as they are known, by file name."""
        present = self.renderers.present
        return present.problems() if present is not None else {}

    @property
    def character_warnings(self) -> dict[str, FaceWarning]:
        """What will look wrong of prepared characters, by file name; a faulty expression counts for its character."""
        present = self.renderers.present
        if present is None:
            return {}
        bases = {name: self._choice.base(name) for name in present.problems()}
        faulty = {
            bases[name]: FaceWarning(error.message, error.remedy)
            for name, error in present.problems().items()
            if bases[name] != name
        }
        return {**present.warnings(), **faulty}

    @property
    def prepared_count(self) -> int:
        """How many characters are prepared."""
        present = self.renderers.present
        return present.prepared_count if present is not None else 0

    def restart(self, pipeline: CharacterPipeline) -> None:
        """Begin anew with another pipeline; a character that failed before its first frame is not drawn again."""
        if self.pipeline.character is not None:
            self._choice.distrust(self.pipeline.character.name)
        self.renderers.close()
        self.is_settled = False
        self.pipeline = pipeline
        self._choice.refresh()

    def refresh(self) -> None:
        """List the characters again, load changed ones anew, and try failed ones again."""
        self._choice.distrusted = ""
        self._choice.refresh()
        self.renderers.refresh()

    @property
    def character_name(self) -> str:
        """The file name of the character that is drawn, whatever its expression; "" for none."""
        character = self.pipeline.character
        return self._choice.base(character.name) if character else ""

    def note_shown(self) -> None:
        """Note that the pipeline's character was shown; called at least for its first frame."""
        renderer, character = self.pipeline.renderer, self.pipeline.character
        if renderer is not None and character is not None:
            self._choice.last_shown = character.name
            self.fallback.note_shown(renderer.name)

    def advance(self, settings: AnimationSettings) -> bool:
        """Go on towards the wanted character; return whether the picture has to be drawn anew.

        Raises ModelError if the device fails and there is nothing to fall back to.
        """
        self.is_settled = False
        prepared, name = self._wanted(settings)
        if prepared is None:
            return False
        character, is_new = prepared.character(name), prepared is self.renderers.incoming
        failure = self.fallback.failure(prepared, name, is_new)
        if failure is not None:
            self.fallback.fall_back(failure, is_incoming=True)
            return True
        self.error = prepared.error(name)
        if self.error is not None and self.pipeline.character is None and self._choice.last_shown:
            # No picture is left after an error, but the character before was all right.
            name = self._choice.last_shown
            character = prepared.character(name)
        if character is None:
            return False
        if is_new and self.fallback.refuses(prepared, self.renderer_name(settings) == "liveportrait"):
            return False
        return self._show(prepared, name, character)

    def renderer_name(self, settings: AnimationSettings) -> str:
        """Return the renderer that is asked for; the configuration decides in place of "auto"."""
        return self._services.config.ai_model.type if settings.renderer == "auto" else settings.renderer

    def max_pixels(self, is_small: bool) -> int:
        """Return the limit of a picture's pixels; is_small: about a quarter of the present character's."""
        character = self.pipeline.character
        if not is_small or character is None:
            self._small_pixels = None
            return self._most_pixels
        if self._small_pixels is None:
            height, width = character.picture.shape[:2]
            self._small_pixels = min(max(height * width // 4, _LEAST_PIXELS), self._most_pixels)
        return self._small_pixels

    def _wanted(self, settings: AnimationSettings) -> tuple[PreparedRenderer | None, str]:
        """Return the wanted renderer, and the name of the wanted character; None and "" for an empty library."""
        present = self.renderers.present
        name = self._choice.wanted(
            settings.character, lambda each: present is not None and isinstance(present.error(each), CharacterError)
        )
        if not name:
            self.error = CharacterError(
                f"there is no picture in {self._services.library.directory}", "put one there, then press Refresh"
            )
            return None, ""
        expression = self.pipeline.face_expression if settings.expression == BY_FACE else settings.expression
        picture = self._choice.picture(name, expression)
        if present is None or present.error(picture) is None:
            name = picture
        rung = self._quality.rung
        prepared = self.renderers.select(
            "warp" if rung.is_warp else self.renderer_name(settings), self.max_pixels(rung.is_small)
        )
        if name == self._choice.distrusted and prepared.error(name) is None:
            prepared.reject(name, CharacterError(f"{name} cannot be drawn", "use another picture and report this one"))
        return prepared, name

    def _show(self, prepared: PreparedRenderer, name: str, character: Character) -> bool:
        """Let the pipeline draw ``character``, prepared by ``prepared``; return whether that is news."""
        is_new = prepared is self.renderers.incoming
        if is_new:
            assert prepared.renderer is not None
            self.renderers.promote()
            self.fallback.note_renderer(prepared.renderer.name)
            self.pipeline.use(prepared.renderer)
        if self.pipeline.character is character:
            self.is_settled = self.error is None
            return False
        try:
            before = self.pipeline.character
            fades = before is not None and self._choice.base(before.name) == self._choice.base(name)
            self.pipeline.set_character(character, fades=fades)
            if is_new:
                self._warm_up()
        except CharacterError as exc:
            prepared.reject(name, exc)
            return False
        except ModelError as exc:
            self.fallback.fall_back(exc)
            return True
        for warning in character.warnings:
            logger.warning("%s: %s", name, warning)
        prepared.preload(self._choice.to_preload(name))
        return True

    def _warm_up(self) -> None:
        """Warm up in the thread that draws, unless frames take seconds; the preparation thread did it for itself.

        Most is compiled and recorded by now; the rest would hold up the first live frame.
        """
        renderer, is_asked_for = self.pipeline.renderer, self._services.config.ai_model.warmup_frames > 0
        if renderer is None or not is_asked_for or may_be_slow(renderer.name, renderer.device):
            return
        self.is_warming_up = True
        try:
            renderer.warm_up()
        finally:
            self.is_warming_up = False

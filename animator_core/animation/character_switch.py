"""Switches renderer and character without a gap: the old ones draw until the wanted ones are prepared."""

from __future__ import annotations

from animator_core.animation.character_choice import CharacterChoice
from animator_core.animation.fallback import Fallback
from animator_core.animation.pipeline import CharacterPipeline
from animator_core.animation.prepared_renderer import PreparedRenderer
from animator_core.animation.quality import QualityLadder
from animator_core.animation.services import Services
from animator_core.characters.character import Character
from animator_core.errors import AnimatorError, CharacterError, ModelError
from animator_core.ipc.protocol import AnimationSettings, may_be_slow

_LEAST_PIXELS = 256 * 256


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
        return self.renderers.incoming is not None or self._services.preparation.is_busy

    @property
    def character_problems(self) -> dict[str, CharacterError]:
        """The errors of the characters that cannot be drawn, as far as they are known, by file name."""
        present = self.renderers.present
        return present.problems() if present is not None else {}

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
        self.pipeline = pipeline
        self._choice.refresh()

    def refresh(self) -> None:
        """List the characters again, load changed ones anew, and try failed ones again."""
        self._choice.distrusted = ""
        self._choice.refresh()
        self.renderers.refresh()

    def note_shown(self) -> None:
        """Note that a frame of the pipeline was shown."""
        renderer, character = self.pipeline.renderer, self.pipeline.character
        if renderer is not None and character is not None:
            self._choice.last_shown = character.name
            self.fallback.note_shown(renderer.name)

    def advance(self, settings: AnimationSettings) -> bool:
        """Go on towards the wanted character; return whether the picture has to be drawn anew.

        Raises ModelError if the device fails and there is nothing to fall back to.
        """
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
            return False
        try:
            self.pipeline.set_character(character)
            if is_new:
                self._warm_up()
        except CharacterError as exc:
            prepared.reject(name, exc)
            return False
        except ModelError as exc:
            self.fallback.fall_back(exc)
            return True
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

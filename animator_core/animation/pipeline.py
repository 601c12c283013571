"""The hot path of one animation: driving frame → motion → picture, drawn only if it looks different."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from animator_core.animation.crossfade import Crossfade
from animator_core.animation.statistics import FrameStatistics
from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.emotes.emote import Emote
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.expression_watch import ExpressionWatch
from animator_core.motion.kept_neutral import from_text, neutral_of_arrays, to_text
from animator_core.rendering.contract import Driver, Placement, Renderer
from animator_core.tracking.observation import TrackedFrame

logger = logging.getLogger(__name__)

_WARN_EVERY_NS = 30_000_000_000


@dataclass(frozen=True)
class RenderReuseInfo:
    """Counts of a pipeline.

    hit_rate: share of frames, 0 to 1, that needed no rendering. rendered, reused: frames so far.
    """

    hit_rate: float
    rendered: int
    reused: int


class RenderReuse:
    """Tells which frames need rendering, since they look different; one for each pipeline.

    A frame is compared with the last rendered one, so the shown picture is never further off than a
    `Placement.signature` allows. Keeping more than the last picture was measured to save nothing more.
    """

    def __init__(self, is_enabled: bool = True) -> None:
        self._is_enabled = is_enabled
        self._last: FloatArray | None = None
        self._rendered = 0
        self._reused = 0

    def needs_rendering(self, signature: FloatArray) -> bool:
        """Return whether a frame, see `Placement.signature`, differs visibly from the last rendered; counts it."""
        last = self._last
        if (
            self._is_enabled
            and last is not None
            and last.shape == signature.shape
            and np.abs(signature - last).max() <= 1
        ):
            self._reused += 1
            return False
        self._last = signature
        self._rendered += 1
        return True

    def forget(self) -> None:
        """Render the next frame in any case: the character or the renderer changed."""
        self._last = None

    def get_info(self) -> RenderReuseInfo:
        """Return the counts so far."""
        total = self._rendered + self._reused
        return RenderReuseInfo(self._reused / total if total else 0.0, self._rendered, self._reused)


@dataclass(frozen=True)
class AnimatedFrame:
    """One picture of the animation.

    picture: (H, W, 4) uint8 BGRA premultiplied, as `Renderer.draw` returns it; reused by the next frame.
    captured_ns: capture time of the driving frame behind it; 0 for none.
    """

    picture: UInt8Array
    captured_ns: int


class CharacterPipeline:
    """Animates one person's characters with one renderer after the other; used by one thread, `neutral_text` by any.

    The neutral pose is kept over characters and renderers.
    """

    def __init__(
        self,
        estimator: MotionEstimator | None = None,
        *,
        neutral: str = "",
        statistics: FrameStatistics | None = None,
        reuse: RenderReuse | None = None,
        max_inference_time_ms: float = 0.0,
    ) -> None:
        """Begin without a renderer, see `use`.

        neutral: `neutral_text` of another run, or "". reuse: decides which frames are drawn; None draws every one.
        max_inference_time_ms: a slower drawing is warned of now and then; 0 never warns.
        """
        self.estimator = estimator or MotionEstimator()
        self.statistics = statistics or FrameStatistics()
        self.reuse = reuse or RenderReuse(is_enabled=False)
        self.renderer: Renderer | None = None
        self.character: Character | None = None
        self.neutral_text = ""
        """The person's neutral pose as one line of ASCII, for another run; "" before it was found."""
        self._neutral: Mapping[str, FloatArray] = {}
        self._noted: Mapping[str, FloatArray] | None = None
        self._driver: Driver | None = None
        self.take_neutral(neutral)
        self._max_inference_ns = int(max_inference_time_ms * 1e6)
        self._warned_ns = -_WARN_EVERY_NS
        self._picture: UInt8Array | None = None
        self._crossfade = Crossfade()
        self._expressions = ExpressionWatch()
        self.face_expression = ""
        """The expression that the driver's face has, see `ExpressionWatch`."""

    @property
    def has_face(self) -> bool:
        """Whether a face drives."""
        return self.estimator.has_face

    @property
    def is_calibrated(self) -> bool:
        """Whether the neutral pose is known."""
        return self.estimator.is_calibrated

    @property
    def trouble(self) -> tuple[str, str]:
        """Why the face is followed badly and the remedy, or two empty texts; any thread may ask."""
        return self.estimator.confidence.trouble

    @property
    def is_moving(self) -> bool:
        """Whether the character moves by itself, without new driving frames."""
        return self.estimator.is_moving or self._crossfade.is_fading

    def use(self, renderer: Renderer) -> None:
        """Draw with ``renderer`` from now on; `set_character` must follow."""
        self._driver = renderer.create_driver(self.estimator)
        self._driver.set_neutral(self._neutral)
        self.renderer, self.character, self._picture = renderer, None, None
        self.reuse.forget()

    def set_character(self, character: Character, *, fades: bool = False) -> None:
        """Draw ``character`` from the next frame on; raises CharacterError, keeping the old one.

        fades: whether the last picture fades away over the new ones.
        """
        assert self.renderer is not None
        self.renderer.set_character(character)
        self._crossfade.begin(self._picture if fades else None)
        self.character = character
        self.reuse.forget()

    def set_settings(self, settings: FaceSettings) -> None:
        """Take other settings of motion from the next frame on."""
        (self._driver or self.estimator).set_settings(settings)

    def play(self, emote: Emote, now_ns: int) -> None:
        """Begin an emote over the live motion."""
        self.estimator.emotes.play(emote, now_ns)

    def take_neutral(self, neutral: str) -> None:
        """Go on with the `neutral_text` of another run; "" leaves the neutral pose to be found."""
        self.neutral_text = neutral
        self._neutral = from_text(neutral)
        pose = neutral_of_arrays(self._neutral)
        if pose is not None:
            self.estimator.set_neutral(pose)
        if self._driver is not None:
            self._driver.set_neutral(self._neutral)

    def calibrate(self) -> None:
        """Make the present moment the neutral pose; without a face it is forgotten."""
        self._neutral, self._noted = {}, None
        (self._driver or self.estimator).calibrate()
        self._note_neutral()

    def forget_neutral(self) -> None:
        """Estimate the neutral pose anew, from people's usual one on."""
        self._neutral, self._noted = {}, None
        (self._driver or self.estimator).forget_neutral()
        self._note_neutral()

    def face_lost(self, now_ns: int) -> None:
        """Tell that no frame comes any more; after a short hold the character idles."""
        (self._driver or self.estimator).face_lost(now_ns)

    def animate(self, tracked: TrackedFrame | None, now_ns: int) -> AnimatedFrame:
        """Return the character at ``now_ns``; tracked: a new driving frame, or None for none since the last call."""
        assert self._driver is not None
        started = time.perf_counter_ns()
        placement = self._driver.place(tracked, now_ns)
        self.statistics.add("motion", time.perf_counter_ns() - started)
        self._note_neutral()
        self.face_expression = self._expressions.observe(self.estimator.live, now_ns)
        frame = self._draw(placement)
        return replace(frame, picture=self._crossfade.over(frame.picture, now_ns))

    def redraw(self) -> AnimatedFrame:
        """Return the present character in the last motion again, in the neutral pose before the first one."""
        assert self._driver is not None
        return self._draw(self._driver.place_again())

    def _draw(self, placement: Placement) -> AnimatedFrame:
        assert self.renderer is not None
        if self.reuse.needs_rendering(placement.signature) or self._picture is None:
            started = time.perf_counter_ns()
            try:
                self._picture = self.renderer.draw(placement)
            except BaseException:
                self.reuse.forget()
                raise
            self._note_render_time(started, time.perf_counter_ns())
        return AnimatedFrame(self._picture, placement.captured_ns)

    def _note_neutral(self) -> None:
        """Take the neutral pose that the driver found; the part that only another renderer knows is kept."""
        found = self._driver.neutral if self._driver is not None else {}
        if found is not self._noted:
            self._noted = found
            self._neutral = {**self._neutral, **found}
            self.neutral_text = to_text(self._neutral) if found else ""

    def _note_render_time(self, started_ns: int, ended_ns: int) -> None:
        self.statistics.add("render", ended_ns - started_ns)
        is_slow = 0 < self._max_inference_ns < ended_ns - started_ns
        if is_slow and ended_ns - self._warned_ns >= _WARN_EVERY_NS:
            self._warned_ns = ended_ns
            logger.warning(
                "rendering took %.1f ms, more than performance.max_inference_time_ms = %g; "
                "a smaller character.target_size is faster",
                (ended_ns - started_ns) / 1e6,
                self._max_inference_ns / 1e6,
            )

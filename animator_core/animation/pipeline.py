"""The hot path of one animation: observation → motion → picture."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np

from animator_core.animation.reuse import RenderReuse
from animator_core.animation.statistics import FrameStatistics
from animator_core.characters.character import Character
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Renderer
from animator_core.tracking.observation import FaceObservation

logger = logging.getLogger(__name__)

_WARN_EVERY_NS = 30_000_000_000


@dataclass(frozen=True)
class AnimatedFrame:
    """One picture of the animation.

    picture: (H, W, 4) uint8 BGRA premultiplied, as `Renderer.render` returns it; reused by the next frame.
    captured_ns: when the driving frame behind it was captured, 0 where none was.
    """

    picture: np.ndarray
    captured_ns: int


class CharacterPipeline:
    """Animates one character after the other with one renderer; used by one thread.

    reuse: decides which frames are rendered; None renders every one.
    max_inference_time_ms: rendering that takes longer is warned of, now and then; 0 never warns.
    """

    def __init__(
        self,
        estimator: MotionEstimator,
        renderer: Renderer,
        statistics: FrameStatistics | None = None,
        reuse: RenderReuse | None = None,
        max_inference_time_ms: float = 0.0,
    ) -> None:
        self.estimator = estimator
        self.renderer = renderer
        self.statistics = statistics or FrameStatistics()
        self.reuse = reuse or RenderReuse(is_enabled=False)
        self.character: Character | None = None
        self._max_inference_ns = int(max_inference_time_ms * 1e6)
        self._warned_ns = -_WARN_EVERY_NS
        self._motion: DrivingMotion | None = None
        self._picture: np.ndarray | None = None

    def set_character(self, character: Character) -> None:
        """Draw ``character`` from the next frame on; raises CharacterError, keeping the old one."""
        self.renderer.set_character(character)
        self.character = character
        self.reuse.forget()

    def animate(
        self, observation: FaceObservation | None, now_ns: int, driving_frame: np.ndarray | None = None
    ) -> AnimatedFrame:
        """Return the character at ``now_ns``; observation: a new one, or None where there is none since the last call.

        driving_frame: (H, W, 3) uint8 RGB behind the observation, for renderers that look at it.
        """
        started = time.perf_counter_ns()
        self._motion = self.estimator.update(observation, now_ns)
        self.statistics.add("motion", time.perf_counter_ns() - started)
        return self._draw(self._motion, driving_frame)

    def redraw(self) -> AnimatedFrame:
        """Return the present character in the last motion again, in the neutral pose before the first one."""
        return self._draw(self._motion or DrivingMotion())

    def _draw(self, motion: DrivingMotion, driving_frame: np.ndarray | None = None) -> AnimatedFrame:
        started = time.perf_counter_ns()
        placement = self.renderer.place(motion, driving_frame)
        self.statistics.add("place", time.perf_counter_ns() - started)
        if self.reuse.needs_rendering(placement.signature) or self._picture is None:
            started = time.perf_counter_ns()
            try:
                self._picture = self.renderer.draw(placement)
            except BaseException:
                self.reuse.forget()
                raise
            self._note_render_time(started, time.perf_counter_ns())
        return AnimatedFrame(self._picture, motion.captured_ns)

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

"""One filter in the worker: its rings, and the live loop between them."""

from __future__ import annotations

import logging
import threading

from animator_core.animation.live_loop import LiveLoop
from animator_core.animation.services import Services
from animator_core.characters.face_quality import FaceWarning
from animator_core.errors import CharacterError
from animator_core.ipc.frame_ring import now_ns
from animator_core.ipc.protocol import AnimationSettings, FilterStatus, OpenFilter
from animator_core.motion.emotes.emote import Emote
from animator_core.worker.rings import FilterRings

logger = logging.getLogger(__name__)

_PULSE_SECONDS = 0.5
_SEE_LOG = "see Tools → Scripts → Script Log; it is tried again by itself"


class FilterSession:
    """Serves one filter from its opening to its closing; its failures stay in it."""

    def __init__(self, opening: OpenFilter, services: Services) -> None:
        """Map both rings and start; raises RingError if one cannot be mapped."""
        self.filter_id, self.camera_id = opening.filter_id, opening.camera_id
        self._rings = FilterRings(opening.driving, opening.animated)
        self._loop = self._make_loop(opening, services)
        self._stop = threading.Event()
        self._pulse = threading.Thread(target=self._beat, name=f"pulse {opening.filter_id}", daemon=True)
        self._loop.start()
        self._pulse.start()

    def _make_loop(self, opening: OpenFilter, services: Services) -> LiveLoop:
        return LiveLoop(
            services,
            opening.settings,
            source=self._rings.source,
            sink=self._rings.sink,
            name=f"filter {opening.filter_id}",
            neutral=opening.neutral,
        )

    def update(self, settings: AnimationSettings) -> None:
        """Use other settings from the next frame on."""
        self._loop.requests.update(settings)

    def act(self, action: str) -> None:
        """Carry out one of `protocol.ACTIONS`."""
        self._loop.requests.act(action)

    def play(self, name: str, emote: Emote) -> None:
        """Play an emote, which the library has under this name, over the live motion."""
        self._loop.requests.play(emote)

    def refresh_characters(self) -> None:
        """List the characters again, load changed ones anew, and try failed ones again."""
        self._loop.requests.refresh_characters()

    @property
    def is_device_lost(self) -> bool:
        """Whether only another process can use the graphics card again."""
        return self._loop.restarts.device_lost is not None

    def status(self) -> FilterStatus:
        """Return the state of the filter, and its problem or note with a remedy."""
        loop, animation, moment = self._loop, self._loop.animation, now_ns()
        fault, error = loop.restarts.fault, animation.error
        if fault:
            state, message, remedy = "error", fault, _SEE_LOG
        elif error is not None:
            state, message, remedy = "error", error.message, error.remedy
        else:
            state, (message, remedy) = animation.state(loop.is_camera_silent), animation.note
        return FilterStatus(
            self.filter_id,
            state,
            fps=round(loop.statistics.fps(moment), 1),
            latency_ms=round(loop.statistics.latency_ms(moment), 1),
            renderer=animation.renderer_name,
            device=animation.device,
            character=animation.character_name,
            message=message,
            remedy=remedy,
        )

    @property
    def neutral(self) -> str:
        """The driver's neutral pose, see `protocol.NeutralPose`."""
        return self._loop.animation.neutral_text

    def character_problems(self) -> dict[str, CharacterError]:
        """Return the errors of the characters that cannot be drawn, as far as they are known, by file name."""
        return self._loop.animation.switch.character_problems

    def character_warnings(self) -> dict[str, FaceWarning]:
        """Return what will look wrong of prepared characters, by file name."""
        return self._loop.animation.switch.character_warnings

    def ask_to_end(self) -> None:
        """Have the threads leave at their next step."""
        self._stop.set()
        self._loop.ask_to_end()

    def close(self, timeout_s: float) -> None:
        """End the threads and let go of the rings; a thread that does not leave in time keeps them until it does."""
        self.ask_to_end()
        # The pulse looks at its stop at least twice a second and then touches no ring.
        if not self._loop.close(timeout_s):
            logger.warning("filter %s does not end in time; its rings stay mapped", self.filter_id)
            return
        self._pulse.join()
        self._rings.close()

    def _beat(self) -> None:
        """Beat in frames that may take seconds; any other frame that takes seconds means a hung renderer."""
        while not self._stop.wait(_PULSE_SECONDS):
            if self._loop.is_in_slow_frame:
                self._rings.sink.beat()

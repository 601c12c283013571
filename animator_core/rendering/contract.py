"""The interface of every renderer and its driver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Callable, Protocol

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.character import Character
from animator_core.errors import AnimatorError
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.estimator import MotionEstimator
from animator_core.tracking.observation import TrackedFrame


@dataclass(frozen=True)
class Placement:
    """A picture before it is drawn.

    signature: (N,) float32, in units of a change that nobody sees: pictures of one character look the same if no
    number of their signatures differs by more than 1. content: for `Renderer.draw`.
    captured_ns: capture time of the driving frame behind it; 0 for none.
    """

    signature: FloatArray
    content: Any
    captured_ns: int = 0


class Driver(Protocol):
    """Places a renderer's character as the person on camera moves; made by `Renderer.create_driver`.

    Used by the thread that draws.
    """

    @property
    def neutral(self) -> Mapping[str, FloatArray]:
        """The person's neutral pose as arrays by name; empty before it was found. The same object until it changes."""
        ...

    def set_neutral(self, arrays: Mapping[str, FloatArray]) -> None:
        """Take the part of ``arrays``, another driver's ``neutral``, that only this kind of renderer knows."""
        ...

    def set_settings(self, settings: FaceSettings) -> None:
        """Take other settings; mirroring mirrors the neutral pose as well."""
        ...

    def calibrate(self) -> None:
        """Make the present moment the neutral pose; without a face it is forgotten."""
        ...

    def forget_neutral(self) -> None:
        """Estimate the neutral pose anew, from people's usual one on."""
        ...

    def calibrate_from(self, faces: Iterable[TrackedFrame]) -> None:
        """Find the neutral pose in the faces of a clip, before its first frame is placed; nothing without any."""
        ...

    def face_lost(self, now_ns: int) -> None:
        """Tell that no face is seen, or no frame comes any more."""
        ...

    def place(self, tracked: TrackedFrame | None, now_ns: int) -> Placement:
        """Return the character at ``now_ns``, at a small part of the cost of drawing it.

        tracked: a new driving frame, or None for none since the last call. Raises CharacterError if no character is
        set, ModelError if the device fails.
        """
        ...

    def place_again(self) -> Placement:
        """Return the last motion of the character that is set now; its neutral pose before the first motion."""
        ...


class Renderer(Protocol):
    """Draws one character; `set_character` does everything that does not depend on the motion."""

    @property
    def name(self) -> str:
        """The renderer that draws: "warp", "liveportrait" or "anime"."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, for the status line: "CPU", "NVIDIA …"."""
        ...

    @property
    def note(self) -> AnimatorError | None:
        """Why it is not the renderer or device that could be expected; None if it is."""
        ...

    @property
    def is_computing(self) -> bool:
        """Whether the character that is set is computed in the background, which takes time of the machine."""
        ...

    def create_driver(self, estimator: MotionEstimator) -> Driver:
        """Return a driver for the person that ``estimator`` follows."""
        ...

    def prepare(self, character: Character) -> None:
        """Compute and keep everything that `set_character` needs, so that a later switch is quick."""
        ...

    def set_character(self, character: Character) -> None:
        """Draw ``character`` from now on; raises CharacterError if it cannot be drawn."""
        ...

    def draw(self, placement: Placement) -> UInt8Array:
        """Return the character as placed by the driver: (H, W, 4) uint8 BGRA in the size of its picture.

        The colour is premultiplied in linear light and sRGB-encoded (`frame_ring.FORMAT_BGRA_PREMULTIPLIED`).
        The array is reused by the next call.
        """
        ...

    def settled(self, report: Callable[[float], None]) -> Renderer:
        """Return the renderer that draws the character that is set when nothing is left to compute in the background.

        report: called with the progress, 0 to 1. Raises AnimatorError if it cannot be computed.
        """
        ...

    def warm_up(self) -> None:
        """Do once, for the character that is set, all that a live frame takes, so that the first one is quick.

        Libraries choose and build their kernels for each thread: the thread that draws calls it as well.
        """
        ...

    def close(self) -> None:
        """Free memory of the device."""
        ...

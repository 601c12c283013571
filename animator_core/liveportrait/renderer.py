"""The LivePortrait renderer: keypoints → picture; `driver.py` makes the keypoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Callable

import numpy as np
import torch

from animator_core.arrays import UInt8Array
from animator_core.characters.character import Character
from animator_core.errors import AnimatorError, CharacterError, ModelError
from animator_core.liveportrait.driver import LivePortraitDriver, signature
from animator_core.liveportrait.execution.device_errors import device_errors_as, release_memory
from animator_core.liveportrait.model import PortraitModel
from animator_core.liveportrait.motion.clip_transfer import template_keypoints
from animator_core.liveportrait.motion.crop import DRIVING_CROP_SIZE
from animator_core.liveportrait.motion.motion_cache import MotionCache
from animator_core.liveportrait.motion.template import MotionTemplate
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.source.scene import Scene
from animator_core.liveportrait.source.scene_cache import SceneCache
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Placement


class LivePortraitRenderer:
    """Draws a character by the networks, see `rendering.contract.Renderer`; filters share the model."""

    name = "liveportrait"
    is_computing = False

    def __init__(
        self,
        model: PortraitModel,
        scenes: SceneCache | None = None,
        *,
        device_name: str = "CPU",
        note: AnimatorError | None = None,
        owner: object = None,
        motion_cache: MotionCache[KeypointMotion] | None = None,
    ) -> None:
        """scenes: the characters that all renderers share. owner: lives as long as this renderer is used."""
        self._owner = owner
        self.device = device_name
        self.note = note
        self.motion_cache = motion_cache
        self._model: PortraitModel | None = model
        self._scenes: SceneCache | None = scenes or SceneCache(model)
        self._scene: Scene | None = None
        self._frame = np.zeros((1, 1, 4), np.uint8)

    @property
    def model(self) -> PortraitModel:
        """The networks, which all filters share; raises CharacterError once the renderer is closed."""
        if self._model is None:
            raise CharacterError("the renderer is closed", "make another")
        return self._model

    @property
    def scenes(self) -> SceneCache:
        """The characters that are ready to be drawn, which all filters share."""
        if self._scenes is None:
            raise CharacterError("the renderer is closed", "make another")
        return self._scenes

    @property
    def scene(self) -> Scene:
        """The character that is drawn; raises CharacterError if none is set."""
        if self._scene is None:
            raise CharacterError("no character is set", "choose one")
        return self._scene

    def device_errors(self) -> AbstractContextManager[None]:
        """Give a block in which errors of the device are raised as ModelError."""
        what, remedy = f"{self.device} failed while LivePortrait used it", "close other programs that use it"
        return device_errors_as(what, remedy, self.model.device)

    def create_driver(self, estimator: MotionEstimator) -> LivePortraitDriver:
        """Return a driver for the person that ``estimator`` follows."""
        return LivePortraitDriver(self, estimator)

    def prepare(self, character: Character) -> None:
        """Compute and keep everything that drawing ``character`` needs; raises CharacterError if it cannot be drawn."""
        self._scene_of(character)

    def set_character(self, character: Character) -> None:
        """Draw ``character`` from now on."""
        self._scene = self._scene_of(character)
        self._frame = self._scene.new_frame()

    def draw(self, placement: Placement) -> UInt8Array:
        """Return the character: (H, W, 4) uint8 BGRA, premultiplied; reused by the next call.

        Raises ModelError if the device fails.
        """
        scene = self.scene
        with self.device_errors():
            return scene.draw(placement.content, self._frame)

    def draw_each(self, placements: Sequence[Placement]) -> Iterator[UInt8Array]:
        """Yield the character at each placement, as `draw` returns it; the networks paint all of them at once.

        Raises ModelError if the device's memory is too small for so many.
        """
        scene = self.scene
        try:
            yield from scene.draw_each(torch.cat([each.content for each in placements]), self._frame)
        except torch.cuda.OutOfMemoryError as exc:
            raise ModelError(
                f"{self.device} has no memory for {len(placements)} frames at once", "lower compute.batch_size"
            ) from exc

    def replay(self, template: MotionTemplate) -> list[Placement]:
        """Return the character's place in every frame of a recorded motion; raises MotionError if it does not fit."""
        scene, model = self.scene, self.model
        keypoints = template_keypoints(template, scene.source_motion, networks=model.retargeters, options=model.options)
        frames = [keypoints[number : number + 1] for number in range(len(keypoints))]
        return [Placement(signature(each, DrivingMotion(), scene.magnification), each) for each in frames]

    def settled(self, report: Callable[[float], None]) -> LivePortraitRenderer:
        """Return itself: `set_character` computes everything."""
        return self

    def warm_up(self) -> None:
        """Extract a motion, of nobody, and draw a frame; see `Renderer.warm_up`. Raises ModelError."""
        with self.device_errors():
            self.model.extract_motion(torch.full((1, 3, DRIVING_CROP_SIZE, DRIVING_CROP_SIZE), 0.5))
        self.draw(self.create_driver(MotionEstimator()).place_again())

    def close(self) -> None:
        """Let go of every character and of the model; the last renderer frees the device's memory."""
        model, self._model = self._model, None
        self._scene = self._scenes = self._owner = None
        if model is not None:
            device = model.device
            del model
            release_memory(device)

    def _scene_of(self, character: Character) -> Scene:
        with self.device_errors():
            return self.scenes.scene(character)

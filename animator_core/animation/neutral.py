"""The driver's neutral pose, kept over other renderers, failures and other runs of the worker."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.kept_neutral import from_text, neutral_arrays, neutral_of_arrays, to_text
from animator_core.rendering.contract import Renderer


class KeptNeutral:
    """What was calibrated for one filter; used by its render thread, `text` by any."""

    def __init__(self, text: str = "") -> None:
        """text: what `text` was in another run."""
        arrays = from_text(text)
        self.text = text
        """The whole as one line of ASCII; "" before anything was found."""
        self._pose = neutral_of_arrays(arrays)
        self.face: Mapping[str, np.ndarray] = arrays
        """What renderers know of the neutral face, see `Renderer.set_neutral`."""
        self._seen: tuple[int, int] = (0, 0)

    def give(self, estimator: MotionEstimator) -> None:
        """Let an estimator begin with the neutral pose, if there is one."""
        if self._pose is not None:
            estimator.set_neutral(self._pose)
        self._seen = (estimator.neutral_changes, 0)

    def forget_face(self) -> None:
        """Forget what renderers know: another neutral face was asked for."""
        self.face = {}

    def note(self, estimator: MotionEstimator, renderer: Renderer) -> None:
        """Take what was found since the last call, or that it was forgotten."""
        face = renderer.neutral
        seen = (estimator.neutral_changes, id(face))
        if seen == self._seen:
            return
        self._seen = seen
        self._pose = estimator.neutral
        self.face = face or self.face
        pose = {} if self._pose is None else neutral_arrays(self._pose)
        self.text = to_text({**self.face, **pose}) if pose else ""

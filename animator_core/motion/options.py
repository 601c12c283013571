"""How driving motion becomes the character's: every choice, its range and its default, in one place."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from animator_core.errors import ConfigError
from animator_core.ipc.face_settings import SMOOTHING, STRENGTH, Range

REGIONS = ("all", "expression", "pose", "lips", "eyes")
DRIVING_OPTIONS = ("expression-friendly", "pose-friendly")


def _between(default: float, least: float, most: float) -> Any:
    return dataclasses.field(default=default, metadata={"range": (least, most)})


def _in(limits: Range) -> Any:
    return _between(*limits)


def _one_of(default: str, *choices: str) -> Any:
    return dataclasses.field(default=default, metadata={"choices": choices})


@dataclass(frozen=True)
class MotionOptions:
    """Everything that can be chosen; the defaults are those of the official command line. Raises ConfigError.

    is_relative: motion is measured against the neutral pose and added to the source's; else it replaces the source's.
    region: what moves: all, expression, pose, lips or eyes.
    driving_option: expression-friendly scales relative motion by the size of the source's keypoints against the first
    driven ones (1 where the clip begins with the neutral pose, as it always does live); pose-friendly does not.
    driving_multiplier: strength of the whole motion, 0 still to 3.
    stitching: fit the keypoints to the shoulders and hair, which do not move.
    normalize_lips: begin with closed lips if the source's are open by lip_normalize_threshold (0 to 1) or more.
    eye_retargeting, lip_retargeting: open and close eyes and lips in the source's own proportions.
    retargeting_keeps_motion: retargeting corrects the driving motion; False drops the motion instead where the motion
    is relative, as the official code does.
    source_video_eye_retargeting: hold the eyes of a source video open as in its first frame.
    smooth_observation_variance: of the smoother that runs over a whole clip where the source is a video; 1e-10 to 1.
    sensitivity_expression, sensitivity_pose: `STRENGTH` of each against the neutral pose.
    sensitivity_eyes, sensitivity_mouth: of the eyes' and lips' part of the expression, on top of that.
    sensitivity_gaze: of the eyes' sideways part, on top of that.
    gaze_x, gaze_y: added to the gaze, -25 to 25 each; the official editor's units, y up.
    smoothing: of live motion, 0 none to 1 strongest.
    """

    is_relative: bool = True
    region: str = _one_of("all", *REGIONS)
    driving_option: str = _one_of("expression-friendly", *DRIVING_OPTIONS)
    driving_multiplier: float = _between(1.0, 0.0, 3.0)
    stitching: bool = True
    normalize_lips: bool = False
    lip_normalize_threshold: float = _between(0.03, 0.0, 1.0)
    eye_retargeting: bool = False
    lip_retargeting: bool = False
    retargeting_keeps_motion: bool = True
    source_video_eye_retargeting: bool = False
    smooth_observation_variance: float = _between(3e-7, 1e-10, 1.0)
    sensitivity_expression: float = _in(STRENGTH)
    sensitivity_pose: float = _in(STRENGTH)
    sensitivity_eyes: float = _in(STRENGTH)
    sensitivity_mouth: float = _in(STRENGTH)
    sensitivity_gaze: float = _in(STRENGTH)
    gaze_x: float = _between(0.0, -25.0, 25.0)
    gaze_y: float = _between(0.0, -25.0, 25.0)
    smoothing: float = _in(SMOOTHING)

    def __post_init__(self) -> None:
        """Refuse what is of another type or out of range."""
        for each in dataclasses.fields(self):
            value, limits, choices = getattr(self, each.name), each.metadata.get("range"), each.metadata.get("choices")
            if choices is not None:
                if value not in choices:
                    raise _refused(each.name, value, f"one of {', '.join(choices)}")
            elif limits is not None:
                if not _is_number(value) or not limits[0] <= value <= limits[1]:
                    raise _refused(each.name, value, f"a number from {limits[0]:g} to {limits[1]:g}")
            elif not isinstance(value, bool):
                raise _refused(each.name, value, "true or false")

    @property
    def moves_pose(self) -> bool:
        """Whether the head turns and shifts."""
        return self.region in ("all", "pose")

    @property
    def moves_whole_expression(self) -> bool:
        """Whether the expression moves, not only that of lips or eyes."""
        return self.region in ("all", "expression")


def options_from(values: Mapping[str, Any]) -> MotionOptions:
    """Return the options named in ``values``, the rest as by default; raises ConfigError."""
    known = [each.name for each in dataclasses.fields(MotionOptions)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ConfigError(f"{name!r} is no motion option", hint)
    return MotionOptions(**values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refused(name: str, value: Any, expected: str) -> ConfigError:
    return ConfigError(f"the motion option {name} is {value!r:.80}, expected {expected}", "correct it")

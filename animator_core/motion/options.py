"""Options of motion transfer, with their ranges and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from animator_core.ipc.face_settings import SMOOTHING, STRENGTH, Range
from animator_core.yaml_reader import checked, kinds_of, number, one_of

if TYPE_CHECKING:
    from msgspec import Meta

REGIONS = ("all", "expression", "pose", "lips", "eyes")
DRIVING_OPTIONS = ("expression-friendly", "pose-friendly")


def within(limits: Range) -> Meta:
    """Limit a float to the range of a face setting."""
    return number(limits.least, limits.most)


@dataclass(frozen=True)
class MotionOptions:
    """How driving motion becomes the character's; the defaults are those of the official command line.

    is_relative: motion is measured against the neutral pose and added to the source's; else it replaces the source's.
    region: the part that moves: all, expression, pose, lips or eyes.
    driving_option: expression-friendly scales relative motion by the size of the source's keypoints divided by that of
    the first driving frame's (1 live, and for a clip that begins with the neutral pose); pose-friendly does not.
    driving_multiplier: strength of the whole motion, 0 still to 3.
    stitching: fit the keypoints to the shoulders and hair, which do not move.
    normalize_lips: begin with closed lips if the source's are open by lip_normalize_threshold (0 to 1) or more.
    eye_retargeting, lip_retargeting: open and close eyes and lips in the source's own proportions.
    retargeting_keeps_motion: retargeting corrects the driving motion; False: with is_relative it replaces the driving
    motion, as in the official code.
    source_video_eye_retargeting: hold the eyes of a source video open as in its first frame.
    smooth_observation_variance: of the smoother over a whole clip, for a source video; 1e-10 to 1.
    sensitivity_expression, sensitivity_pose: `STRENGTH` of each against the neutral pose.
    sensitivity_brows, sensitivity_eyes, sensitivity_mouth, sensitivity_gaze: `STRENGTH` of the brows', the eyes', the
    lips' and the eyes' sideways part of the expression, multiplied by sensitivity_expression.
    gaze_x, gaze_y: added to the gaze, -25 to 25 each; the official editor's units, y up.
    smoothing: `SMOOTHING` of live motion.
    """

    is_relative: bool = True
    region: Annotated[str, one_of(*REGIONS)] = "all"
    driving_option: Annotated[str, one_of(*DRIVING_OPTIONS)] = "expression-friendly"
    driving_multiplier: Annotated[float, number(0.0, 3.0)] = 1.0
    stitching: bool = True
    normalize_lips: bool = False
    lip_normalize_threshold: Annotated[float, number(0.0, 1.0)] = 0.03
    eye_retargeting: bool = False
    lip_retargeting: bool = False
    retargeting_keeps_motion: bool = True
    source_video_eye_retargeting: bool = False
    smooth_observation_variance: Annotated[float, number(1e-10, 1.0)] = 3e-7
    sensitivity_expression: Annotated[float, within(STRENGTH)] = STRENGTH.default
    sensitivity_pose: Annotated[float, within(STRENGTH)] = STRENGTH.default
    sensitivity_brows: Annotated[float, within(STRENGTH)] = STRENGTH.default
    sensitivity_eyes: Annotated[float, within(STRENGTH)] = STRENGTH.default
    sensitivity_mouth: Annotated[float, within(STRENGTH)] = STRENGTH.default
    sensitivity_gaze: Annotated[float, within(STRENGTH)] = STRENGTH.default
    gaze_x: Annotated[float, number(-25.0, 25.0)] = 0.0
    gaze_y: Annotated[float, number(-25.0, 25.0)] = 0.0
    smoothing: Annotated[float, within(SMOOTHING)] = SMOOTHING.default

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
    return MotionOptions(**checked(values, kinds_of(MotionOptions)))

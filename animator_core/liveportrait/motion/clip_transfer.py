"""The keypoints of a whole clip at once: driving videos, source videos and recorded templates."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from animator_core.arrays import AnyArray
from animator_core.errors import MotionError
from animator_core.liveportrait.motion.face_motion import FaceMotion, motion_from_arrays
from animator_core.liveportrait.motion.retargeting import Retargeters
from animator_core.liveportrait.motion.template import MotionTemplate
from animator_core.liveportrait.motion.transfer import MotionTransfer, expression_weights, expressive_mask
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.motion.options import MotionOptions

_FLAT_VOLUME = 1e-6
_TRANSITION_VARIANCE = 1e-5
_JITTER = 1e-9

# The expression of a neutral face with closed lips, in units of 1e-9.
_NEUTRAL_EXPRESSION = """
-94524 242220 -40097.4  208596 468054 12746.4  -124602 324972 4425  119652 -456624 54085.2  -265254 -74598 -15528
-33488.4 -183036 -3494.04  -475.428 -452.466 1594.98  -541296 2632800 7248.6  -11694 5005.02 9988.8
802.86 5191.32 -409344  166878 -19815 -88548  -15153.6 82506 5940.12  -261.054 2759.1 2210.28
-66282 -68286 -3453.18  -832620 -1795920 -2591.76  6971.4 36551.4 -1897.8  -4808.76 7114.8 -10323.6
-636840 -1166100 56231.4  283290 -14565.6 10974.6  -4160.22 -15090600 -2549400  222474 5627880 2726460
"""


@dataclass(frozen=True)
class KeypointClip:
    """The warping network's input, frame by frame: both (N, 21, 3) float32."""

    keypoints_source: torch.Tensor
    keypoints_driving: torch.Tensor


def template_keypoints(
    template: MotionTemplate, source: FaceMotion, networks: Retargeters, options: MotionOptions
) -> torch.Tensor:
    """Return the driving keypoints of every frame, (N, 21, 3): the recorded motion exactly, not smoothed.

    Raises MotionError if the options ask for something that the template lacks.
    """
    driving = motion_from_arrays(template.arrays())
    neutral = motion_from_arrays(template.neutral.arrays()) if template.neutral else None
    for is_asked, ratio, name in (
        (options.eye_retargeting, driving.eye_ratios, "eye_retargeting"),
        (options.lip_retargeting, driving.lip_ratio, "lip_retargeting"),
    ):
        if is_asked and ratio is None:
            raise MotionError(f"the template has nothing that {name} needs", f"turn liveportrait.{name} off")
    return transfer_clip(source, driving, networks=networks, options=options, neutral=neutral).keypoints_driving


def transfer_clip(
    source: FaceMotion,
    driving: FaceMotion,
    networks: Retargeters,
    options: MotionOptions,
    neutral: FaceMotion | None = None,
) -> KeypointClip:
    """Return the keypoints of a whole clip; relative motion is measured against ``neutral``, N = 1.

    source: N = 1, or a source video, of which as many frames are used as both have. driving: N frames of a clip, or
    N = 1 for a single picture. Without a neutral, as officially, a clip is measured against its first frame and a
    picture's expression against a neutral face with closed lips.
    """
    is_picture = len(driving) == 1 and neutral is None
    if len(source) > 1:
        count = len(source) if is_picture else min(len(source), len(driving))
        source = source.frames(0, count)
        driving = driving if is_picture else driving.frames(0, count)
    transfer = MotionTransfer(source, networks, options)
    is_first_neutral = neutral is None and not is_picture
    if neutral is None:
        has_no_reference = len(source) == 1 and options.region == "eyes"
        neutral = _picture_neutral(driving, has_no_reference) if is_picture else driving.frame(0)
    motion = transfer.combine(driving, neutral)
    if len(source) > 1:
        motion = _in_source_video(motion, source, driving=driving, is_picture=is_picture, options=options)
    keypoints = motion.keypoints
    is_friendly = options.is_relative and options.driving_option == "expression-friendly"
    if is_first_neutral and len(source) == 1 and is_friendly:
        scale = _size_ratio(transfer.keypoints_source, keypoints[:1])
        keypoints = transfer.keypoints_source + scale * (keypoints - keypoints[:1])
    keypoints = transfer.finish(keypoints, driving, neutral)
    return KeypointClip(transfer.keypoints_source.expand(len(keypoints), -1, -1), keypoints)


def _picture_neutral(driving: FaceMotion, has_no_reference: bool) -> FaceMotion:
    expression = neutral_expression().to(driving.expression.device)
    return replace(driving, expression=torch.zeros_like(expression) if has_no_reference else expression)


def _in_source_video(
    motion: FaceMotion, source: FaceMotion, driving: FaceMotion, is_picture: bool, options: MotionOptions
) -> FaceMotion:
    translation = source.translation if options.is_relative else motion.translation
    rotation, expression, variance = motion.rotation, motion.expression, options.smooth_observation_variance
    if not is_picture:
        rotation = smooth_clip(rotation, variance) if options.moves_pose else rotation
        expression = smooth_clip(expression, variance)
    mask = (expressive_mask() & (expression_weights(options) != 0)).to(expression.device)
    expression = torch.where(mask, expression, source.expression)
    return replace(motion, rotation=rotation, expression=expression, scale=source.scale, translation=translation)


def _size_ratio(keypoints_source: torch.Tensor, keypoints_first: torch.Tensor) -> float:
    source, first = (hull_volume(points[0].cpu().numpy()) for points in (keypoints_source, keypoints_first))
    return math.sqrt(source) / math.sqrt(first) if min(source, first) > _FLAT_VOLUME else 1.0


def hull_volume(points: AnyArray) -> float:
    """Return the volume of the convex hull of (N, 3) points; meant for N up to about 30; flat ones have about 0.

    A triangle of points is a face of the hull if all the others lie on one side of it; that is looked up for every
    triangle, which for 21 points takes about a millisecond.
    """
    points = np.asarray(points, np.float64)
    extent = float(np.ptp(points, axis=0).max()) if len(points) >= 4 else 0.0
    if extent == 0:
        return 0.0
    # Four points in one plane would be several faces in one place; too small a shift to matter keeps them apart.
    points = (points - points.mean(0)) / extent
    points = points + _JITTER * np.random.default_rng(0).uniform(-1, 1, points.shape)
    first, second, third = (points[list(index)] for index in zip(*itertools.combinations(range(len(points)), 3)))
    normals = np.cross(second - first, third - first)
    offsets = np.einsum("ij,ij->i", normals, first)
    sides = normals @ points.T - offsets[:, None]
    tolerance = 1e-14
    is_face = (sides <= tolerance).all(1) | (sides >= -tolerance).all(1)
    # The faces and the middle of all points make pyramids that fill the hull.
    return float(np.abs(offsets[is_face]).sum() / 6) * extent**3


def smooth_clip(values: torch.Tensor, observation_variance: float) -> torch.Tensor:
    """Return a clip, (N, …) float32, smoothed over its whole length: a random walk behind noise, each number by itself.

    observation_variance: of the noise, against 1e-5 of a step of the walk; larger is smoother. Needs the entire clip.
    """
    observed = values.double()
    filtered, variances, predicted = [observed[0]], [], []
    # Kalman: P₀ = 1, P⁻ = P + q, K = P⁻/(P⁻ + v), x += K(z − x), P = (1 − K)P⁻; the first frame has no prediction.
    variances.append(observation_variance / (1 + observation_variance))
    for seen in observed[1:]:
        predicted.append(variances[-1] + _TRANSITION_VARIANCE)
        gain = predicted[-1] / (predicted[-1] + observation_variance)
        filtered.append(filtered[-1] + gain * (seen - filtered[-1]))
        variances.append((1 - gain) * predicted[-1])
    # Rauch-Tung-Striebel: x̂_t = x_t + P_t/P⁻_{t+1} (x̂_{t+1} − x_t)
    smoothed = [filtered[-1]]
    for state, variance, prediction in zip(filtered[-2::-1], variances[-2::-1], predicted[::-1]):
        smoothed.append(state + variance / prediction * (smoothed[-1] - state))
    return torch.stack(smoothed[::-1]).to(values.dtype)


def neutral_expression() -> torch.Tensor:
    """Return the expression of a neutral face with closed lips, (1, 21, 3) float32."""
    numbers = np.array(_NEUTRAL_EXPRESSION.split(), np.float64) * 1e-9
    return torch.from_numpy(numbers.astype(np.float32)).reshape(1, KEYPOINT_COUNT, 3)

"""Corrections that open eyes and lips as far as the driver's, in the character's own proportions."""

from __future__ import annotations

from typing import Callable, Protocol

import torch

from animator_core.liveportrait.motion.face_motion import FaceMotion
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.motion.options import MotionOptions

LIP_KEYPOINTS = (6, 12, 14, 17, 19, 20)
EYE_KEYPOINTS = (11, 13, 15, 16, 18)
BROW_KEYPOINTS = (1, 2)
_ONE_EYE, _OTHER_EYE = (11, 13), (15, 16)
_MAX_OPENNESS = 1.6


class Retargeters(Protocol):
    """The three small networks, as `build.Networks` has them; keypoints (N, 21, 3), all float32."""

    def stitch(self, keypoints_source: torch.Tensor, keypoints_driving: torch.Tensor) -> torch.Tensor:
        """Return the driving keypoints fitted to the source's shoulders and hair."""
        ...

    def retarget_lips(self, keypoints_source: torch.Tensor, ratios: torch.Tensor) -> torch.Tensor:
        """Return deltas; ratios: (N, 2), the source's and the wanted one."""
        ...

    def retarget_eyes(self, keypoints_source: torch.Tensor, ratios: torch.Tensor) -> torch.Tensor:
        """Return deltas; ratios: (N, 3), the source's left and right one and the wanted one."""
        ...


def eye_delta(networks: Retargeters, source: FaceMotion, wanted: torch.Tensor) -> torch.Tensor:
    """Return the delta, (N, 21, 3), that opens both eyes of the source to ``wanted``, (N, 1)."""
    ratios = _of_source(source.eye_ratios, "eye")
    return _asked(networks.retarget_eyes, source.keypoints, ratios=ratios, wanted=wanted)


def lip_delta(networks: Retargeters, source: FaceMotion, wanted: torch.Tensor) -> torch.Tensor:
    """Return the delta, (N, 21, 3), that opens the source's lips to ``wanted``, (N, 1)."""
    return _asked(networks.retarget_lips, source.keypoints, ratios=_of_source(source.lip_ratio, "lip"), wanted=wanted)


def lip_closing_delta(networks: Retargeters, source: FaceMotion, threshold: float) -> torch.Tensor:
    """Return the delta that closes the source's lips, (N, 21, 3); 0 for lips that are open less than ``threshold``."""
    ratio = _of_source(source.lip_ratio, "lip")
    delta = lip_delta(networks, source, torch.zeros_like(ratio))
    return torch.where((ratio >= threshold)[:, :, None], delta, torch.zeros_like(delta))


def eye_correction(
    networks: Retargeters, source: FaceMotion, driving: FaceMotion, neutral: FaceMotion, options: MotionOptions
) -> torch.Tensor:
    """Return the delta that opens the driven eyes as far, in the source's proportions, as the driver's; (N, 21, 3).

    Closed comes out closed and neutral comes out as in the source, each eye by itself. The driving motion, which by
    itself opens the eyes by the driver's change of ratio, is corrected by the difference and thus kept.
    """
    ratios = _of_source(source.eye_ratios, "eye")
    if driving.eye_ratios is None or neutral.eye_ratios is None:
        raise ValueError("the driving motion has no eye ratios; record it with landmarks or turn eye_retargeting off")
    strength = options.sensitivity_expression * options.sensitivity_eyes
    openness = driving.eye_ratios / neutral.eye_ratios.clamp(min=0.05)
    wanted = ratios * (1 + strength * (openness - 1)).clamp(0, _MAX_OPENNESS)
    moved = strength if options.moves_whole_expression or options.region == "eyes" else 0.0
    if options.is_relative:
        reached = (ratios + moved * (driving.eye_ratios - neutral.eye_ratios)).clamp(min=0)
    else:
        reached = ratios + moved * (driving.eye_ratios - ratios)
    wanted_left, wanted_right, reached_left, reached_right = _each(
        networks.retarget_eyes, source, ratios=ratios, wanted=torch.cat((wanted, reached), 1)
    )
    share = _left_share(source)
    delta: torch.Tensor = share * (wanted_left - reached_left) + (1 - share) * (wanted_right - reached_right)
    return delta


def lip_correction(
    networks: Retargeters, source: FaceMotion, driving: FaceMotion, neutral: FaceMotion, options: MotionOptions
) -> torch.Tensor:
    """Return the delta that opens the driven lips as far as the driver's; (N, 21, 3).

    As `eye_correction`, but in the driver's own measure: lips close where the driver's do, whatever the source's did.
    """
    ratio = _of_source(source.lip_ratio, "lip")
    if driving.lip_ratio is None or neutral.lip_ratio is None:
        raise ValueError("the driving motion has no lip ratio; record it with landmarks or turn lip_retargeting off")
    strength = options.sensitivity_expression * options.sensitivity_mouth
    moved = strength if options.moves_whole_expression or options.region == "lips" else 0.0
    if options.is_relative:
        is_closed = options.normalize_lips & (ratio >= options.lip_normalize_threshold)
        start = torch.where(is_closed, torch.zeros_like(ratio), ratio)
        reached = (start + moved * (driving.lip_ratio - neutral.lip_ratio)).clamp(min=0)
    else:
        reached = ratio + moved * (driving.lip_ratio - ratio)
    wanted = (strength * driving.lip_ratio).expand_as(reached)
    at_wanted, at_reached = _each(networks.retarget_lips, source, ratios=ratio, wanted=torch.cat((wanted, reached), 1))
    delta: torch.Tensor = at_wanted - at_reached
    return delta


def _left_share(source: FaceMotion) -> torch.Tensor:
    """Return (N, 21, 1): how much of a keypoint belongs to the eye on the left of the picture."""
    assert source.canonical_keypoints is not None
    across = source.canonical_keypoints[:, :, 0]
    share = torch.full_like(across, 0.5)
    is_left = (across[:, _ONE_EYE].mean(1) < across[:, _OTHER_EYE].mean(1)).to(across.dtype)[:, None]
    share[:, _ONE_EYE] = is_left
    share[:, _OTHER_EYE] = 1 - is_left
    return share[:, :, None]


def _of_source(ratio: torch.Tensor | None, name: str) -> torch.Tensor:
    if ratio is None:
        raise ValueError(f"the source has no {name} ratio; give it landmarks or turn {name} retargeting off")
    return ratio


def _each(
    network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    source: FaceMotion,
    ratios: torch.Tensor,
    wanted: torch.Tensor,
) -> torch.Tensor:
    """Return (M, N, 21, 3): the deltas for each of the M columns of ``wanted``, (N, M), in one call of the network."""
    count, columns = wanted.shape
    keypoints = source.keypoints.expand(count, -1, -1).repeat(columns, 1, 1)
    repeated = ratios.expand(count, -1).repeat(columns, 1)
    deltas = _asked(network, keypoints, ratios=repeated, wanted=wanted.transpose(0, 1).reshape(-1, 1))
    return deltas.reshape(columns, count, KEYPOINT_COUNT, 3)


def _asked(
    network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    keypoints: torch.Tensor,
    ratios: torch.Tensor,
    wanted: torch.Tensor,
) -> torch.Tensor:
    count = max(len(keypoints), len(wanted))
    together = torch.cat((ratios.expand(count, -1), wanted.expand(count, -1)), 1)
    return network(keypoints.expand(count, -1, -1), together)

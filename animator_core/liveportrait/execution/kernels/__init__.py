"""Triton kernels for the functions of `optimized.operations`, which stay the readable definition; needs triton."""

from __future__ import annotations

from animator_core.liveportrait.execution.kernels.generator import modulated, modulated_upsampled, picture
from animator_core.liveportrait.execution.kernels.warping import hourglass_input, warped_features
from animator_core.liveportrait.execution.optimized.operations import Operations

FUSED = Operations(
    modulated=modulated,
    modulated_upsampled=modulated_upsampled,
    hourglass_input=hourglass_input,
    warped_features=warped_features,
    picture=picture,
)

"""All kernels together; importing this needs the package triton."""

from __future__ import annotations

from animator_core.liveportrait.execution.kernels.modulation import modulated, modulated_enlarged
from animator_core.liveportrait.execution.kernels.motion import hourglass_input, moved
from animator_core.liveportrait.execution.kernels.picture import picture
from animator_core.liveportrait.execution.optimized.operations import Operations

FUSED = Operations(modulated, modulated_enlarged, hourglass_input, moved, picture)

"""Turn device failures into our errors, and release GPU memory."""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Iterator

import torch

from animator_core.errors import DeviceLostError, ModelError, first_line

logger = logging.getLogger(__name__)

_OUT_OF_MEMORY = "out of memory"


@contextlib.contextmanager
def device_errors_as(failed: str, remedy: str, device: str | torch.device = "cpu") -> Iterator[None]:
    """Turn torch's errors of memory, drivers and lost devices into a ModelError: ``failed (reason); remedy``.

    A DeviceLostError if ``device`` no longer answers, also for a ModelError of another back end.
    """
    try:
        yield
    except RuntimeError as exc:
        kind = DeviceLostError if is_lost(device) else ModelError
        raise kind(f"{failed} ({first_line(exc, 160)})", remedy) from exc
    except ModelError as exc:
        if is_lost(device):
            raise DeviceLostError(*exc.args) from exc
        raise


def is_lost(device: str | torch.device) -> bool:
    """Return whether a CUDA device fails at every call, as after a driver reset or a fault in a kernel."""
    if torch.device(device).type != "cuda" or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as exc:
        return _OUT_OF_MEMORY not in str(exc)
    return False


def release_memory(device: str | torch.device) -> None:
    """Give a GPU's unused memory, which torch's allocator keeps, back to other programs."""
    # The model and its captured functions refer to each other.
    gc.collect()
    kind = torch.device(device).type
    if kind == "cpu":
        return
    try:
        getattr(torch, kind).empty_cache()
    except RuntimeError as exc:
        logger.info("cannot release the memory of %s: %s", device, first_line(exc, 160))

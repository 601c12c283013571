"""What is said, and what is let go of, when a device fails in the middle of the work."""

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
def device_errors_as(what: str, remedy: str, device: str | torch.device = "cpu") -> Iterator[None]:
    """Turn what torch raises of memory, drivers and devices that are gone into a ModelError: ``what``, why, remedy.

    It is a DeviceLostError if ``device`` does not answer any more; also for a back end that raised a ModelError itself.
    """
    try:
        yield
    except RuntimeError as exc:
        # torch's errors of memory and drivers are RuntimeErrors.
        kind = DeviceLostError if is_lost(device) else ModelError
        raise kind(f"{what} ({first_line(exc, 160)})", remedy) from exc
    except ModelError as exc:
        if is_lost(device):
            raise DeviceLostError(*exc.args) from exc
        raise


def is_lost(device: str | torch.device) -> bool:
    """Return whether a CUDA device fails at every call: after a driver's reset or a fault in a kernel all later do."""
    if torch.device(device).type != "cuda" or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as exc:
        return _OUT_OF_MEMORY not in str(exc)
    return False


def release_memory(device: str | torch.device) -> None:
    """Give a GPU's memory that nothing uses any more back to other programs; torch keeps it for itself otherwise."""
    # Recorded functions and the model that has them refer to each other.
    gc.collect()
    kind = torch.device(device).type
    if kind == "cpu":
        return
    try:
        getattr(torch, kind).empty_cache()
    except RuntimeError as exc:
        logger.info("the memory of %s cannot be released: %s", device, first_line(exc, 160))

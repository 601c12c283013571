"""Loads onnxruntime with its usage data switched off."""

from __future__ import annotations

import os
from typing import Any


def import_onnxruntime() -> Any:
    """Return the module; raises ImportError if it is not installed or does not load."""
    # From version 1.29 on it sends usage data unless this is set before it is loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    # On Windows it reports through the system's telemetry instead.
    onnxruntime.disable_telemetry_events()
    return onnxruntime

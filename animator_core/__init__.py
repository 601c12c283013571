"""The worker side of Stream Motion Animator; importing it imports nothing heavy.

The classes of the Python API (docs/API.md) are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from animator_core.api import AIAnimator, InferenceOptimizer, LivePortraitModel

__all__ = ["AIAnimator", "InferenceOptimizer", "LivePortraitModel"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from animator_core import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

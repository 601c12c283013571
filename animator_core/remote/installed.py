"""Whether the packages of the second computer are installed."""

from __future__ import annotations

import importlib.util

from animator_core.errors import AnimatorError

_PACKAGES = ("websockets", "lz4", "cryptography")


def require_installed() -> None:
    """Raise AnimatorError if one of the packages is missing."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise AnimatorError(f"the package {missing[0]} is missing", "run install.py --remote")

"""Checks everything that can be wrong with an installation."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from animator_core.config import MODELS_DIR, PROJECT_ROOT, Config, load_config
from animator_core.diagnostics.finding import FAILURE, OK, Check, Finding, Surroundings, failure_of
from animator_core.errors import ConfigError

_CHECKS = {
    "installation": ("python", "packages", "opencv", "mediapipe", "torch", "models"),
    "onnxruntime": ("onnxruntime",),
    "animation": ("characters", "tracker", "renderer", "ring"),
    "machine": ("folder", "cache", "disk", "cameras"),
    "obs": ("obs",),
}
"""By module of animator_core.diagnostics, without "check_", in the order of telling."""


def examine(config_path: Path | None) -> Iterator[Finding]:
    """Yield what every check finds; one that is itself stopped by a broken installation is a failure too."""
    config, finding = _check_config(config_path)
    yield finding
    surroundings = Surroundings(config, PROJECT_ROOT, MODELS_DIR)
    for module, names in _CHECKS.items():
        for name in names:
            yield from _findings_of(module, name, surroundings)


def _check_config(path: Path | None) -> tuple[Config, Finding]:
    try:
        return load_config(path), Finding("settings", OK, f"{path or 'assets/config.yaml'} is valid")
    except ConfigError as exc:
        return Config(), failure_of("settings", exc)
    except ImportError as exc:
        return Config(), Finding("settings", FAILURE, f"cannot be read: {exc}", "run install.py again")


def _findings_of(module: str, name: str, surroundings: Surroundings) -> list[Finding]:
    try:
        check: Check = getattr(importlib.import_module(f"animator_core.diagnostics.check_{module}"), f"check_{name}")
        return check(surroundings)
    except Exception as exc:
        # What is broken may break a check in any way, and the other checks shall be made all the same.
        detail = f"could not be checked ({type(exc).__name__}: {exc})"
        return [Finding(name, FAILURE, detail, "run install.py again; if that does not help, report this line")]

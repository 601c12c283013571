"""Runs all checks of an installation."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from animator_core.config import MODELS_DIR, PROJECT_ROOT, Config, load_config
from animator_core.diagnostics.finding import Check, CheckContext, Finding, failure, failure_of, ok
from animator_core.errors import ConfigError

_CHECKS = {
    "installation": ("python", "packages", "opencv", "mediapipe", "torch", "models"),
    "onnxruntime": ("onnxruntime",),
    "animation": ("characters", "tracker", "renderer", "ring"),
    "machine": ("folder", "cache", "disk", "cameras"),
    "obs": ("obs",),
    "collections": ("collections",),
}
"""Checks by module ``check_*`` of this package, in the order of the report."""


def examine(config_path: Path | None) -> Iterator[Finding]:
    """Yield the findings of all checks; a check that a broken installation stops is a failure too."""
    config, finding = _check_config(config_path)
    yield finding
    context = CheckContext(config, root=PROJECT_ROOT, models_dir=MODELS_DIR)
    for module, names in _CHECKS.items():
        for name in names:
            yield from _findings_of(module, name, context)


def _check_config(path: Path | None) -> tuple[Config, Finding]:
    try:
        return load_config(path), ok("settings", f"{path or 'assets/config.yaml'} is valid")
    except ConfigError as exc:
        return Config(), failure_of("settings", exc)
    except ImportError as exc:
        return Config(), failure("settings", f"cannot be read: {exc}", "run install.py again")


def _findings_of(module: str, name: str, context: CheckContext) -> list[Finding]:
    try:
        check: Check = getattr(importlib.import_module(f"animator_core.diagnostics.check_{module}"), f"check_{name}")
        return check(context)
    except Exception as exc:
        # A broken installation may break a check in any way; the other checks still run.
        detail = f"could not be checked ({type(exc).__name__}: {exc})"
        return [failure(name, detail, "run install.py again; if that does not help, report this line")]

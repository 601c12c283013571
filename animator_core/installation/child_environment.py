"""Environment variables for the Pythons that the installer starts, without those that would redirect it.

Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

# How Python prints and caches. All others change its module paths or its behaviour.
_KEPT_OF_PYTHON = ("PYTHONIOENCODING", "PYTHONUTF8", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
# The sources of packages and the way to them. All others (user, target, prefix, require-virtualenv, no-deps, ...)
# decide about the installation itself, which is the installer's business.
_KEPT_OF_PIP = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "trusted-host",
    "cert",
    "client-cert",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
    "resume-retries",
    "keyring-provider",
    "cache-dir",
    "no-cache-dir",
    "constraint",
)
# Measured with pip 23.2: `pip config list` printed nothing of a file that this reads.
_LIST_SETTINGS = """
import json
from pip._internal.configuration import Configuration
configuration = Configuration(isolated=False)
configuration.load()
print(json.dumps(list(configuration.items())))
"""


def python_environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return ``given`` without the variables that add other installations' modules (PYTHONPATH, PYTHONHOME, ...)."""
    kept = {name: value for name, value in given.items() if not name.startswith("PYTHON") or name in _KEPT_OF_PYTHON}
    kept.pop("__PYVENV_LAUNCHER__", None)
    return kept


def pip_environment(python: Path, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for ``python -m pip``: of the user's pip settings, only the sources of packages are kept."""
    environment = python_environment(given)
    settings = _pip_settings(python, environment)
    for name in [name for name in environment if name.startswith("PIP_")]:
        del environment[name]
    environment["PIP_CONFIG_FILE"] = os.devnull
    for name in _KEPT_OF_PIP:
        if name in settings:
            environment["PIP_" + name.upper().replace("-", "_")] = settings[name]
    return environment


def _pip_settings(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of ``pip install`` from pip's files and variables, the later over the earlier."""
    listed = subprocess.run(
        [str(python), "-c", _LIST_SETTINGS], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        found = dict(json.loads(listed.stdout))
    except ValueError:  # a file that pip cannot read
        return {}
    settings: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for key, value in found.items():
            if key.rpartition(".")[0] == section and value:
                settings[key.rpartition(".")[2]] = " ".join(value.split())
    return settings

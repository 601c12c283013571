"""Tells the user which file to choose if OBS was given another file of this folder as a script.

OBS's file dialog shows them all. Each begins with ``if not __package__: __import__("wrong_script").claim(globals())``:
OBS imports a script by its bare name, but the plugin imports the same file as a part of the package.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Dict

_TEXT = (
    "This file is a part of Stream Motion Animator and not its script. Remove it with the - button, then press + and "
    "choose stream_motion_animator.py in the same folder."
)


def claim(module: Dict[str, Any]) -> None:  # noqa: UP006 - read at run time by Python 3.8
    """Turn the module with these globals into a script that shows this text only."""
    module["script_description"] = lambda: f"<h2>The wrong file</h2>{_TEXT}"
    module["script_load"] = _complain
    # What the module imports must be found, or OBS shows a traceback in place of the text.
    root = str(Path(__file__).resolve().parents[1])
    sys.path.insert(0, root)
    try:
        __import__("animator_core")
        __import__("obs_plugin")
    finally:
        sys.path.remove(root)


def _complain(_settings: Any) -> None:
    import obspython as obs

    obs.script_log(obs.LOG_WARNING, _TEXT)


if not __package__:
    claim(globals())

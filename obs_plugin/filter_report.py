"""A filter's condition for other programs."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from obs_plugin.request_data import Content
from obs_plugin.status_line import Condition
from obs_plugin.wording import sentences

NUMBERS = ("fps", "latency_ms")
"""The keys that are different at every look."""


def report(condition: Condition) -> Content:
    """Return the condition as a JSON object.

    state: one of `protocol.STATES`, or "starting" before the first status; "error" if there is no animation. message,
    remedy: the present problem in whole sentences, or "".
    """
    status, complaint = condition.status, condition.complaint
    state = "error" if condition.failure is not None else status.state if status is not None else "starting"
    return {
        "state": state,
        "fps": round(status.fps, 1) if status is not None else 0.0,
        "latency_ms": round(status.latency_ms, 1) if status is not None else 0.0,
        "renderer": status.renderer if status is not None else "",
        "device": status.device if status is not None else "",
        "hidden": condition.is_hidden,
        "message": sentences(complaint.message, "", condition.folder) if complaint is not None else "",
        "remedy": sentences("", complaint.remedy, condition.folder) if complaint is not None else "",
    }

"""The panel's section for trouble: the renderer, what is shown instead of an animation, and a new start."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from animator_core.ipc.protocol import RENDERERS
from obs_plugin.filter import AnimatorFilter
from obs_plugin.panel_state import PanelView
from obs_plugin.panel_widgets import Action, Widgets
from obs_plugin.properties import EFFORTS, PROBLEM_DISPLAYS
from obs_plugin.session import Session
from obs_plugin.texts import text


def add(widgets: Widgets, _view: PanelView) -> None:
    widgets.choice("renderer", RENDERERS)
    widgets.choice("effort", tuple(EFFORTS))
    widgets.choice("on_problem", PROBLEM_DISPLAYS)
    widgets.button("reset")


def arrange(widgets: Widgets, view: PanelView) -> None:
    widgets.describe("reset", text("Panel.reset.Sure" if view.is_reset_armed else "Panel.reset"))


def reset(session: Session, instance: AnimatorFilter, _: str) -> bool:
    """Reset on the second press in a row: on the first one would lose a setting by a slip of the mouse."""
    is_armed, instance.panel.is_reset_armed = instance.panel.is_reset_armed, not instance.panel.is_reset_armed
    if is_armed:
        session.reset_settings(instance)
    return not is_armed


ACTIONS: dict[str, Action] = {"reset": reset}

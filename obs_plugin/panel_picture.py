"""The panel's section of the picture: its place in the camera's frame, the background and the label."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from obs_plugin.framing import BACKGROUNDS, FRAMING_RANGES
from obs_plugin.panel_state import PanelView
from obs_plugin.panel_widgets import Action, Widgets
from obs_plugin.properties import FITS

_STEPS = {"zoom": 0.01, "offset_x": 0.005, "offset_y": 0.005, "rotation": 0.5}


def add(widgets: Widgets, _view: PanelView) -> None:
    widgets.choice("fit", FITS)
    for key, limits in FRAMING_RANGES.items():
        widgets.slider(key, limits, _STEPS[key])
    widgets.choice("background", BACKGROUNDS, reacts=True)
    widgets.color("background_color")
    widgets.flag("label")


def arrange(widgets: Widgets, view: PanelView) -> None:
    widgets.show("background_color", view.settings.background == "color")


ACTIONS: dict[str, Action] = {}

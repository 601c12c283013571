"""The panel's section of the picture: how the character stands in the camera's frame."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from obs_plugin.panel_state import PanelView
from obs_plugin.panel_widgets import Action, Widgets
from obs_plugin.properties import FITS


def add(widgets: Widgets, _view: PanelView) -> None:
    widgets.choice("fit", FITS)


def arrange(_widgets: Widgets, _view: PanelView) -> None:
    """Nothing here depends on anything else."""


ACTIONS: dict[str, Action] = {}

"""The panel's section of the movement: how the face drives the character."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from animator_core.ipc.face_settings import PRESETS, RANGES
from obs_plugin.filter import AnimatorFilter
from obs_plugin.panel_state import PanelView
from obs_plugin.panel_widgets import Action, Widgets
from obs_plugin.properties import REGIONS
from obs_plugin.session import Session


def add(widgets: Widgets, _view: PanelView) -> None:
    widgets.flag("mirror")
    widgets.flag("still_shoulders")
    for preset in PRESETS:
        widgets.button(f"preset:{preset}")
    widgets.choice("region", tuple(REGIONS), reacts=True)
    for key, limits in RANGES.items():
        widgets.slider(key, limits)
    widgets.button("forget_calibration")


def arrange(widgets: Widgets, view: PanelView) -> None:
    # LivePortrait moves no shoulders.
    widgets.show("still_shoulders", view.renderer != "liveportrait")
    # A strength of a part that does not move has no effect.
    for key in RANGES:
        widgets.show(key, key == "smoothing" or key in REGIONS[view.settings.region])


def take_preset(session: Session, instance: AnimatorFilter, name: str) -> bool:
    # The sliders follow as soon as OBS has the values.
    session.change_settings(instance, PRESETS[name])
    return False


def forget_calibration(session: Session, instance: AnimatorFilter, _: str) -> bool:
    session.act(instance, "forget_calibration")
    return False


ACTIONS: dict[str, Action] = {"preset": take_preset, "forget_calibration": forget_calibration}

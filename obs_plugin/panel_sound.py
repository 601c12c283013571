"""The panel's section of the sound: a button a microphone, which delays it by as long as the animation takes."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from obs_plugin.filter import AnimatorFilter
from obs_plugin.panel_state import PanelView
from obs_plugin.panel_widgets import Action, Widgets, cut
from obs_plugin.session import Session
from obs_plugin.texts import text


def add(widgets: Widgets, view: PanelView) -> None:
    widgets.note("sound_note")
    for microphone in view.microphones:
        widgets.button(f"delay:{microphone.name}")


def arrange(widgets: Widgets, view: PanelView) -> None:
    key = "Panel.sound_note" if view.microphones else "Panel.sound_note.None"
    note = text(key, delay=str(view.delay_ms)) if view.delay_ms else text("Panel.sound_note.Unknown")
    widgets.describe("sound_note", note)
    for name, delay_ms in view.microphones:
        # An open panel has no button yet for one that came meanwhile.
        if widgets.has(f"delay:{name}"):
            label = text("Panel.delay", name=name, delay=str(view.delay_ms), now=str(delay_ms))
            widgets.describe(f"delay:{name}", cut(label))
            widgets.enable(f"delay:{name}", bool(view.delay_ms))


def delay(session: Session, instance: AnimatorFilter, name: str) -> bool:
    session.delay_sound(instance, name)
    return False


ACTIONS: dict[str, Action] = {"delay": delay}

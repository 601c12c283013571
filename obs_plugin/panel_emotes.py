"""The panel's section of the emotes: a button each."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from obs_plugin.filter import AnimatorFilter
from obs_plugin.panel_state import PanelView
from obs_plugin.panel_widgets import Action, Widgets, cut
from obs_plugin.session import Session
from obs_plugin.texts import emote_name, text


def add(widgets: Widgets, view: PanelView) -> None:
    for emote in view.emotes:
        widgets.button(f"emote:{emote}")
    widgets.note("emotes_note")


def arrange(widgets: Widgets, view: PanelView) -> None:
    for emote in view.emotes:
        # An open panel has no button yet for one that was recorded meanwhile.
        if widgets.has(f"emote:{emote}"):
            widgets.describe(f"emote:{emote}", cut(emote_name(emote)))
    widgets.describe("emotes_note", text("Panel.emotes_note"))


def play(session: Session, instance: AnimatorFilter, emote: str) -> bool:
    session.play(emote, [instance])
    return False


ACTIONS: dict[str, Action] = {"emote": play}

"""The panel's section of the emotes and of the character's expressions: a button each."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from animator_core.ipc.protocol import BY_FACE
from obs_plugin.filter import AnimatorFilter
from obs_plugin.panel_state import PanelView
from obs_plugin.panel_widgets import Action, Widgets, cut
from obs_plugin.session import Session
from obs_plugin.texts import emote_name, expression_name, text


def add(widgets: Widgets, view: PanelView) -> None:
    for expression in _expressions(view):
        widgets.button(f"expression:{expression}")
    for emote in view.emotes:
        widgets.button(f"emote:{emote}")
    widgets.note("emotes_note")


def arrange(widgets: Widgets, view: PanelView) -> None:
    # An open panel has no button yet for one that came meanwhile.
    for expression in _expressions(view):
        mark = "●" if expression == view.settings.expression else "○"
        if widgets.has(f"expression:{expression}"):
            widgets.describe(f"expression:{expression}", cut(f"{mark} {expression_name(expression)}"))
    for emote in view.emotes:
        if widgets.has(f"emote:{emote}"):
            widgets.describe(f"emote:{emote}", cut(emote_name(emote)))
    widgets.describe("emotes_note", text("Panel.emotes_note"))


def _expressions(view: PanelView) -> tuple[str, ...]:
    """Return what the expression may be set to, () for a character with one picture."""
    return ("", *view.expressions, BY_FACE) if view.expressions else ()


def express(session: Session, instance: AnimatorFilter, expression: str) -> bool:
    session.express(expression, [instance])
    return False


def play(session: Session, instance: AnimatorFilter, emote: str) -> bool:
    session.play(emote, [instance])
    return False


ACTIONS: dict[str, Action] = {"emote": play, "expression": express}

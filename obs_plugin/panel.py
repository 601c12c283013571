"""The filter's panel: its sections, and the actions of its buttons.

OBS cannot change a line of an open panel: it makes every widget anew, which closes a list that is open and lets go of
a slider that is held. So the part that refreshes by itself has buttons and texts only, and while a section with lists
or sliders is unfolded, the panel is not refreshed. An unfolded section takes the place of all the others, so that it is
seen without scrolling on a small screen.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from pathlib import Path

import animator_core
from obs_plugin import (
    panel_adding,
    panel_characters,
    panel_emotes,
    panel_movement,
    panel_picture,
    panel_sound,
    panel_trouble,
)
from obs_plugin.filter import AnimatorFilter
from obs_plugin.libobs import LibObs
from obs_plugin.panel_state import PanelView, Section
from obs_plugin.panel_widgets import Action, Callbacks, Widgets, cut
from obs_plugin.session import Session
from obs_plugin.texts import text

_SECTIONS = {
    Section.CHARACTERS: panel_characters,
    Section.ADDING: panel_adding,
    Section.EMOTES: panel_emotes,
    Section.MOVEMENT: panel_movement,
    Section.PICTURE: panel_picture,
    Section.SOUND: panel_sound,
    Section.TROUBLE: panel_trouble,
}
_HELP = Path(__file__).resolve().parents[1] / "README.md"


def build(lib: LibObs, view: PanelView, callbacks: Callbacks) -> int:
    """Return a new ``obs_properties_t``."""
    widgets = Widgets(lib, lib.obs_properties_create(), callbacks)
    widgets.note("status")
    for section, module in _SECTIONS.items():
        widgets.button(section.value)
        if section is Section.CHARACTERS:
            widgets.note("warning")
        with widgets.group(f"{section.value}_group") as content:
            module.add(content, view)
        if section is Section.CHARACTERS:
            widgets.button("calibrate")
            widgets.button("refresh")
    widgets.note("about")
    arrange(widgets, view)
    return widgets.handle


def arrange(widgets: Widgets, view: PanelView) -> None:
    """Update a panel's texts and its folded sections; a new character needs a new panel."""
    note = text("Status.Rests") if view.section.rests else ""
    widgets.describe("status", view.status_line.as_block(note), warns=view.status_line.is_problem)
    for section, module in _SECTIONS.items():
        is_open = view.section is section
        values = {"name": panel_characters.current_label(view)} if section is Section.CHARACTERS else {}
        title = text(f"Panel.{section.value}", **values)
        widgets.describe(section.value, cut(f"{'▴' if is_open else '▾'} {title}"))
        widgets.show(section.value, is_open or view.section is Section.NONE)
        widgets.show(f"{section.value}_group", is_open)
        module.arrange(widgets, view)
    widgets.show("calibrate", view.section is Section.NONE)
    is_about_character = view.section in (Section.NONE, Section.CHARACTERS)
    widgets.show("refresh", is_about_character)
    warning = panel_characters.warning(view.current, view) if view.current is not None else ""
    widgets.describe("warning", warning, warns=True)
    widgets.show("warning", bool(warning) and is_about_character)
    widgets.show("about", view.section is Section.NONE)
    link = f'<a href="{_HELP.as_uri()}">{text("Panel.about.Help")}</a>'
    widgets.describe(
        "about", f"Stream Motion Animator {animator_core.__version__} · {link}<br>{text('Panel.about.Credit')}"
    )


def press(session: Session, instance: AnimatorFilter, button: str) -> bool:
    """Do the action of a button, and return whether to `arrange` the panel."""
    name, _, argument = button.partition(":")
    if name != "reset":
        instance.panel.is_reset_armed = False
    for section in _SECTIONS:
        if name == section.value:
            instance.panel.toggle(section)
            return True
    return _ACTIONS[name](session, instance, argument)


def _calibrate(session: Session, instance: AnimatorFilter, _: str) -> bool:
    session.act(instance, "calibrate")
    return False


def _refresh(session: Session, _instance: AnimatorFilter, _: str) -> bool:
    # The panel follows by itself as soon as the worker has answered.
    session.refresh()
    return False


_ACTIONS: dict[str, Action] = {"calibrate": _calibrate, "refresh": _refresh}
for _module in _SECTIONS.values():
    _ACTIONS.update(_module.ACTIONS)

"""The panel's section for adding a picture: OBS's own file dialog.

While that is open the panel must not be made anew, which would take the dialog's widget away. So this section rests,
and is folded as soon as a picture was chosen.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import os

from animator_core.ipc.character_names import SUFFIXES
from obs_plugin.filter import AnimatorFilter
from obs_plugin.panel_state import PanelView, Section
from obs_plugin.panel_widgets import Action, Widgets
from obs_plugin.picture_adding import SETTING
from obs_plugin.session import Session
from obs_plugin.texts import text


def add(widgets: Widgets, _view: PanelView) -> None:
    widgets.file(SETTING, f"{text('Panel.added_picture.Kind')} (*{' *'.join(SUFFIXES)})")
    widgets.note("adding_note")


def arrange(widgets: Widgets, _view: PanelView) -> None:
    widgets.describe("adding_note", text("Panel.adding_note"))


def chosen(session: Session, instance: AnimatorFilter, path: str) -> None:
    """Add the picture that was chosen; OBS also tells the setting of a panel that was only opened."""
    if instance.panel.section is Section.ADDING and os.path.isabs(path):
        session.add_picture(instance, path)


ACTIONS: dict[str, Action] = {}

"""The panel's section of the characters: a button each, with its number, its faults, and its folder.

Buttons and no list: OBS makes the widgets of an open panel anew, which would close a list under the hand.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from animator_core.ipc.protocol import CharacterEntry
from obs_plugin import file_manager
from obs_plugin.filter import AnimatorFilter
from obs_plugin.panel_state import PanelView, Section
from obs_plugin.panel_widgets import LONGEST_LABEL, Action, Widgets, cut
from obs_plugin.session import Session
from obs_plugin.texts import text
from obs_plugin.wording import file_as_subject, sentences

_CHOICE = "character:"


def add(widgets: Widgets, view: PanelView) -> None:
    widgets.note("added")
    for entry in view.characters:
        widgets.button(_CHOICE + entry.file)
    widgets.button("cut_out")
    widgets.button("thumbnails")
    widgets.button("open_folder")


def arrange(widgets: Widgets, view: PanelView) -> None:
    widgets.describe("added", view.added, warns=True)
    widgets.show("added", bool(view.added))
    for entry in view.characters:
        name = _CHOICE + entry.file
        if widgets.has(name):
            widgets.describe(name, _choice_label(entry, view))
            widgets.enable(name, not entry.problem)
            if entry.problem or entry.warning:
                widgets.explain(name, _reason(entry, view) if entry.problem else warning(entry, view))


def choose(session: Session, instance: AnimatorFilter, file: str) -> bool:
    instance.obs_source.change_character(lambda _: file)
    instance.panel.toggle(Section.CHARACTERS)
    return True


def open_folder(session: Session, _instance: AnimatorFilter, _: str) -> bool:
    file_manager.open_folder(session.characters_folder)
    return False


def cut_out(session: Session, instance: AnimatorFilter, _: str) -> bool:
    session.cut_out(instance)
    return True


def open_thumbnails(session: Session, _instance: AnimatorFilter, _: str) -> bool:
    session.open_thumbnails()
    return False


ACTIONS: dict[str, Action] = {
    "character": choose,
    "cut_out": cut_out,
    "thumbnails": open_thumbnails,
    "open_folder": open_folder,
}


def current_label(view: PanelView) -> str:
    """Return the name of the character in use, for the section's title."""
    if view.current is None:
        return text("Character.Missing", name=view.setting) if view.setting else text("Character.None")
    name = _numbered(view.current, view)
    return name if view.setting else text("Character.Default", name=name)


def warning(entry: CharacterEntry, view: PanelView) -> str:
    """Return what will look wrong of a character, and what helps, in sentences; "" for nothing."""
    return sentences(entry.warning, entry.advice, view.folder)


def _choice_label(entry: CharacterEntry, view: PanelView) -> str:
    if entry.problem:
        name = cut(_numbered(entry, view), LONGEST_LABEL // 2)
        reason, begin = _reason(entry, view), file_as_subject(entry.file)
        fault = reason[len(begin) :] if reason.startswith(begin) else f": {reason}"
        return cut(f"✕ {name}{fault}")
    is_current = view.current is not None and entry.file == view.current.file
    mark = " ⚠" if entry.warning else ""
    return cut(f"{'●' if is_current else '○'} {_numbered(entry, view)}", LONGEST_LABEL - len(mark)) + mark


def _reason(entry: CharacterEntry, view: PanelView) -> str:
    return sentences(entry.problem, entry.remedy, view.folder)


def _numbered(entry: CharacterEntry, view: PanelView) -> str:
    number = view.numbers.index(entry.file) + 1 if entry.file in view.numbers else 0
    return f"{number} {entry.display_name}" if number else entry.display_name

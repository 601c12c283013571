"""Makes and changes the widgets of a panel; their labels and tooltips come from the locale by the widget's name.

The label of the widget ``mirror`` is the text ``Panel.mirror``, its tooltip ``Panel.mirror.Tip``; a colon in a name is
a dot in the key.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import contextlib
from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from animator_core.ipc.face_settings import Range
from obs_plugin import libobs, texts
from obs_plugin.filter import AnimatorFilter
from obs_plugin.libobs import LibObs
from obs_plugin.session import Session
from obs_plugin.texts import text

Action = Callable[[Session, AnimatorFilter, str], bool]
"""The action of a button; the text is what follows a colon in its name. Returns whether to arrange the panel."""

LONGEST_LABEL = 48
"""Characters of a button: a longer one makes the panel wider than OBS's window, which then cuts its right edge off."""


@dataclass(frozen=True)
class Callbacks:
    """The addresses of permanent callbacks, and the key of the filter, which `on_change` gets first.

    on_press: of all buttons. on_change: of settings on which other widgets depend.
    """

    on_press: int = 0
    on_change: int = 0
    key: int = 0


class Widgets:
    """The widgets of one ``obs_properties_t``; groups are searched as well when a widget is changed."""

    def __init__(self, lib: LibObs, handle: int, callbacks: Callbacks = Callbacks()) -> None:
        """callbacks: needed to add widgets."""
        self.lib = lib
        self.handle = handle
        self._callbacks = callbacks

    # --- making ---

    def note(self, name: str) -> None:
        """Add a text without a label; `describe` fills it."""
        self.lib.obs_properties_add_text(self.handle, name.encode(), b" ", libobs.TEXT_INFO)

    def button(self, name: str) -> None:
        label = encoded(_label(name))
        function, on_press = self.lib.obs_properties_add_button, self._callbacks.on_press
        self._explain(name, function(self.handle, name.encode(), label, on_press))

    def flag(self, name: str) -> None:
        """Add a check box for a setting."""
        self._explain(name, self.lib.obs_properties_add_bool(self.handle, name.encode(), encoded(_label(name))))

    def color(self, name: str) -> None:
        """Add a button for a setting that is a colour."""
        self._explain(name, self.lib.obs_properties_add_color(self.handle, name.encode(), encoded(_label(name))))

    def slider(self, name: str, limits: Range, step: float = 0.05) -> None:
        """Add a slider for a setting that is a number."""
        label, (_, least, most) = encoded(_label(name)), limits
        function = self.lib.obs_properties_add_float_slider
        self._explain(name, function(self.handle, name.encode(), label, least, most, step))

    def choice(self, name: str, values: Sequence[str], *, reacts: bool = False) -> None:
        """Add a list for a setting; the text of a value is ``Panel.NAME.VALUE``.

        reacts: whether the panel is arranged anew at every change.
        """
        function, label = self.lib.obs_properties_add_list, encoded(_label(name))
        made = function(self.handle, name.encode(), label, libobs.COMBO_TYPE_LIST, libobs.COMBO_FORMAT_STRING)
        for value in values:
            self.lib.obs_property_list_add_string(made, encoded(text(f"{_key(name)}.{value}")), value.encode())
        self._explain(name, made)
        if reacts:
            on_change, key = self._callbacks.on_change, self._callbacks.key
            self.lib.obs_property_set_modified_callback2(made, on_change, key)

    def file(self, name: str, kinds: str) -> None:
        """Add a field with a button for a setting that is the path of a file; kinds: as in Qt's file dialog.

        The panel is arranged anew at every change.
        """
        label, callbacks = encoded(_label(name)), self._callbacks
        function = self.lib.obs_properties_add_path
        made = function(self.handle, name.encode(), label, libobs.PATH_FILE, encoded(kinds), None)
        self._explain(name, made)
        self.lib.obs_property_set_modified_callback2(made, callbacks.on_change, callbacks.key)

    @contextlib.contextmanager
    def group(self, name: str) -> Iterator[Widgets]:
        """Add a frame with a title around the widgets that are added to what is yielded."""
        content = self.lib.obs_properties_create()
        yield Widgets(self.lib, content, self._callbacks)
        label = encoded(_label(name))
        self.lib.obs_properties_add_group(self.handle, name.encode(), label, libobs.GROUP_NORMAL, content)

    def _explain(self, name: str, made: int) -> None:
        tip = f"{_key(name)}.Tip"
        if texts.has(tip):
            self.lib.obs_property_set_long_description(made, encoded(text(tip)))

    # --- changing ---

    def describe(self, name: str, description: str, *, warns: bool | None = None) -> None:
        """Set the text of a widget; warns: whether an info is coloured as a warning."""
        widget = self._get(name)
        self.lib.obs_property_set_description(widget, encoded(description or " "))
        if warns is not None:
            kind = libobs.TEXT_INFO_WARNING if warns else libobs.TEXT_INFO_NORMAL
            self.lib.obs_property_text_set_info_type(widget, kind)

    def explain(self, name: str, tip: str) -> None:
        """Set the tooltip of a widget."""
        self.lib.obs_property_set_long_description(self._get(name), encoded(tip))

    def show(self, name: str, is_visible: bool) -> None:
        self.lib.obs_property_set_visible(self._get(name), is_visible)

    def enable(self, name: str, is_enabled: bool) -> None:
        self.lib.obs_property_set_enabled(self._get(name), is_enabled)

    def has(self, name: str) -> bool:
        return bool(self._get(name))

    def _get(self, name: str) -> int:
        return int(self.lib.obs_properties_get(self.handle, name.encode()) or 0)


def cut(label: str, longest: int = LONGEST_LABEL) -> str:
    """Return a label that is no longer than so many characters."""
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def encoded(label: str) -> bytes:
    return label.encode("utf-8", "replace")


def _key(name: str) -> str:
    return f"Panel.{name.replace(':', '.')}"


def _label(name: str) -> str:
    # A widget without a text of its own gets it from `describe`.
    return text(_key(name)) if texts.has(_key(name)) else " "

"""The filter's panel: its widgets, and the actions of its buttons.

OBS cannot change a line of an open panel: it makes every widget anew, which closes a list that is open. So the part
that refreshes by itself has no list: the characters are buttons, unfolded on demand. Lists are under Advanced, and
while that is unfolded the panel is not refreshed.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from pathlib import Path

import animator_core
from animator_core.ipc.face_settings import PRESETS, RANGES
from animator_core.ipc.protocol import RENDERERS, CharacterEntry
from obs_plugin import libobs
from obs_plugin.filter import AnimatorFilter
from obs_plugin.libobs import LibObs
from obs_plugin.panel_state import PanelView, Section
from obs_plugin.properties import FITS, PROBLEM_DISPLAYS
from obs_plugin.session import Session
from obs_plugin.wording import sentences

_FIT_LABELS = ("Whole character in the frame", "Fill the frame", "The character's own size")
_PROBLEM_LABELS = ("The still character (private)", "The camera", "Nothing")
_RENDERER_LABELS = ("Automatic", "LivePortrait (GPU)", "Anime characters (any computer)", "Warp (any computer)")
_FACE_LABELS = {
    "sensitivity_pose": "Head movement",
    "sensitivity_expression": "Expression",
    "sensitivity_brows": "Brows",
    "sensitivity_eyes": "Eyelids",
    "sensitivity_mouth": "Mouth",
    "sensitivity_gaze": "Gaze",
    "smoothing": "Smoothing",
}
_TOOLTIPS = {
    "mirror": "The character moves like your image in a mirror.",
    "calibrate": "Makes your face as it is now the neutral one, until you forget it or press again.",
    "forget_calibration": "Finds your neutral face anew while you move as usual: for another person, or a wrong press.",
    "refresh": "Looks again for pictures in the characters folder, and starts an animation that has stopped.",
    "renderer": "Automatic takes the best that this computer can do.",
    "fit": "How large the character is in the camera's frame.",
    "on_problem": "Shown while the animation starts, and if it fails.",
    "sensitivity_pose": "How far the head turns and shifts: 0 not at all, 1 as far as yours.",
    "sensitivity_expression": "How strongly the whole face moves: 0 not at all, 1 as strongly as yours.",
    "sensitivity_brows": "Of the brows alone, on top of the expression.",
    "sensitivity_eyes": "Of blinks and wide eyes alone, on top of the expression.",
    "sensitivity_mouth": "Of mouth and jaw alone, on top of the expression.",
    "sensitivity_gaze": "Of the looking direction alone, on top of the expression.",
    "smoothing": "Higher is calmer, and follows a little later.",
    "preset:subtle": "Smaller and calmer movements.",
    "preset:natural": "Everything as your camera sees it.",
    "preset:lively": "Larger and quicker movements.",
}
_LONGEST_LABEL = 48
"""Characters of a button: a longer one makes the panel wider than OBS's window, which then cuts its right edge off."""
_CHOICE, _PRESET = "character:", "preset:"
_CREDIT = "Anime networks: Talking Head Anime 3 by Pramook Khungurn, CC BY 4.0"
_HELP = Path(__file__).resolve().parents[1] / "README.md"


def build(lib: LibObs, view: PanelView, on_press: int) -> int:
    """Return a new ``obs_properties_t``; on_press: address of the permanent callback of all buttons."""
    panel = lib.obs_properties_create()
    lib.obs_properties_add_text(panel, b"status", b" ", libobs.TEXT_INFO)
    lib.obs_properties_add_button(panel, b"characters", b" ", on_press)
    lib.obs_properties_add_text(panel, b"warning", b" ", libobs.TEXT_INFO)
    choices = lib.obs_properties_create()
    for entry in view.characters:
        lib.obs_properties_add_button(choices, (_CHOICE + entry.file).encode(), b" ", on_press)
    lib.obs_properties_add_group(panel, b"choices", b"Choose a character", libobs.GROUP_NORMAL, choices)
    lib.obs_properties_add_button(panel, b"calibrate", b"Calibrate: this is my neutral face", on_press)
    lib.obs_properties_add_button(panel, b"forget_calibration", b"Forget calibration", on_press)
    lib.obs_properties_add_bool(panel, b"mirror", b"Mirror my movements")
    lib.obs_properties_add_button(panel, b"refresh", b"Refresh characters and status", on_press)
    lib.obs_properties_add_button(panel, b"unfold", b" ", on_press)
    lib.obs_properties_add_group(panel, b"advanced", b"Advanced", libobs.GROUP_NORMAL, _advanced(lib, on_press))
    about = f'Stream Motion Animator {animator_core.__version__} · <a href="{_HELP.as_uri()}">Help</a><br>{_CREDIT}'
    lib.obs_properties_add_text(panel, b"about", about.encode(), libobs.TEXT_INFO)
    for name, text in _TOOLTIPS.items():
        # Searches groups as well.
        lib.obs_property_set_long_description(lib.obs_properties_get(panel, name.encode()), text.encode())
    arrange(lib, panel, view)
    return int(panel)


def arrange(lib: LibObs, panel: int, view: PanelView) -> None:
    """Update a panel's texts and folded sections; a new character needs a new panel."""
    is_advanced, is_choosing = view.section is Section.ADVANCED, view.section is Section.CHARACTERS
    status = lib.obs_properties_get(panel, b"status")
    rests = "\n(This line rests while Advanced is open.)" if is_advanced else ""
    lib.obs_property_set_description(status, _encoded(view.status_line.text + rests))
    kind = libobs.TEXT_INFO_WARNING if view.status_line.is_problem else libobs.TEXT_INFO_NORMAL
    lib.obs_property_text_set_info_type(status, kind)
    label = f"{'▴' if is_choosing else '▾'} Character: {_current_label(view)}"
    lib.obs_property_set_description(lib.obs_properties_get(panel, b"characters"), _encoded(_cut(label)))
    warning = _warning(view.current) if view.current is not None else ""
    text = lib.obs_properties_get(panel, b"warning")
    lib.obs_property_set_description(text, _encoded(warning or " "))
    lib.obs_property_text_set_info_type(text, libobs.TEXT_INFO_WARNING)
    lib.obs_property_set_visible(text, bool(warning))
    lib.obs_property_set_visible(lib.obs_properties_get(panel, b"choices"), is_choosing)
    for entry in view.characters:
        choice = lib.obs_properties_get(panel, (_CHOICE + entry.file).encode())
        if choice:
            lib.obs_property_set_description(choice, _encoded(_choice_label(entry, view)))
            lib.obs_property_set_enabled(choice, not entry.problem)
            if entry.problem or entry.warning:
                about = _reason(entry) if entry.problem else _warning(entry)
                lib.obs_property_set_long_description(choice, _encoded(about))
    label = "▴ Hide advanced settings" if is_advanced else "▾ Advanced settings"
    lib.obs_property_set_description(lib.obs_properties_get(panel, b"unfold"), label.encode())
    lib.obs_property_set_visible(lib.obs_properties_get(panel, b"advanced"), is_advanced)


def press(session: Session, instance: AnimatorFilter, button: str) -> bool:
    """Do the action of a button, and return whether to `arrange` the panel."""
    if button.startswith(_CHOICE):
        instance.obs_source.change_character(lambda _: button[len(_CHOICE) :])
        instance.panel.toggle(Section.CHARACTERS)
    elif button == "characters":
        instance.panel.toggle(Section.CHARACTERS)
    elif button == "unfold":
        instance.panel.toggle(Section.ADVANCED)
    elif button in ("calibrate", "forget_calibration"):
        session.act(instance, button)
        return False
    elif button.startswith(_PRESET):
        # The sliders follow as soon as OBS has the values.
        session.change_face(instance, PRESETS[button[len(_PRESET) :]])
        return False
    else:
        # The panel follows by itself as soon as the worker has answered.
        session.refresh()
        return False
    return True


def _advanced(lib: LibObs, on_press: int) -> int:
    panel = lib.obs_properties_create()
    for key, label, values, labels in (
        ("renderer", "Renderer", RENDERERS, _RENDERER_LABELS),
        ("fit", "Size", FITS, _FIT_LABELS),
        ("on_problem", "If the animation fails, show", PROBLEM_DISPLAYS, _PROBLEM_LABELS),
    ):
        choices = lib.obs_properties_add_list(
            panel, key.encode(), label.encode(), libobs.COMBO_TYPE_LIST, libobs.COMBO_FORMAT_STRING
        )
        for value, value_label in zip(values, labels):
            lib.obs_property_list_add_string(choices, value_label.encode(), value.encode())
    for preset in PRESETS:
        label = f"{preset.capitalize()} movements"
        lib.obs_properties_add_button(panel, f"{_PRESET}{preset}".encode(), label.encode(), on_press)
    for key, limits in RANGES.items():
        name, text = key.encode(), _FACE_LABELS[key].encode()
        lib.obs_properties_add_float_slider(panel, name, text, limits.least, limits.most, 0.05)
    return int(panel)


def _choice_label(entry: CharacterEntry, view: PanelView) -> str:
    if entry.problem:
        name = _cut(_numbered(entry, view), _LONGEST_LABEL // 2)
        reason, begin = _reason(entry), f"The file {entry.file}"
        fault = reason[len(begin) :] if reason.startswith(begin) else f": {reason}"
        return _cut(f"✕ {name}{fault}")
    is_current = view.current is not None and entry.file == view.current.file
    mark = " ⚠" if entry.warning else ""
    return _cut(f"{'●' if is_current else '○'} {_numbered(entry, view)}", _LONGEST_LABEL - len(mark)) + mark


def _reason(entry: CharacterEntry) -> str:
    return sentences(entry.problem, entry.remedy, str(_HELP.parent))


def _warning(entry: CharacterEntry) -> str:
    return sentences(entry.warning, entry.advice, str(_HELP.parent))


def _current_label(view: PanelView) -> str:
    if view.current is None:
        return f"{view.setting} is missing" if view.setting else "there is no picture yet"
    return _numbered(view.current, view) + ("" if view.setting else " (default)")


def _numbered(entry: CharacterEntry, view: PanelView) -> str:
    number = view.numbers.index(entry.file) + 1 if entry.file in view.numbers else 0
    return f"{number} {entry.display_name}" if number else entry.display_name


def _cut(text: str, longest: int = _LONGEST_LABEL) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")

"""The filter's settings: keys, defaults, reading, and the panel that edits them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Sequence

from animator_core.protocol import RENDERERS, AnimationSettings, CharacterEntry
from obs_plugin import libobs
from obs_plugin.condition import Condition
from obs_plugin.libobs import LibObs

FITS = ("frame", "cover", "character")
PROBLEM_DISPLAYS = ("character", "camera", "transparent")

_FRAME_SIZE_KEYS = (b"frame_width", b"frame_height")
_LARGEST_FRAME_SIDE = 16384

_FIT_LABELS = ("The whole character inside the camera's frame", "Fill the camera's frame", "The character's own size")
_PROBLEM_LABELS = ("The still character (private)", "The camera", "Nothing")
_RENDERER_LABELS = ("Automatic", "LivePortrait (GPU)", "Warp (any computer)")
_SLIDERS = (
    ("sensitivity_expression", "Expression strength", 0.0, 2.0),
    ("sensitivity_pose", "Head movement strength", 0.0, 2.0),
    ("smoothing", "Smoothing", 0.0, 1.0),
)


@dataclass(frozen=True)
class FilterSettings:
    """One filter's settings as the scene collection has them; anything out of range became the default."""

    character: str = ""
    renderer: str = "auto"
    fit: str = "frame"
    mirror: bool = False
    on_problem: str = "character"
    sensitivity_expression: float = 1.0
    sensitivity_pose: float = 1.0
    smoothing: float = 0.5

    def animation(self, frame_rate: float) -> AnimationSettings:
        """Return the part that the worker gets."""
        return AnimationSettings(
            character=self.character,
            renderer=self.renderer,
            mirror=self.mirror,
            sensitivity_expression=self.sensitivity_expression,
            sensitivity_pose=self.sensitivity_pose,
            smoothing=self.smoothing,
            frame_rate=min(1000.0, max(1.0, frame_rate)),
        )


def set_defaults(lib: LibObs, settings: int) -> None:
    """Write the defaults into an ``obs_data_t``."""
    default = FilterSettings()
    for key in ("character", "renderer", "fit", "on_problem"):
        lib.obs_data_set_default_string(settings, key.encode(), getattr(default, key).encode())
    lib.obs_data_set_default_bool(settings, b"mirror", default.mirror)
    for key, *_ in _SLIDERS:
        lib.obs_data_set_default_double(settings, key.encode(), getattr(default, key))


def read_settings(lib: LibObs, settings: int) -> FilterSettings:
    """Return what an ``obs_data_t`` holds."""

    def text(key: str) -> str:
        return (lib.obs_data_get_string(settings, key.encode()) or b"").decode("utf-8", "replace")

    def choice(key: str, among: Sequence[str]) -> str:
        value = text(key)
        return value if value in among else str(getattr(FilterSettings, key))

    def number(key: str, most: float) -> float:
        value = float(lib.obs_data_get_double(settings, key.encode()))
        return min(most, max(0.0, value)) if math.isfinite(value) else float(getattr(FilterSettings, key))

    return FilterSettings(
        character=text("character"),
        renderer=choice("renderer", RENDERERS),
        fit=choice("fit", FITS),
        mirror=bool(lib.obs_data_get_bool(settings, b"mirror")),
        on_problem=choice("on_problem", PROBLEM_DISPLAYS),
        sensitivity_expression=number("sensitivity_expression", 2.0),
        sensitivity_pose=number("sensitivity_pose", 2.0),
        smoothing=number("smoothing", 1.0),
    )


def read_frame_size(lib: LibObs, settings: int) -> tuple[int, int]:
    """Return the camera's size in pixels as it was when last seen, or (0, 0)."""
    width, height = (int(lib.obs_data_get_int(settings, key)) for key in _FRAME_SIZE_KEYS)
    is_possible = 0 < width <= _LARGEST_FRAME_SIDE and 0 < height <= _LARGEST_FRAME_SIDE
    return (width, height) if is_possible else (0, 0)


def write_frame_size(lib: LibObs, settings: int, size: tuple[int, int]) -> None:
    """Keep the camera's size, which the character has until the camera sends its first picture."""
    for key, value in zip(_FRAME_SIZE_KEYS, size):
        lib.obs_data_set_int(settings, key, value)


def build_panel(
    lib: LibObs,
    characters: Sequence[CharacterEntry],
    condition: Condition,
    on_refresh: int,
    on_calibrate: int,
) -> int:
    """Return a new ``obs_properties_t``; on_refresh, on_calibrate: addresses of permanent button callbacks."""
    panel = lib.obs_properties_create()
    _add_list(lib, panel, "character", "Character")
    lib.obs_properties_add_button(panel, b"refresh", b"Refresh characters and status", on_refresh)
    lib.obs_properties_add_button(panel, b"calibrate", b"Calibrate: this is my neutral face", on_calibrate)
    lib.obs_properties_add_text(panel, b"status", b" ", libobs.TEXT_INFO)
    advanced = lib.obs_properties_create()
    _fill(lib, _add_list(lib, advanced, "renderer", "Renderer"), RENDERERS, _RENDERER_LABELS)
    _fill(lib, _add_list(lib, advanced, "fit", "Size"), FITS, _FIT_LABELS)
    lib.obs_properties_add_bool(advanced, b"mirror", b"Mirror my movements")
    shown = _add_list(lib, advanced, "on_problem", "If the animation fails, show")
    _fill(lib, shown, PROBLEM_DISPLAYS, _PROBLEM_LABELS)
    for key, label, least, most in _SLIDERS:
        lib.obs_properties_add_float_slider(advanced, key.encode(), label.encode(), least, most, 0.05)
    lib.obs_properties_add_group(panel, b"advanced", b"Advanced", libobs.GROUP_NORMAL, advanced)
    refresh_panel(lib, panel, characters, condition)
    return int(panel)


def refresh_panel(lib: LibObs, panel: int, characters: Sequence[CharacterEntry], condition: Condition) -> None:
    """Bring an open panel's character list and status line up to date."""
    character_list = lib.obs_properties_get(panel, b"character")
    if character_list:
        lib.obs_property_list_clear(character_list)
        # An unset character is "": without an entry of that value the list would pick, and save, another one.
        first = (
            f"First in the folder ({characters[0].display_name})" if characters else "No picture in assets/characters"
        )
        lib.obs_property_list_add_string(character_list, _shown(first), b"")
        for entry in characters:
            lib.obs_property_list_add_string(character_list, _shown(entry.display_name), entry.file.encode())
    status = lib.obs_properties_get(panel, b"status")
    if status:
        lib.obs_property_set_description(status, _shown(condition.text))
        kind = libobs.TEXT_INFO_WARNING if condition.is_problem else libobs.TEXT_INFO_NORMAL
        lib.obs_property_text_set_info_type(status, kind)


def _shown(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _add_list(lib: LibObs, panel: int, key: str, label: str) -> int:
    return int(
        lib.obs_properties_add_list(
            panel, key.encode(), label.encode(), libobs.COMBO_TYPE_LIST, libobs.COMBO_FORMAT_STRING
        )
    )


def _fill(lib: LibObs, choices: int, values: Sequence[str], labels: Sequence[str]) -> None:
    for value, label in zip(values, labels):
        lib.obs_property_list_add_string(choices, label.encode(), value.encode())

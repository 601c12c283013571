"""The filter's settings: keys, defaults, reading."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Mapping, Sequence

from animator_core.ipc.face_settings import RANGES, STRENGTHS, FaceSettings, Range
from animator_core.ipc.protocol import RENDERERS, AnimationSettings
from obs_plugin.framing import BACKGROUNDS, DEFAULT_COLOR, FRAMING_RANGES, Framing, Look
from obs_plugin.libobs import LibObs

FITS = ("frame", "cover", "character")
PROBLEM_DISPLAYS = ("character", "camera", "transparent")
_FACE = ("sensitivity_expression", "sensitivity_brows", "sensitivity_eyes", "sensitivity_mouth", "sensitivity_gaze")
REGIONS = {
    "all": STRENGTHS,
    "face": _FACE,
    "head": ("sensitivity_pose",),
    "mouth": ("sensitivity_expression", "sensitivity_mouth"),
    "eyes": ("sensitivity_expression", "sensitivity_brows", "sensitivity_eyes", "sensitivity_gaze"),
}
"""The strengths that count, by the part of the driver that moves the character; the others are 0."""

EFFORTS = {"full": 1.0, "half": 0.5, "quarter": 0.25}
"""Shares of the time that rendering may take."""
_TEXTS = ("character", "expression", "renderer", "fit", "on_problem", "region", "background", "effort")
_FLAGS = ("mirror", "still_shoulders", "label")
_NUMBERS = {**RANGES, **FRAMING_RANGES}
_COLOR = "background_color"
_FRAME_SIZE_KEYS = (b"frame_width", b"frame_height")
_LARGEST_FRAME_SIDE = 16384
_CAMERA_ID_KEY, _CAMERA_ID = b"camera_id", re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True)
class FilterSettings:
    """One filter's settings in the scene collection; a value out of range is replaced by a valid one."""

    character: str = ""
    expression: str = ""
    renderer: str = "auto"
    fit: str = "frame"
    on_problem: str = "character"
    region: str = "all"
    effort: str = "full"
    background: str = "picture"
    color: int = DEFAULT_COLOR
    has_label: bool = False
    framing: Framing = field(default_factory=Framing)
    face: FaceSettings = field(default_factory=FaceSettings)

    @property
    def look(self) -> Look:
        """What is drawn into the frame beside the picture as it is."""
        return Look(self.framing, self.background, self.color, has_label=self.has_label)

    def animation(self, frame_rate: float) -> AnimationSettings:
        """Return the settings for the worker."""
        moving = {name: getattr(self.face, name) * (name in REGIONS[self.region]) for name in STRENGTHS}
        return AnimationSettings(
            character=self.character,
            expression=self.expression,
            renderer=self.renderer,
            face=replace(self.face, **moving),
            frame_rate=min(1000.0, max(1.0, frame_rate)),
            most_share=EFFORTS[self.effort],
        )


def set_defaults(lib: LibObs, settings: int) -> None:
    """Write the defaults into an ``obs_data_t``."""
    default = FilterSettings()
    for key in _TEXTS:
        lib.obs_data_set_default_string(settings, key.encode(), getattr(default, key).encode())
    for key in _FLAGS:
        lib.obs_data_set_default_bool(settings, key.encode(), False)
    lib.obs_data_set_default_int(settings, _COLOR.encode(), default.color)
    for key, limits in _NUMBERS.items():
        lib.obs_data_set_default_double(settings, key.encode(), limits.default)


def read_settings(lib: LibObs, settings: int) -> FilterSettings:
    """Return the settings in an ``obs_data_t``."""

    def text(key: str) -> str:
        return (lib.obs_data_get_string(settings, key.encode()) or b"").decode("utf-8", "replace")

    def choice(key: str, among: Sequence[str]) -> str:
        value = text(key)
        return value if value in among else str(getattr(FilterSettings, key))

    def flag(key: str) -> bool:
        return bool(lib.obs_data_get_bool(settings, key.encode()))

    def numbers(ranges: Mapping[str, Range]) -> dict[str, float]:
        return {key: limits.clamp(lib.obs_data_get_double(settings, key.encode())) for key, limits in ranges.items()}

    return FilterSettings(
        character=text("character"),
        expression=text("expression"),
        renderer=choice("renderer", RENDERERS),
        fit=choice("fit", FITS),
        on_problem=choice("on_problem", PROBLEM_DISPLAYS),
        region=choice("region", tuple(REGIONS)),
        effort=choice("effort", tuple(EFFORTS)),
        background=choice("background", BACKGROUNDS),
        color=int(lib.obs_data_get_int(settings, _COLOR.encode())) & 0xFFFFFFFF,
        has_label=flag("label"),
        framing=Framing(**numbers(FRAMING_RANGES)),
        face=FaceSettings(mirror=flag("mirror"), still_shoulders=flag("still_shoulders"), **numbers(RANGES)),
    )


def reset(lib: LibObs, settings: int) -> None:
    """Give every setting its default, except the character."""
    for key in (*_TEXTS, *_FLAGS, *_NUMBERS, _COLOR):
        if key != "character":
            lib.obs_data_unset_user_value(settings, key.encode())


def read_frame_size(lib: LibObs, settings: int) -> tuple[int, int]:
    """Return the camera's last size in pixels, or (0, 0)."""
    width, height = (int(lib.obs_data_get_int(settings, key)) for key in _FRAME_SIZE_KEYS)
    is_possible = 0 < width <= _LARGEST_FRAME_SIDE and 0 < height <= _LARGEST_FRAME_SIDE
    return (width, height) if is_possible else (0, 0)


def write_frame_size(lib: LibObs, settings: int, size: tuple[int, int]) -> None:
    """Save the camera's size in pixels: the character has it until the camera sends its first picture."""
    for key, value in zip(_FRAME_SIZE_KEYS, size):
        lib.obs_data_set_int(settings, key, value)


def camera_id(lib: LibObs, settings: int) -> str:
    """Return the id of the filter's camera, 32 hex digits, which is made once and saved with the settings."""
    found = (lib.obs_data_get_string(settings, _CAMERA_ID_KEY) or b"").decode("ascii", "replace")
    if not _CAMERA_ID.match(found):
        found = secrets.token_hex(16)
        lib.obs_data_set_string(settings, _CAMERA_ID_KEY, found.encode())
    return found

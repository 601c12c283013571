"""The optional ``name.yaml`` beside a picture: display name, renderer, and the place of the face or of the head."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import yaml

from animator_core.arrays import FloatArray
from animator_core.atomic_file import written_atomically
from animator_core.characters.head_place import HeadPlace
from animator_core.errors import CharacterError, ConfigError
from animator_core.ipc.protocol import RENDERERS
from animator_core.tracking.observation import LANDMARK_COUNT
from animator_core.yaml_reader import (
    InvalidYaml,
    checked,
    convert,
    expected,
    number,
    one_of,
    read_yaml,
    takes,
    unknown_key,
)

logger = logging.getLogger(__name__)

_FURTHEST = 1 << 20
"""Pixels: far outside of any picture."""
_Pixels = Annotated[float, number(-_FURTHEST, _FURTHEST)]
_Start = Annotated[float, number(0, _FURTHEST)]
_Side = Annotated[float, number(1, _FURTHEST)]
_NAME = Annotated[str, takes("up to 100 characters of text", max_length=100, pattern=r"\S")]
_CROP = Annotated[tuple[_Start, _Start, _Side, _Side], takes("[x, y, width, height] in pixels of the picture")]
_POINT = Annotated[tuple[_Pixels, _Pixels], takes("[x, y] in pixels of the picture")]
_LANDMARK = Annotated[tuple[_Pixels, _Pixels, _Pixels], takes("[x, y, z] in pixels of the picture")]
_RENDERER = Annotated[str, one_of(*RENDERERS)]
_HEAD_KINDS = {"center": _POINT, "scale": Annotated[float, number(0.005, 50)]}
_HEAD_REMEDY = "write anime: {center: [x, y], scale: s}, or have `prepare --pick` write it"
_KEYS = ("name", "crop", "landmarks", "anime", "renderer")


@dataclass(frozen=True)
class CharacterDescription:
    """The content of a ``name.yaml``; everything is optional.

    name: display name. crop: (x, y, width, height) in pixels of the picture, the region searched for the face.
    landmarks: (478, 3) float32 in pixels of the picture, or None.
    key_points: points (x, y) in pixels of the picture by name or number, for `tracking.face_model.fit_landmarks`.
    head: the key ``anime``. renderer: "auto", or the only one that is to draw the character.
    """

    name: str = ""
    crop: tuple[int, int, int, int] | None = None
    landmarks: FloatArray | None = None
    key_points: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    head: HeadPlace | None = None
    renderer: str = "auto"


def description_path(picture_path: Path) -> Path:
    """Return the path of a picture's description: ``.yaml``, or ``.yml`` if only that exists."""
    yaml_path, yml_path = picture_path.with_suffix(".yaml"), picture_path.with_suffix(".yml")
    return yml_path if yml_path.exists() and not yaml_path.exists() else yaml_path


def read_description(picture_path: Path) -> CharacterDescription:
    """Return the description beside ``picture_path``, an empty one if there is none; raises CharacterError."""
    return _read(description_path(picture_path))[0]


def _read(path: Path) -> tuple[CharacterDescription, dict[str, Any]]:
    """Return a description, and the file's checked content by key."""
    if not path.exists():
        return CharacterDescription(), {}
    if path.suffix == ".yaml" and path.with_suffix(".yml").exists():
        logger.warning("%s is not read, because there is %s", path.with_suffix(".yml"), path.name)
    try:
        content = read_yaml(path, "character description", text_keys=("name",), error=CharacterError)
    except InvalidYaml as exc:
        remedy = "correct that line or delete the file"
        raise CharacterError(f"{exc.place} is not valid YAML: {exc.problem}", remedy) from exc
    try:
        return _description(content), content or {}
    except ConfigError as exc:
        raise CharacterError(f"{path}: {exc.message}", exc.remedy) from exc


def _description(content: Any) -> CharacterDescription:
    if content is None:
        return CharacterDescription()
    if not isinstance(content, dict):
        raise ConfigError("the file has no lines of the form 'key: value'", f"known keys are {', '.join(_KEYS)}")
    for key in content:
        if key not in _KEYS:
            raise unknown_key(str(key), _KEYS)
    name, crop, points, head, renderer = (content.get(key) for key in _KEYS)
    landmarks, key_points = _landmarks(points)
    x, y, width, height = _value(crop, _CROP, "crop") if crop is not None else (0, 0, 0, 0)
    return CharacterDescription(
        name="" if name is None else _name(name),
        crop=None if crop is None else (int(x), int(y), int(width), int(height)),
        landmarks=landmarks,
        key_points=key_points,
        head=None if head is None else _head(head),
        renderer="auto" if renderer is None else _value(renderer, _RENDERER, "renderer"),
    )


def write_description(
    picture_path: Path, crop: tuple[int, int, int, int] | None, key_points: Mapping[str, Sequence[float]]
) -> Path:
    """Write the face into a picture's description and return its path; see `_write`.

    crop, key_points: see `CharacterDescription`; key points take precedence.
    """
    points = {point: [float(x) for x in place] for point, place in key_points.items()}
    return _write(picture_path, {"crop": None if crop is None else list(crop), "landmarks": points or None})


def write_head(picture_path: Path, head: HeadPlace) -> Path:
    """Write the head's place into a picture's description and return its path; see `_write`."""
    x, y = (round(float(each), 1) for each in head.center)
    return _write(picture_path, {"anime": {"center": [x, y], "scale": float(f"{head.scale:.4g}")}})


def _write(picture_path: Path, changes: Mapping[str, Any]) -> Path:
    """Write a picture's description with other values of some keys, None to remove one; the old file gets ``.bak``.

    Raises CharacterError if the file cannot be written, or the old one cannot be read.
    """
    path = description_path(picture_path)
    values = {**_read(path)[1], **changes}
    content = {key: values[key] for key in _KEYS if values.get(key) is not None}
    text = yaml.safe_dump(content, default_flow_style=None, sort_keys=False, allow_unicode=True, width=120)
    try:
        if path.exists():
            shutil.copyfile(path, path.with_name(path.name + ".bak"))
        with written_atomically(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise CharacterError(f"cannot write {path}: {exc.strerror}", "make its folder writable") from exc
    return path


def _head(value: Any) -> HeadPlace:
    if not isinstance(value, dict):
        raise ConfigError(f"anime is {value!r:.80}", _HEAD_REMEDY)
    values = {str(key): each for key, each in value.items()}
    made = checked(values, _HEAD_KINDS, prefix="anime.", remedy=_HEAD_REMEDY)
    for key in _HEAD_KINDS:
        if key not in made:
            raise ConfigError(f"anime.{key} is missing", _HEAD_REMEDY)
    return HeadPlace(**made)


def _name(value: Any) -> str:
    name: str = _value(value, _NAME, "name").strip()
    if not name.isprintable():
        raise _wrong(value, _NAME, "name")
    return name


def _landmarks(value: Any) -> tuple[FloatArray | None, dict[str, tuple[float, ...]]]:
    """Return all landmarks, or points by name or number; points without depth are fitted by their numbers."""
    if value is None:
        return None, {}
    if isinstance(value, dict) and value:
        return None, {str(name): _value(point, _POINT, f"landmarks.{name}") for name, point in value.items()}
    if not isinstance(value, list) or len(value) != LANDMARK_COUNT:
        raise ConfigError(
            f"landmarks are neither named points nor a list of {LANDMARK_COUNT} points [x, y, z]",
            "see 'Add a character' in README.md",
        )
    is_flat = all(isinstance(point, list) and len(point) == 2 for point in value)
    kind = _POINT if is_flat else _LANDMARK
    points = [_value(point, kind, f"landmarks[{index}]") for index, point in enumerate(value)]
    if is_flat:
        return None, {str(index): point for index, point in enumerate(points)}
    return np.array(points, np.float32), {}


def _value(value: Any, kind: Any, name: str) -> Any:
    try:
        return convert(value, kind)
    except ValueError as exc:
        raise _wrong(value, kind, name) from exc


def _wrong(value: Any, kind: Any, name: str) -> ConfigError:
    return ConfigError(f"{name} is {value!r:.80}", f"write {expected(kind)}")

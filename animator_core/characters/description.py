"""The optional ``name.yaml`` beside a picture: display name, where to look for the face, or where its points are."""

from __future__ import annotations

import difflib
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from animator_core.errors import CharacterError
from animator_core.tracking.observation import LANDMARK_COUNT
from animator_core.whole_file import written_whole
from animator_core.yaml_text import parse_yaml

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 1 << 20
_KEYS = ("name", "crop", "landmarks")


@dataclass(frozen=True)
class CharacterDescription:
    """What a ``name.yaml`` says; everything is optional.

    name: display name. crop: (x, y, width, height) in pixels of the picture, the region in which to look for the face.
    landmarks: (478, 3) float32 in pixels of the picture, or None.
    key_points: points (x, y) in pixels of the picture by name or number, for `tracking.face_model.fit_landmarks`.
    """

    name: str = ""
    crop: tuple[int, int, int, int] | None = None
    landmarks: np.ndarray | None = None
    key_points: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def description_path(picture_path: Path) -> Path:
    """Return where the description of a picture is, if it has one: ``.yaml``, or ``.yml`` if only that is there."""
    yaml_path, yml_path = picture_path.with_suffix(".yaml"), picture_path.with_suffix(".yml")
    return yml_path if yml_path.exists() and not yaml_path.exists() else yaml_path


def read_description(picture_path: Path) -> CharacterDescription:
    """Return the description beside ``picture_path``, an empty one where there is none; raises CharacterError."""
    path = description_path(picture_path)
    if not path.exists():
        return CharacterDescription()
    if path.suffix == ".yaml" and path.with_suffix(".yml").exists():
        logger.warning("%s is not read, because there is %s", path.with_suffix(".yml"), path.name)
    content = _read_yaml(path)
    if content is None:
        return CharacterDescription()
    if not isinstance(content, dict):
        raise CharacterError(f"{path} has no lines of the form 'key: value'", f"known keys are {', '.join(_KEYS)}")
    for key in content:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(_KEYS)}"
            raise CharacterError(f"{path}: {key} is not a known key", hint)
    landmarks, key_points = _read_landmarks(content.get("landmarks"), path)
    return CharacterDescription(
        _read_name(content.get("name"), path), _read_crop(content.get("crop"), path), landmarks, key_points
    )


def write_description(
    picture_path: Path, crop: tuple[int, int, int, int] | None, key_points: Mapping[str, Sequence[float]]
) -> Path:
    """Write where the face is beside a picture and return the file; its name is kept, the old file with ``.bak``.

    crop: where to look for the face. key_points: see `CharacterDescription`; they count more than a crop. Raises
    CharacterError where it cannot be written, or the old one cannot be read.
    """
    path, name = description_path(picture_path), read_description(picture_path).name
    content: dict[str, Any] = {"name": name} if name else {}
    if crop is not None:
        content["crop"] = list(crop)
    if key_points:
        content["landmarks"] = {point: [float(x) for x in place] for point, place in key_points.items()}
    text = yaml.safe_dump(content, default_flow_style=None, sort_keys=False, allow_unicode=True, width=120)
    try:
        if path.exists():
            shutil.copyfile(path, path.with_name(path.name + ".bak"))
        with written_whole(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise CharacterError(f"cannot write {path}: {exc.strerror}", "make its folder writable") from exc
    return path


def _read_yaml(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise CharacterError(f"{path} is larger than {MAX_FILE_BYTES} bytes", "this is no character description")
        return parse_yaml(path.read_text(encoding="utf-8-sig"), ("name",))
    except OSError as exc:
        raise CharacterError(f"cannot read {path}: {exc.strerror}", "correct or delete it") from exc
    except UnicodeDecodeError as exc:
        raise CharacterError(f"{path} is not UTF-8 text", "save it as UTF-8") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(exc, "problem", None) or type(exc).__name__
        raise CharacterError(f"{where} is not valid YAML: {problem}", "correct that line or delete the file") from exc


def _read_name(value: Any, path: Path) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip() or len(value) > 100 or not value.isprintable():
        raise CharacterError(f"{path}: name is {value!r:.80}", "write up to 100 characters of text")
    return value.strip()


def _read_crop(value: Any, path: Path) -> tuple[int, int, int, int] | None:
    if value is None:
        return None
    numbers = value if isinstance(value, list) and len(value) == 4 else []
    if not numbers or not all(_is_number(number) for number in numbers) or min(numbers) < 0 or min(numbers[2:]) < 1:
        raise CharacterError(f"{path}: crop is {value!r:.80}", "write [x, y, width, height] in pixels of the picture")
    x, y, width, height = (int(number) for number in numbers)
    return x, y, width, height


def _read_landmarks(value: Any, path: Path) -> tuple[np.ndarray | None, dict[str, tuple[float, ...]]]:
    if value is None:
        return None, {}
    if isinstance(value, dict) and value:
        return None, {str(name): _read_point(point, f"{path}: landmarks.{name}") for name, point in value.items()}
    if not isinstance(value, list) or len(value) != LANDMARK_COUNT:
        raise CharacterError(
            f"{path}: landmarks are neither named points nor a list of {LANDMARK_COUNT} points [x, y, z]",
            "see 'Add a character' in README.md",
        )
    if all(isinstance(point, list) and len(point) == 2 for point in value):
        # No depth is given; fitting the face model to the points by their numbers supplies it.
        return None, {
            str(index): _read_point(point, f"{path}: landmarks[{index}]") for index, point in enumerate(value)
        }
    return np.array([_read_point(point, f"{path}: landmarks[{i}]", 3) for i, point in enumerate(value)], np.float32), {}


def _read_point(value: Any, what: str, count: int = 2) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != count or not all(_is_number(number) for number in value):
        raise CharacterError(
            f"{what} is {value!r:.80}", f"write {'[x, y, z]'[: 3 * count - 1]}] in pixels of the picture"
        )
    return tuple(float(number) for number in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

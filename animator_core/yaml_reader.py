"""Reads YAML files, and values into dataclasses whose annotations say what a key takes.

An annotation is a plain type or, for example, ``Annotated[int, whole(1, 64)]``; msgspec checks it. msgspec and PyYAML
are imported when something is read, so that `doctor` can import the dataclasses from a broken installation.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, get_type_hints

from animator_core.errors import AnimatorError, ConfigError

if TYPE_CHECKING:
    from msgspec import Meta

Decoder = Callable[[Any, Any], Any]
"""(type, value) → value of a type that msgspec does not know; raises ValueError."""

MAX_FILE_BYTES = 1 << 20


class InvalidYaml(Exception):
    """A file is not valid YAML; place: the file and, if known, the line."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(place, problem)
        self.place, self.problem = place, problem


def read_yaml(path: Path, kind: str, *, text_keys: Collection[str], error: type[AnimatorError] = ConfigError) -> Any:
    """Return the content of a YAML file; kind: "configuration", for the errors.

    Plain values of ``text_keys``, at any depth, are text however they look: ``No``, ``13``, ``2026-11-28``. An empty
    value, or ``~``, is None. Raises ``error`` if the file cannot be read, InvalidYaml also for a duplicate key.
    """
    import yaml

    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise error(f"{path} is larger than {MAX_FILE_BYTES} bytes", f"this is no {kind} file")
        return _parse(path.read_text(encoding="utf-8-sig"), text_keys)
    except OSError as exc:
        raise error(f"cannot read the {kind} {path}: {exc.strerror}", "check its path and permissions") from exc
    except UnicodeDecodeError as exc:
        raise error(f"{path} is not UTF-8 text", "save it as UTF-8") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InvalidYaml(place, getattr(exc, "problem", None) or str(exc) or type(exc).__name__) from exc


def entries_of(content: Any, name: str) -> dict[str, Any]:
    """Return a mapping's entries with their keys as text, none for None; raises ConfigError for anything else."""
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{name} is {content!r:.80}, expected lines of the form 'key: value'", "correct it")
    return {str(key): value for key, value in content.items()}


def checked(
    values: Mapping[str, Any],
    kinds: Mapping[str, Any],
    *,
    prefix: str = "",
    remedy: str = "correct it",
    decode: Decoder | None = None,
) -> dict[str, Any]:
    """Return the values as their annotated types; raises ConfigError for an unknown key or a wrong value.

    prefix: before a key in errors. remedy: for a wrong value.
    """
    made = {}
    for key, value in values.items():
        if key not in kinds:
            raise unknown_key(key, kinds, prefix)
        try:
            made[key] = convert(value, kinds[key], decode)
        except ValueError as exc:
            raise ConfigError(f"{prefix}{key} is {value!r:.80}, expected {expected(kinds[key])}", remedy) from exc
    return made


def unknown_key(key: str, known: Iterable[str], prefix: str = "") -> ConfigError:
    """Return the error about a key that nothing reads."""
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
    return ConfigError(f"{prefix}{key} is not a known key", hint)


@functools.cache
def kinds_of(cls: type[Any]) -> dict[str, Any]:
    """Return the annotated types of a dataclass's fields by name."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def convert(value: Any, kind: Any, decode: Decoder | None = None) -> Any:
    """Return the value as the annotated type; raises ValueError."""
    import msgspec

    try:
        return msgspec.convert(value, kind, dec_hook=decode)
    except msgspec.ValidationError as exc:
        # No ValueError before msgspec 0.21, which Python 3.9 does not have.
        raise ValueError(str(exc)) from exc


def expected(kind: Any) -> str:
    """Return the values that an annotated type takes, in words."""
    described = (each.description for each in getattr(kind, "__metadata__", ()))
    return next(filter(None, described), {bool: "true or false", Path: "a path"}.get(kind, str(kind)))


def whole(least: int, most: int) -> Meta:
    """Limit an int."""
    return takes(f"a whole number from {least} to {most}", ge=least, le=most)


def number(least: float, most: float) -> Meta:
    """Limit a float, which whole numbers may stand for; infinities and NaN are refused."""
    return takes(f"a number from {least:g} to {most:g}", ge=least, le=most)


def one_of(*choices: str, text: str = "") -> Meta:
    """Limit a str to these; text: in words."""
    return takes(text or f"one of {', '.join(choices)}", pattern=rf"^(?:{'|'.join(choices)})\Z")


def takes(text: str, **limits: Any) -> Meta:
    """Describe a type in words; limits: see `msgspec.Meta`."""
    from msgspec import Meta

    return Meta(description=text, **limits)


def _parse(text: str, text_keys: Collection[str]) -> Any:
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        _mark_texts(root, text_keys, set())
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _mark_texts(node: Any, text_keys: Collection[str], visited: set[int]) -> None:
    import yaml

    # A node may be named in many places, and even inside itself.
    if not isinstance(node, yaml.MappingNode) or id(node) in visited:
        return
    visited.add(id(node))
    seen: set[str] = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                # PyYAML takes the last of them and says nothing.
                raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        if isinstance(value, yaml.ScalarNode) and value.value not in ("", "~") and key.value in text_keys:
            value.tag = "tag:yaml.org,2002:str"
        _mark_texts(value, text_keys, visited)

"""Reads manifests: text files with one JSON object a line, each of which asks for one clip.

Everything that can be checked without a model is checked before the first clip begins, and every wrong line is named.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from animator_core import assembly, output_files
from animator_core.clip_animation import ClipRequest
from animator_core.clips.compositing import DEFAULT_BACKGROUND, parse_colour
from animator_core.clips.video import choose_encoding
from animator_core.config import Config, load_config
from animator_core.errors import AnimatorError, CameraError, ConfigError
from animator_core.ipc.protocol import RENDERERS
from animator_core.yaml_reader import checked, kinds_of, one_of, takes, whole

_MOST_SHOWN = 20
_T = TypeVar("_T")


class ManifestError(AnimatorError):
    """A manifest cannot be used; ``problems`` names each of its wrong lines."""

    def __init__(self, message: str, remedy: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(message, remedy)
        self.problems = problems


@dataclass(frozen=True)
class BatchClip:
    """One clip of a manifest.

    line: its number, from 1. name: its output as the manifest has it. key: changes with any value of the line.
    request: with absolute paths. config: the settings' file, None for the usual one. options: overridden motion
    options by name.
    """

    line: int
    name: str
    key: str
    request: ClipRequest
    config: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> Config:
        """Return the clip's settings; raises ConfigError."""
        return load_config(self.config).with_options(self.options)


@dataclass(frozen=True)
class _Line:
    """The content of a line: the arguments of `animate`, and --option's as one object."""

    character: Annotated[str, takes("a picture file or a name from the library", min_length=1)]
    driving: Annotated[str, takes("a path", min_length=1)]
    output: Annotated[str, takes("a path", min_length=1)]
    renderer: Annotated[str, one_of(*RENDERERS)] = "auto"
    config: Annotated[str, takes("a path", min_length=1)] = ""
    max_frames: Annotated[int, whole(1, 10**9)] = 1
    mirror: bool = False
    background: str = DEFAULT_BACKGROUND
    option: Annotated[dict[str, Any], takes("an object of settings by their names")] = field(default_factory=dict)


_NEEDED = ("character", "driving", "output")


def read_manifest(path: Path, others: Iterable[Path] = ()) -> list[BatchClip]:
    """Return the clips that a manifest asks for; its relative paths count from its own folder.

    others: further files that will be written, which no clip may read or write. Raises ManifestError.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as exc:
        raise ManifestError(f"cannot read the manifest {path}: {exc.strerror}", "check its path") from exc
    except UnicodeDecodeError as exc:
        raise ManifestError(f"{path} is not UTF-8 text", "save it as UTF-8") from exc
    reader = _Reader(path.absolute().parent)
    clips, problems = _each(reader.clip, ((n, line) for n, line in enumerate(lines, 1) if line.strip()))
    problems += _conflicts(clips, (path, *others))
    if not problems:
        problems += _each(_check_writable, ((clip.line, clip) for clip in clips))[1]
    if problems:
        shown = [f"{path}:{number}: {exc}" for number, exc in sorted(problems, key=lambda each: each[0])]
        more = (f"and {len(shown) - _MOST_SHOWN} more wrong lines",) if len(shown) > _MOST_SHOWN else ()
        raise ManifestError(
            f"{len(shown)} of the {len(lines)} lines of {path} cannot be used, nothing was animated",
            "correct them",
            (*shown[:_MOST_SHOWN], *more),
        )
    if not clips:
        raise ManifestError(f"{path} has no clips", 'write one a line: {"character": …, "driving": …, "output": …}')
    return clips


def _each(
    make: Callable[[int, _T], Any], numbered: Iterable[tuple[int, _T]]
) -> tuple[list[Any], list[tuple[int, AnimatorError]]]:
    """Return the results of ``make``, and the lines for which it raised AnimatorError."""
    made, problems = [], []
    for number, value in numbered:
        try:
            made.append(make(number, value))
        except AnimatorError as exc:
            problems.append((number, exc))
    return made, problems


class _Reader:
    """Makes clips of lines; files that several of them name are read and looked for once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._settings = functools.cache(load_config)
        self._picture = functools.cache(self._find_picture)

    def clip(self, number: int, text: str) -> BatchClip:
        """Return the clip that a line asks for; raises AnimatorError."""
        values = _object(text)
        given = checked(values, kinds_of(_Line))
        missing = [name for name in _NEEDED if name not in given]
        if missing:
            raise ConfigError(f"{missing[0]} is missing", "a line needs character, driving and output")
        config = self._path(given["config"]) if "config" in given else None
        clip = BatchClip(
            number,
            given["output"],
            hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest(),
            config=config,
            options=given.get("option", {}),
            request=ClipRequest(
                str(self._picture(given["character"], config)),
                self._path(given["driving"]),
                self._path(given["output"]),
                is_verified=True,
                **{name: given[name] for name in ("renderer", "mirror", "max_frames", "background") if name in given},
            ),
        )
        _check(clip, self._settings(config))
        return clip

    def _path(self, text: str) -> Path:
        if "\0" in text:
            raise ConfigError(f"{text!r:.80} is no path", "correct it")
        return Path(os.path.abspath(self._folder / Path(text).expanduser()))

    def _find_picture(self, text: str, config: Path | None) -> Path:
        file = self._path(text)
        if os.path.isfile(file):
            return file
        return assembly.picture_path(text, assembly.make_library(self._settings(config))).absolute()


def _object(text: str) -> dict[str, Any]:
    """Return the JSON object in a line; raises ConfigError."""
    try:
        values = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"this is no JSON ({exc})", 'write {"character": …, "driving": …, "output": …}') from exc
    if not isinstance(values, dict):
        raise ConfigError(f"{text.strip():.80} is no JSON object", "put the clip in braces")
    return values


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name is there twice")
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _check(clip: BatchClip, config: Config) -> None:
    """Raise AnimatorError for values that the clip's animation would refuse."""
    request = clip.request
    parse_colour(request.background)
    choose_encoding(request.output, has_alpha=False)
    try:
        config.with_options(clip.options)
    except ConfigError as exc:
        raise exc.about("option") from exc
    if not os.path.isfile(request.driving):
        raise CameraError(f"there is no driving clip {request.driving}", "check the path")


def _check_writable(number: int, clip: BatchClip) -> None:
    output_files.require_writable((clip.request.output,))


def _conflicts(clips: list[BatchClip], others: tuple[Path, ...]) -> list[tuple[int, AnimatorError]]:
    """Return the lines that write a file which they or others read or write, or name one of ``others``."""
    own: dict[object, str] = {output_files.identity(path): f"the batch's own file {path}" for path in others}
    taken = dict(own)
    problems: list[tuple[int, AnimatorError]] = []

    def refuse(clip: BatchClip, problem: str) -> None:
        problems.append((clip.line, AnimatorError(problem, "give another name")))

    for clip in clips:
        for name, path in _inputs(clip):
            read = output_files.identity(path)
            if read in own:
                refuse(clip, f"{name} is {own[read]}")
            taken.setdefault(read, f"the {name} of line {clip.line}")
    for clip in clips:
        written = output_files.identity(clip.request.output)
        if written in taken:
            refuse(clip, f"cannot write {clip.name}: output and {taken[written]} are the same file")
        taken[written] = f"the output of line {clip.line}"
    return problems


def _inputs(clip: BatchClip) -> Iterator[tuple[str, Path]]:
    yield "driving", clip.request.driving
    yield "character", Path(clip.request.character)
    if clip.config is not None:
        yield "config", clip.config

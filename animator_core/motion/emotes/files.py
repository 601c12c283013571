"""Emotes as YAML files: read with errors that name the key, and written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from animator_core.atomic_file import written_atomically
from animator_core.errors import ConfigError, MotionError
from animator_core.ipc import emote_names
from animator_core.motion.emotes.channels import LIMITS, PARTS
from animator_core.motion.emotes.emote import EASES, MAX_SECONDS, Emote, Keyframe
from animator_core.yaml_reader import InvalidYaml, checked, entries_of, number, one_of, read_yaml, unknown_key

_KEYS = ("live", "fade", "keyframes")
_MOST_KEYFRAMES = 2000
_LONGEST_FADE = 2.0
_SHARE = Annotated[float, number(0, 1)]
_TIME = Annotated[float, number(0, MAX_SECONDS)]
_FADE_KINDS = {name: Annotated[float, number(0, _LONGEST_FADE)] for name in ("in", "out")}
_KEYFRAME_KINDS: Mapping[str, Any] = {
    "at": _TIME,
    "ease": Annotated[str, one_of(*EASES)],
    **{name: Annotated[float, number(-most, most)] for name, most in LIMITS.items()},
}


def read_emote(path: Path) -> Emote:
    """Return the emote in a file; raises MotionError, which names file and key."""
    try:
        content = entries_of(read_yaml(path, "emote", text_keys=(), error=MotionError), "the content")
        return _emote(path.stem, content)
    except InvalidYaml as exc:
        raise MotionError(f"{exc.place} is not valid YAML: {exc.problem}", "correct that line") from exc
    except ConfigError as exc:
        raise MotionError(f"{path}: {exc.message}", exc.remedy) from exc


def write_emote(path: Path, emote: Emote, comment: str) -> None:
    """Write an emote; comment: the file's first line. Raises MotionError."""
    lines = [
        f"# {comment}",
        f"live: {_flow(emote.live)}",
        f"fade: {_flow({'in': emote.fade_in, 'out': emote.fade_out})}",
    ]
    lines.append("keyframes:")
    for frame in emote.keyframes:
        ease = {} if frame.ease == "smooth" else {"ease": frame.ease}
        lines.append(f"  - {_flow({'at': frame.at, **ease, **frame.values})}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_atomically(path) as unfinished:
            unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as exc:
        raise MotionError(f"cannot write {path}: {exc.strerror}", "make its folder writable") from exc


class EmoteLibrary:
    """The emotes of a folder, and the user's own in it; each file is read once until it changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, tuple[tuple[str, int, int], Emote]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all emotes, in order."""
        return tuple(emote_names.list_emotes(str(self.folder)))

    def own_path(self, name: str) -> Path:
        """Return the file of the user's own emote of that name; raises MotionError for a name that none may have."""
        if not emote_names.is_name(name):
            raise MotionError(
                f"an emote cannot be called {name!r}",
                f"use small letters, digits, _ and -, at most {emote_names.LONGEST_NAME}",
            )
        return self.folder / emote_names.OWN_FOLDER / f"{name}{emote_names.SUFFIX}"

    def load(self, name: str) -> Emote:
        """Return the emote of that name; raises MotionError."""
        paths = emote_names.list_emotes(str(self.folder))
        if name not in paths:
            raise MotionError(f"there is no emote {name!r}", f"there are {', '.join(paths) or 'none'}")
        path = Path(paths[name])
        try:
            status = path.stat()
        except OSError as exc:
            raise MotionError(f"cannot read the emote {path}: {exc.strerror}", "check its permissions") from exc
        stamp = (str(path), status.st_mtime_ns, status.st_size)
        kept = self._read.get(name)
        if kept is None or kept[0] != stamp:
            self._read[name] = kept = (stamp, read_emote(path))
        return kept[1]


def _emote(name: str, content: Mapping[str, Any]) -> Emote:
    for key in content:
        if key not in _KEYS:
            raise unknown_key(key, _KEYS)
    live = checked(entries_of(content.get("live"), "live"), dict.fromkeys(PARTS, _SHARE), prefix="live.")
    fade = checked(entries_of(content.get("fade"), "fade"), _FADE_KINDS, prefix="fade.")
    fades = {f"fade_{way}": seconds for way, seconds in fade.items()}
    return Emote(name, _keyframes(content.get("keyframes")), live, **fades)


def _keyframes(content: Any) -> tuple[Keyframe, ...]:
    if not isinstance(content, list) or not 2 <= len(content) <= _MOST_KEYFRAMES:
        raise ConfigError(
            f"keyframes is no list of 2 to {_MOST_KEYFRAMES} lines", "write lines such as '- {at: 0.2, pitch: 10}'"
        )
    frames: list[Keyframe] = []
    for position, entry in enumerate(content):
        name = f"keyframes[{position}]"
        values = checked(entries_of(entry, name), _KEYFRAME_KINDS, prefix=f"{name}.")
        at, ease = values.pop("at", None), values.pop("ease", "smooth")
        if at is None:
            raise ConfigError(f"{name} has no time", "write at: SECONDS")
        if frames and at <= frames[-1].at:
            raise ConfigError(
                f"{name}.at is {at:g}, not after {frames[-1].at:g} before it", "put them in order of time"
            )
        frames.append(Keyframe(at, values, ease))
    return tuple(frames)


def _flow(values: Mapping[str, float | str]) -> str:
    texts = (f"{key}: {value if isinstance(value, str) else format(value, '.4g')}" for key, value in values.items())
    return f"{{{', '.join(texts)}}}"

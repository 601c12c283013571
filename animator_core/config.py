"""The settings of ``assets/config.yaml``: nested frozen dataclasses, checked once when the file is read.

Which command uses which key is said beside the key in ``assets/config.yaml``. Relative paths count from the
project's folder. Nothing reads the file after the start; parts receive only their own section.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from animator_core.errors import ConfigError
from animator_core.motion.options import MotionOptions, options_from
from animator_core.yaml_text import parse_yaml

logger = logging.getLogger(__name__)

PROJECT_ROOT = Path(__file__).resolve().parents[1]
MODELS_DIR = PROJECT_ROOT / "assets" / "models"
DEFAULT_CONFIG_FILE = PROJECT_ROOT / "assets" / "config.yaml"
MAX_FILE_BYTES = 1 << 20

_TEXT_KEYS = ("current_character",)
NAMED_KEYS = ("left", "right", "up", "down", "space", "enter", "tab", "escape", "home", "end", "pageup", "pagedown")
"""What a hotkey may be besides a single character."""

_WITHOUT_MEANING = re.compile(
    r"(spout|ndi)(\..*)?"
    r"|output\.(spout|ndi)_\w+"
    r"|hotkeys\.toggle_(spout|ndi)"
    r"|character\.(use_preprocessing_cache|enable_multi_batch|enable_video_processing"
    r"|max_frames_per_video|video_sample_rate|use_reference_batch)"
)
"""Keys of the original project that have no counterpart: its Spout and NDI outputs and its folders of many pictures."""


def _setting(default: Any, read: Callable[[Any], Any], expected: str) -> Any:
    """Declare a key; ``read`` turns the YAML value into ours or raises ValueError, ``expected`` says what it takes."""
    return dataclasses.field(default=default, metadata={"read": read, "expected": expected})


def _flag(default: bool) -> Any:
    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return _setting(default, read, "true or false")


def _number(default: float, least: float, most: float) -> Any:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        if not (math.isfinite(value) and least <= value <= most):
            raise ValueError
        return float(value)

    return _setting(float(default), read, f"a number from {least:g} to {most:g}")


def _whole(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError
    return value


def _count(default: int, least: int, most: int) -> Any:
    return _setting(default, lambda value: _whole(value, least, most), f"a whole number from {least} to {most}")


def _choice(default: str, pattern: str, expected: str) -> Any:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return _setting(default, read, expected)


def _path(default: str) -> Any:
    def read(value: Any) -> Path:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise ValueError
        return PROJECT_ROOT / Path(value).expanduser()

    return _setting(read(default), read, "a path")


def _size(default: tuple[int, int], least: int, most: int) -> Any:
    def read(value: Any) -> tuple[int, int]:
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError
        return _whole(value[0], least, most), _whole(value[1], least, most)

    return _setting(default, read, f"[width, height], each from {least} to {most}")


def _read_source(value: Any) -> int | str:
    if isinstance(value, str) and value.strip():
        return value
    return _whole(value, 0, 99)


def _read_key(value: Any) -> str:
    is_character = isinstance(value, str) and len(value) == 1 and value.isprintable() and value not in "123456789 "
    if not is_character and value not in NAMED_KEYS:
        raise ValueError
    return str(value)


def _key(default: str) -> Any:
    names = ", ".join(NAMED_KEYS)
    return _setting(default, _read_key, f"one character in quotes (1 to 9 choose characters) or one of {names}")


@dataclass(frozen=True)
class VideoConfig:
    """The camera or video file of the stand-alone `run`; fps in frames a second."""

    source: int | str = _setting(0, _read_source, "a camera number from 0 to 99 or the path of a video file")
    width: int = _count(1280, 16, 8192)
    height: int = _count(720, 16, 8192)
    fps: float = _number(30, 1, 240)


@dataclass(frozen=True)
class AiModelConfig:
    """What animates the picture, and how the LivePortrait networks run."""

    type: str = _choice("auto", "auto|liveportrait|warp", "auto, liveportrait or warp")
    model_path: Path = _path("assets/models/liveportrait")  # noqa: RUF009 - a field, as the others are
    device: str = _choice("auto", r"auto|cpu|cuda(:\d{1,2})?|mps", "auto, cpu, cuda, cuda:N or mps")
    fp16: bool = _flag(True)
    backend: str = _choice("auto", "auto|torch|onnx", "auto, torch or onnx")
    onnx_provider: str = _choice(
        "auto",
        "auto|directml|coreml|openvino|cuda|tensorrt|cpu",
        "auto, directml, coreml, openvino, cuda, tensorrt or cpu",
    )
    batch_size: int = _count(1, 1, 64)
    use_tensorrt: bool = _flag(False)
    use_compile: bool = _flag(False)
    warmup_frames: int = _count(3, 0, 1000)
    use_feature_cache: bool = _flag(True)


@dataclass(frozen=True)
class CharacterConfig:
    """The character library; target_size: (width, height) in pixels that larger pictures are reduced to fit."""

    images_path: Path = _path("assets/characters")  # noqa: RUF009 - a field, as the others are
    current_character: str = _choice("", r"[^/\\\0]*", "the file name of a picture in character.images_path, or ''")
    preload_all: bool = _flag(True)
    auto_crop: bool = _flag(True)
    target_size: tuple[int, int] = _size((1080, 1080), 64, 8192)


@dataclass(frozen=True)
class OutputConfig:
    """The picture that the stand-alone `run` shows; background_alpha: 0 transparent to 255 opaque."""

    width: int = _count(1280, 16, 8192)
    height: int = _count(720, 16, 8192)
    background_alpha: int = _count(0, 0, 255)


@dataclass(frozen=True)
class PerformanceConfig:
    """Pace, warnings, threads and caches."""

    target_fps: float = _number(60, 1, 240)
    max_inference_time_ms: float = _number(33, 0, 10000)
    enable_profiling: bool = _flag(False)
    async_pipeline: bool = _flag(True)
    frame_skip_threshold: float = _number(20, 0, 240)
    max_render_share: float = _number(0.9, 0.05, 1)
    cache_dir: Path = _path("cache")  # noqa: RUF009 - a field, as the others are
    enable_optimizer: bool = _flag(True)


@dataclass(frozen=True)
class TrackingConfig:
    """How the driver's face is followed; smoothing: 0 none … 1 strongest."""

    face_enabled: bool = _flag(True)
    smoothing: float = _number(0.5, 0, 1)
    min_detection_confidence: float = _number(0.5, 0, 1)
    min_tracking_confidence: float = _number(0.5, 0, 1)


@dataclass(frozen=True)
class HotkeyConfig:
    """The keys of the stand-alone `run`; 1 to 9 always choose the first nine characters."""

    quit: str = _key("q")
    reload_characters: str = _key("r")
    next_character: str = _key("right")
    prev_character: str = _key("left")
    toggle_stats: str = _key("t")
    calibrate: str = _key("c")
    freeze: str = _key("f")

    def __post_init__(self) -> None:
        """Refuse two actions on one key."""
        taken: dict[str, str] = {}
        for field in dataclasses.fields(self):
            key = getattr(self, field.name)
            if key in taken:
                raise ConfigError(
                    f"hotkeys.{field.name} and hotkeys.{taken[key]} are both {key!r}", "change one of them"
                )
            taken[key] = field.name


@dataclass(frozen=True)
class Config:
    """Everything that ``config.yaml`` says."""

    video: VideoConfig = dataclasses.field(default_factory=VideoConfig)
    ai_model: AiModelConfig = dataclasses.field(default_factory=AiModelConfig)
    character: CharacterConfig = dataclasses.field(default_factory=CharacterConfig)
    output: OutputConfig = dataclasses.field(default_factory=OutputConfig)
    performance: PerformanceConfig = dataclasses.field(default_factory=PerformanceConfig)
    tracking: TrackingConfig = dataclasses.field(default_factory=TrackingConfig)
    liveportrait: MotionOptions = dataclasses.field(default_factory=MotionOptions)
    hotkeys: HotkeyConfig = dataclasses.field(default_factory=HotkeyConfig)


_SECTIONS: dict[str, type[Any]] = {
    "video": VideoConfig,
    "ai_model": AiModelConfig,
    "character": CharacterConfig,
    "output": OutputConfig,
    "performance": PerformanceConfig,
    "tracking": TrackingConfig,
    "hotkeys": HotkeyConfig,
}


_LIVEPORTRAIT = "liveportrait"
"""The section whose keys and ranges are those of `MotionOptions`, all but smoothing, which is in tracking."""


def load_config(path: Path | str | None = None) -> Config:
    """Return the settings in ``path``; without one those of ``assets/config.yaml``, or the defaults if it is absent.

    Raises ConfigError, naming the file and the dotted path of the key, for whatever cannot be used.
    """
    if path is None and not DEFAULT_CONFIG_FILE.exists():
        return Config()
    file = Path(path) if path is not None else DEFAULT_CONFIG_FILE
    return _build_config(_read_yaml(file), file)


def _read_yaml(file: Path) -> Any:
    import yaml  # type: ignore[import-untyped]

    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{file} is larger than {MAX_FILE_BYTES} bytes", "this is no configuration file")
        return parse_yaml(file.read_text(encoding="utf-8-sig"), _TEXT_KEYS)
    except OSError as exc:
        raise ConfigError(f"cannot read the configuration {file}: {exc.strerror}", "check the path") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{file} is not UTF-8 text", "save it as UTF-8") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        problem = getattr(exc, "problem", None) or str(exc) or type(exc).__name__
        raise ConfigError(f"{where}: this is not valid YAML: {problem}", "correct that line") from exc


def _build_config(content: Any, file: Path) -> Config:
    sections: dict[str, Any] = {}
    ignored: list[str] = []
    for name, body in _entries(content, "", file).items():
        if _WITHOUT_MEANING.fullmatch(name):
            ignored.append(name)
        elif name == _LIVEPORTRAIT:
            sections[name] = _motion_options(body, file)
        elif name in _SECTIONS:
            sections[name] = _build_section(_SECTIONS[name], name, body, file, ignored)
        else:
            raise _unknown_key(name, name, [*_SECTIONS, _LIVEPORTRAIT], file)
    if ignored:
        logger.warning("%s: these keys have no meaning here and are ignored: %s", file, ", ".join(ignored))
    return Config(**sections)


def _build_section(section: type[Any], name: str, body: Any, file: Path, ignored: list[str]) -> Any:
    fields = {field.name: field for field in dataclasses.fields(section)}
    values: dict[str, Any] = {}
    for key, value in _entries(body, name, file).items():
        dotted = f"{name}.{key}"
        if key not in fields:
            if not _WITHOUT_MEANING.fullmatch(dotted):
                raise _unknown_key(dotted, key, list(fields), file)
            ignored.append(dotted)
            continue
        rule = fields[key].metadata
        try:
            values[key] = rule["read"](value)
        except ValueError as exc:
            raise ConfigError(
                f"{dotted} is {value!r}, expected {rule['expected']}",
                f"correct it in {file} or delete the line to use the default",
            ) from exc
    return section(**values)


def _motion_options(body: Any, file: Path) -> MotionOptions:
    values = _entries(body, _LIVEPORTRAIT, file)
    if "smoothing" in values:
        raise ConfigError(f"{_LIVEPORTRAIT}.smoothing is not a known key", f"write tracking.smoothing (in {file})")
    try:
        return options_from(values)
    except ConfigError as exc:
        raise ConfigError(f"{_LIVEPORTRAIT}: {exc.message}", f"{exc.remedy} (in {file})") from exc


def _entries(content: Any, dotted: str, file: Path) -> dict[str, Any]:
    """Return a mapping's entries with their keys as text; nothing at all counts as empty."""
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{dotted or file} is {content!r:.80}, expected lines of the form 'key: value'", f"see {file}"
        )
    return {str(key): value for key, value in content.items()}


def _unknown_key(dotted: str, key: str, known: list[str], file: Path) -> ConfigError:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known here are {', '.join(known)}"
    return ConfigError(f"{dotted} is not a known key", f"{hint} (in {file})")

"""The settings of ``assets/config.yaml``: nested frozen dataclasses, checked once when the file is read.

The file says beside each key which command uses it. Relative paths count from the project's folder. Nothing reads the
file after the start; parts receive only their own section.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Union

from animator_core.errors import ConfigError
from animator_core.ipc.face_settings import SMOOTHING, STRENGTHS, FaceSettings
from animator_core.ipc.protocol import RENDERERS
from animator_core.motion.options import MotionOptions, options_from, within
from animator_core.yaml_reader import (
    InvalidYaml,
    checked,
    entries_of,
    kinds_of,
    number,
    one_of,
    read_yaml,
    takes,
    unknown_key,
    whole,
)

logger = logging.getLogger(__name__)

PROJECT_ROOT = Path(__file__).resolve().parents[1]
MODELS_DIR = PROJECT_ROOT / "assets" / "models"
EMOTES_DIR = PROJECT_ROOT / "assets" / "emotes"
DEFAULT_CONFIG_FILE = PROJECT_ROOT / "assets" / "config.yaml"

BACKENDS = ("auto", "torch", "onnx")
NAMED_KEYS = ("left", "right", "up", "down", "space", "enter", "tab", "escape", "home", "end", "pageup", "pagedown")
"""The hotkeys besides single characters."""

_WITHOUT_MEANING = re.compile(
    r"(spout|ndi)(\..*)?"
    r"|output\.(spout|ndi)_\w+"
    r"|hotkeys\.toggle_(spout|ndi)"
    r"|character\.(use_preprocessing_cache|enable_multi_batch|enable_video_processing"
    r"|max_frames_per_video|video_sample_rate|use_reference_batch)"
)
"""Keys of the original project that have no counterpart: its Spout and NDI outputs and its folders of many pictures."""


@dataclass(frozen=True)
class VideoConfig:
    """The camera or video file of the stand-alone `run`; fps in frames a second."""

    source: Annotated[
        Union[Annotated[int, whole(0, 99)], Annotated[str, takes("", pattern=r"\S")]],  # noqa: UP007 - for Python 3.9
        takes("a camera number from 0 to 99 or the path of a video file"),
    ] = 0
    width: Annotated[int, whole(16, 8192)] = 1280
    height: Annotated[int, whole(16, 8192)] = 720
    fps: Annotated[float, number(1, 240)] = 30.0


@dataclass(frozen=True)
class AiModelConfig:
    """The renderer of a character, and LivePortrait's files.

    type: auto, liveportrait, anime or warp. model_path: folder of LivePortrait's weights. warmup_frames: rendered
    before the first one is shown. use_feature_cache: whether the features of pictures are kept in
    performance.cache_dir.
    """

    type: Annotated[str, one_of(*RENDERERS, text="auto, liveportrait, anime or warp")] = "auto"
    model_path: Path = PROJECT_ROOT / "assets" / "models" / "liveportrait"
    warmup_frames: Annotated[int, whole(0, 1000)] = 3
    use_feature_cache: bool = True


@dataclass(frozen=True)
class ComputeConfig:
    """Where and how LivePortrait's networks run; the warp always runs on the CPU.

    device: PyTorch's: auto, cpu, cuda, cuda:N or mps. fp16: half precision on GPUs. backend: auto, torch or onnx.
    provider: onnxruntime's, auto for the first that is installed. compile: whether torch.compile is tried.
    batch_size: frames of a clip drawn at once.
    """

    device: Annotated[str, takes("auto, cpu, cuda, cuda:N or mps", pattern=r"^(auto|cpu|cuda(:\d{1,2})?|mps)\Z")] = (
        "auto"
    )
    fp16: bool = True
    backend: Annotated[str, one_of(*BACKENDS, text="auto, torch or onnx")] = "auto"
    provider: Annotated[str, one_of("auto", "directml", "coreml", "openvino", "cuda", "tensorrt", "cpu")] = "auto"
    compile: bool = False
    batch_size: Annotated[int, whole(1, 64)] = 1


@dataclass(frozen=True)
class AnimeConfig:
    """The renderer of anime characters; live_networks: whether a GPU runs the networks for every frame."""

    live_networks: bool = False


@dataclass(frozen=True)
class CharacterConfig:
    """The character library; target_size: (width, height) in pixels that larger pictures are reduced to fit."""

    images_path: Path = PROJECT_ROOT / "assets" / "characters"
    current_character: Annotated[
        str, takes("the file name of a picture in character.images_path, or ''", pattern=r"^[^/\\\0]*\Z")
    ] = ""
    preload_all: bool = True
    auto_crop: bool = True
    target_size: Annotated[
        tuple[Annotated[int, whole(64, 8192)], Annotated[int, whole(64, 8192)]],
        takes("[width, height], each from 64 to 8192"),
    ] = (1080, 1080)


@dataclass(frozen=True)
class OutputConfig:
    """The picture of the stand-alone `run`; background_alpha: 0 transparent to 255 opaque."""

    width: Annotated[int, whole(16, 8192)] = 1280
    height: Annotated[int, whole(16, 8192)] = 720
    background_alpha: Annotated[int, whole(0, 255)] = 0


@dataclass(frozen=True)
class PerformanceConfig:
    """Pace, warnings, threads and caches."""

    target_fps: Annotated[float, number(1, 240)] = 60.0
    max_inference_time_ms: Annotated[float, number(0, 10000)] = 33.0
    enable_profiling: bool = False
    async_pipeline: bool = True
    frame_skip_threshold: Annotated[float, number(0, 240)] = 20.0
    max_render_share: Annotated[float, number(0.05, 1)] = 0.9
    cache_dir: Path = PROJECT_ROOT / "cache"
    enable_optimizer: bool = True
    use_motion_cache: bool = False


@dataclass(frozen=True)
class TrackingConfig:
    """How the driver's face is tracked."""

    face_enabled: bool = True
    smoothing: Annotated[float, within(SMOOTHING)] = SMOOTHING.default
    min_detection_confidence: Annotated[float, number(0, 1)] = 0.5
    min_tracking_confidence: Annotated[float, number(0, 1)] = 0.5


@dataclass(frozen=True)
class VmcConfig:
    """Faces by the Virtual Motion Capture protocol, from other programs and to them.

    listen, port: where faces are received. send_to, send_port: where they are sent. names: arkit or vrm.
    """

    receive: bool = False
    listen: Annotated[str, takes("an address of this computer", pattern=r"^[\w.:%-]+\Z")] = "127.0.0.1"
    port: Annotated[int, whole(1, 65535)] = 39539
    send: bool = False
    send_to: Annotated[str, takes("the address or name of a computer", pattern=r"^[\w.:%-]+\Z")] = "127.0.0.1"
    send_port: Annotated[int, whole(1, 65535)] = 39540
    names: Annotated[str, one_of("arkit", "vrm", text="arkit or vrm")] = "arkit"

    def __post_init__(self) -> None:
        """Refuse to send to itself."""
        is_here = self.send_to in (self.listen, "127.0.0.1", "localhost", "::1")
        if self.receive and self.send and self.port == self.send_port and is_here:
            raise ConfigError("vmc.port and vmc.send_port are the same: it would drive itself", "change one of them")


@dataclass(frozen=True)
class RemoteConfig:
    """The host that animates for the worker; address: "" for none. fingerprint: of its certificate, by the pairing.

    send: frames, or landmarks: then no picture of the face leaves this computer.
    """

    address: Annotated[str, takes("the host's name or IP address, or ''", pattern=r"^\S*\Z")] = ""
    fingerprint: Annotated[str, takes("64 hexadecimal digits, or ''", pattern=r"^([0-9a-f]{64})?\Z")] = ""
    send: Annotated[str, one_of("frames", "landmarks", text="frames or landmarks")] = "frames"


def _hotkey() -> Any:
    names = ", ".join(NAMED_KEYS)
    return takes(
        f"one character in quotes (1 to 9 choose characters) or one of {names}",
        pattern=rf"^([^\s1-9\x00-\x1f\x7f-\xa0]|{'|'.join(NAMED_KEYS)})\Z",
    )


@dataclass(frozen=True)
class HotkeyConfig:
    """The keys of the stand-alone `run`; 1 to 9 always choose the first nine characters. emotes: by name."""

    quit: Annotated[str, _hotkey()] = "q"
    reload_characters: Annotated[str, _hotkey()] = "r"
    next_character: Annotated[str, _hotkey()] = "right"
    prev_character: Annotated[str, _hotkey()] = "left"
    toggle_stats: Annotated[str, _hotkey()] = "t"
    calibrate: Annotated[str, _hotkey()] = "c"
    forget_calibration: Annotated[str, _hotkey()] = "x"
    freeze: Annotated[str, _hotkey()] = "f"
    record: Annotated[str, _hotkey()] = "m"
    virtual_camera: Annotated[str, _hotkey()] = "v"
    toggle_controls: Annotated[str, _hotkey()] = "h"
    emotes: Annotated[Mapping[str, Annotated[str, _hotkey()]], takes("emotes with their keys")] = field(
        default_factory=lambda: {"wink_left": "w", "nod": "n", "laugh": "l", "shock": "s", "kiss": "k"}
    )

    @property
    def commands(self) -> dict[str, str]:
        """The key of each command but the emotes."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "emotes"}

    def __post_init__(self) -> None:
        """Refuse two actions on one key."""
        taken: dict[str, str] = {}
        emotes = {f"emotes.{name}": key for name, key in self.emotes.items()}
        for name, key in {**self.commands, **emotes}.items():
            if key in taken:
                raise ConfigError(f"hotkeys.{name} and hotkeys.{taken[key]} are both {key!r}", "change one of them")
            taken[key] = name


@dataclass(frozen=True)
class Config:
    """The content of ``config.yaml``."""

    video: VideoConfig = field(default_factory=VideoConfig)
    ai_model: AiModelConfig = field(default_factory=AiModelConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    character: CharacterConfig = field(default_factory=CharacterConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    performance: PerformanceConfig = field(default_factory=PerformanceConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    liveportrait: MotionOptions = field(default_factory=MotionOptions)
    anime: AnimeConfig = field(default_factory=AnimeConfig)
    vmc: VmcConfig = field(default_factory=VmcConfig)
    remote: RemoteConfig = field(default_factory=RemoteConfig)
    hotkeys: HotkeyConfig = field(default_factory=HotkeyConfig)

    def with_options(self, given: Mapping[str, Any]) -> Config:
        """Return the settings with other motion options, by name; raises ConfigError for an unknown name or value."""
        options = options_from(
            {**dataclasses.asdict(self.liveportrait), "smoothing": self.tracking.smoothing}
            | {name.replace("-", "_"): value for name, value in given.items()}
        )
        tracking = dataclasses.replace(self.tracking, smoothing=options.smoothing)
        return dataclasses.replace(self, liveportrait=options, tracking=tracking)

    def face(self, mirror: bool = False) -> FaceSettings:
        """Return the face settings of the commands, which have no panel."""
        return FaceSettings(
            mirror=mirror,
            smoothing=self.tracking.smoothing,
            **{name: getattr(self.liveportrait, name) for name in STRENGTHS},
        )


_FORMER_KEYS = {
    "device": "device",
    "fp16": "fp16",
    "backend": "backend",
    "onnx_provider": "provider",
    "use_compile": "compile",
    "batch_size": "batch_size",
}
"""Keys of ai_model, in the original project and in ours until now, by their names in compute."""
_REMEDY = "correct it or delete the line to use the default"


def load_config(path: Path | str | None = None) -> Config:
    """Return the settings in ``path``; without one those of ``assets/config.yaml``, or the defaults if it is absent.

    Raises ConfigError, naming the file and the dotted path of the key, for a key or value that cannot be used.
    """
    if path is None and not DEFAULT_CONFIG_FILE.exists():
        return Config()
    file = Path(path) if path is not None else DEFAULT_CONFIG_FILE
    try:
        content = read_yaml(file, "configuration", text_keys=("current_character", "address", "fingerprint"))
    except InvalidYaml as exc:
        raise ConfigError(f"{exc.place}: this is not valid YAML: {exc.problem}", "correct that line") from exc
    try:
        config, ignored = _build_config(content)
    except ConfigError as exc:
        raise exc.about(str(file)) from exc
    if ignored:
        logger.warning("%s: these keys have no meaning here and are ignored: %s", file, ", ".join(ignored))
    return config


def _build_config(content: Any) -> tuple[Config, list[str]]:
    """Return the settings, and the dotted keys of the original project that have no counterpart here."""
    sections = kinds_of(Config)
    kinds = {name: kinds_of(section) for name, section in sections.items()}
    former = {old: kinds["compute"][new] for old, new in _FORMER_KEYS.items()}
    kinds["ai_model"] = {**kinds["ai_model"], **former, "use_tensorrt": bool}
    ignored: list[str] = []
    values: dict[str, dict[str, Any]] = {}
    for name, body in entries_of(content, "the content").items():
        if _WITHOUT_MEANING.fullmatch(name):
            ignored.append(name)
            continue
        if name not in sections:
            raise unknown_key(name, sections)
        entries = entries_of(body, name)
        unused = [key for key in entries if _WITHOUT_MEANING.fullmatch(f"{name}.{key}")]
        ignored += [f"{name}.{key}" for key in unused]
        used = {key: value for key, value in entries.items() if key not in unused}
        if name == "liveportrait" and "smoothing" in used:
            raise ConfigError("liveportrait.smoothing is not a known key", "write tracking.smoothing")
        values[name] = checked(used, kinds[name], prefix=f"{name}.", remedy=_REMEDY, decode=_path)
    _move_former_keys(values.get("ai_model", {}), values.setdefault("compute", {}))
    return Config(**{name: sections[name](**entries) for name, entries in values.items()}), ignored


def _move_former_keys(ai_model: dict[str, Any], compute: dict[str, Any]) -> None:
    """Move values from one section to the other; raises ConfigError if both have one and they differ."""
    moves = [(old, new, ai_model.pop(old)) for old, new in _FORMER_KEYS.items() if old in ai_model]
    if ai_model.pop("use_tensorrt", False):
        moves = [move for move in moves if move[1] not in ("backend", "provider")]
        moves += [("use_tensorrt", "backend", "onnx"), ("use_tensorrt", "provider", "tensorrt")]
    for old, new, value in moves:
        if compute.setdefault(new, value) != value:
            raise ConfigError(
                f"ai_model.{old} sets compute.{new} to {value!r}, but that is {compute[new]!r}",
                f"delete the line ai_model.{old}",
            )


def _path(kind: Any, value: Any) -> Path:
    """Return the path in a text, which counts from the project's folder."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError
    return PROJECT_ROOT / Path(value).expanduser()

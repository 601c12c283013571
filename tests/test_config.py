"""What config.yaml may say, and what is said about what it may not."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from animator_core.assembly import make_estimator, make_renderer_source
from animator_core.config import DEFAULT_CONFIG_FILE, PROJECT_ROOT, ComputeConfig, Config, load_config
from animator_core.errors import ConfigError

# The sections, keys and kinds of value that the original project's file has; the values are ours.
ORIGINAL = """
video: {source: 1, width: 1280, height: 720, fps: 60}
ai_model: {type: "liveportrait", model_path: "models/liveportrait", device: "cuda", fp16: true, batch_size: 1,
           use_tensorrt: false, warmup_frames: 10, use_feature_cache: true}
character: {images_path: "assets/characters/", current_character: "character1.png", preload_all: true,
            auto_crop: true, target_size: [512, 512]}
output: {width: 1920, height: 1080, background_alpha: 0, spout_enabled: true, spout_name: "A", ndi_enabled: true,
         ndi_name: "B"}
performance: {target_fps: 60, max_inference_time_ms: 15, enable_profiling: true, async_pipeline: true,
              frame_skip_threshold: 45, cache_dir: "cache/features", enable_optimizer: true}
tracking: {face_enabled: true, smoothing: 0.5, min_detection_confidence: 0.7, min_tracking_confidence: 0.5}
hotkeys: {quit: "q", reload_characters: "r", next_character: "right", prev_character: "left", toggle_spout: "s",
          toggle_ndi: "n", toggle_stats: "t"}
spout: {fps: 60}
"""


def load(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def test_committed_file_says_the_defaults():
    assert DEFAULT_CONFIG_FILE.exists()
    assert load_config() == Config()


def test_original_projects_file_loads_with_its_values(tmp_path):
    config = load(tmp_path, ORIGINAL)
    assert config.video.source == 1
    assert config.video.fps == 60
    assert config.ai_model.type == "liveportrait"
    assert config.ai_model.model_path == PROJECT_ROOT / "models" / "liveportrait"
    assert config.character.current_character == "character1.png"
    assert config.character.target_size == (512, 512)
    assert config.performance.cache_dir == PROJECT_ROOT / "cache" / "features"
    assert config.tracking.min_detection_confidence == 0.7
    assert config.hotkeys.next_character == "right"


def test_the_original_projects_keys_say_where_liveportrait_runs(tmp_path):
    former = "device: cpu, fp16: false, backend: torch, onnx_provider: cpu, use_compile: true, batch_size: 4"
    compute = ComputeConfig(device="cpu", fp16=False, backend="torch", provider="cpu", compile=True, batch_size=4)
    assert load(tmp_path, f"ai_model: {{{former}}}") == Config(compute=compute)
    assert load(tmp_path, ORIGINAL).compute == ComputeConfig(device="cuda")


def test_use_tensorrt_means_onnx_by_tensorrt_whatever_the_other_two_say(tmp_path):
    compute = load(tmp_path, "ai_model: {use_tensorrt: true, backend: torch, onnx_provider: cpu}").compute
    assert (compute.backend, compute.provider) == ("onnx", "tensorrt")
    assert load(tmp_path, "ai_model: {use_tensorrt: false, backend: torch}").compute == ComputeConfig(backend="torch")


def test_a_former_key_beside_the_same_value_in_compute_is_no_mistake(tmp_path):
    assert load(tmp_path, "ai_model: {device: cpu}\ncompute: {device: cpu}").compute.device == "cpu"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "ai_model: {device: cpu}\ncompute: {device: cuda}",
            r"ai_model\.device sets compute\.device to 'cpu', but that is 'cuda'; delete the line ai_model\.device",
        ),
        ("ai_model: {onnx_provider: cpu}\ncompute: {provider: cuda}", r"ai_model\.onnx_provider .*compute\.provider"),
        ("ai_model: {use_tensorrt: true}\ncompute: {backend: torch}", r"ai_model\.use_tensorrt .*compute\.backend"),
        ("ai_model: {fp61: true}", r"ai_model\.fp61 is not a known key; did you mean 'fp16'"),
        ("compute: {onnx_provider: cpu}", "did you mean 'provider'"),
        ("compute: {device: gpu}", "compute.device is 'gpu', expected auto, cpu, cuda"),
        ("compute: {provider: rocm}", "compute.provider is 'rocm', expected one of auto, directml"),
        ("compute: {backend: tensorrt}", "compute.backend is 'tensorrt', expected auto, torch or onnx"),
    ],
)
def test_contradictions_and_mistakes_about_where_liveportrait_runs_are_named(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says) as raised:
        load(tmp_path, text)
    assert "config.yaml" in str(raised.value)


def test_keys_without_meaning_are_named_in_one_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        load(tmp_path, ORIGINAL)
    (record,) = caplog.records
    for key in ("output.spout_enabled", "output.ndi_name", "hotkeys.toggle_spout", "hotkeys.toggle_ndi", "spout"):
        assert key in record.getMessage()
    assert "hotkeys.quit" not in record.getMessage()


def test_empty_file_and_empty_section_mean_the_defaults(tmp_path):
    assert load(tmp_path, "") == Config()
    assert load(tmp_path, "video:\n") == Config()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("video: {widht: 3}", "video.widht.*did you mean 'width'"),
        ("vidoe: {width: 640}", "vidoe.*did you mean 'video'"),
        ("output: {spoutt: 1}", "output.spoutt is not a known key"),
        ("character: {skin: x}", "character.skin"),
        ("hotkeys: {toggle_lights: x}", "hotkeys.toggle_lights"),
    ],
)
def test_unknown_key_is_an_error_with_its_dotted_path(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("video: {width: '640'}", "video.width is '640', expected a whole number from 16 to 8192"),
        ("video: {width: true}", "video.width is True"),
        ("video: {width: 8193}", "video.width is 8193"),
        ("video: {width: 640.5}", "video.width is 640.5"),
        ("video: {fps: .nan}", "video.fps is nan"),
        ("video: {source: -1}", "video.source is -1"),
        ("video: {source: ''}", "video.source is ''"),
        ("ai_model: {type: sadtalker}", "ai_model.type is 'sadtalker', expected auto, liveportrait, anime or warp"),
        ("ai_model: {fp16: 1}", "ai_model.fp16 is 1, expected true or false"),
        ("ai_model: {device: gpu}", "ai_model.device is 'gpu', expected auto, cpu, cuda"),
        ("ai_model: {model_path: 5}", "ai_model.model_path is 5, expected a path"),
        ("ai_model: {batch_size: 0}", "ai_model.batch_size is 0"),
        ("character: {target_size: 512}", r"character.target_size is 512, expected \[width, height\]"),
        ("character: {target_size: [512, 63]}", "character.target_size"),
        ("character: {current_character: ../x.png}", "character.current_character"),
        ("output: {background_alpha: 256}", "output.background_alpha is 256, expected a whole number from 0 to 255"),
        ("performance: {target_fps: 0}", "performance.target_fps is 0"),
        ("tracking: {smoothing: 1.01}", "tracking.smoothing is 1.01, expected a number from 0 to 1"),
        ("tracking: {smoothing: null}", "tracking.smoothing is None"),
        ("hotkeys: {quit: 5}", "hotkeys.quit is 5"),
        ("hotkeys: {quit: '5'}", "hotkeys.quit is '5'"),
        ("hotkeys: {quit: pause}", "hotkeys.quit is 'pause'"),
        ("hotkeys: {quit: r}", "hotkeys.reload_characters and hotkeys.quit are both 'r'"),
        ("video: [1, 2]", "video is .*expected lines of the form"),
        ("- 1", "expected lines of the form"),
    ],
)
def test_wrong_value_is_an_error_with_path_value_and_range(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says):
        load(tmp_path, text)


def test_wrong_value_names_the_file_and_the_remedy(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "video: {width: 1}")
    assert str(tmp_path / "config.yaml") in str(caught.value)
    assert "delete the line to use the default" in str(caught.value)


def test_broken_yaml_is_reported_with_file_and_line(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.yaml:3: this is not valid YAML"):
        load(tmp_path, "video:\n  width: 640\n bad: [\n")


def test_a_section_that_is_there_twice_is_refused_and_does_not_replace_the_first(tmp_path):
    with pytest.raises(ConfigError, match=r"config\.yaml:3: .*video is there twice"):
        load(tmp_path, "video:\n  width: 640\nvideo: {fps: 30}\n")


def test_tags_that_would_make_objects_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(tmp_path, "video: !!python/object/apply:os.getcwd []")


def test_a_deeply_nested_file_is_refused_and_does_not_crash(tmp_path):
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(tmp_path, "[" * 5000)


def test_missing_binary_and_huge_files_are_config_errors(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the configuration .*absent.yaml"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "binary.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config(tmp_path / "huge.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path)


def test_the_liveportrait_section_says_the_motion_options(tmp_path):
    options = load(tmp_path, "liveportrait: {region: eyes, sensitivity_mouth: 2, is_relative: false}").liveportrait
    assert (options.region, options.sensitivity_mouth, options.is_relative) == ("eyes", 2, False)
    assert load(tmp_path, "liveportrait:").liveportrait == Config().liveportrait


def test_the_motion_options_reach_renderers_and_estimators(tmp_path):
    config = load(tmp_path, "liveportrait: {region: eyes, sensitivity_pose: 0.5}\ntracking: {smoothing: 0.1}")
    assert make_renderer_source(config).settings.options == config.liveportrait
    settings = make_estimator(config).settings
    assert (settings.sensitivity_pose, settings.smoothing) == (0.5, 0.1)


def test_the_anime_section_and_the_folder_of_its_weights_reach_renderers(tmp_path):
    config = load(tmp_path, "ai_model: {type: anime}\nanime: {live_networks: true}")
    settings = make_renderer_source(config).settings
    assert (config.ai_model.type, settings.anime.live_networks) == ("anime", True)
    assert settings.anime_dir == PROJECT_ROOT / "assets" / "models" / "anime"
    assert not Config().anime.live_networks


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("liveportrait: {regoin: eyes}", "did you mean 'region'"),
        ("liveportrait: {region: nose}", "one of all, expression, pose, lips, eyes"),
        ("liveportrait: {gaze_x: 60}", "from -25 to 25"),
        ("liveportrait: {smoothing: 0.2}", r"tracking\.smoothing"),
        ("liveportrait: [1]", "key: value"),
        ("liveportait: {}", "did you mean 'liveportrait'"),
    ],
)
def test_a_wrong_motion_option_is_named_with_its_file(tmp_path, text, named):
    with pytest.raises(ConfigError, match=named) as raised:
        load(tmp_path, text)
    assert "config.yaml" in str(raised.value)


@pytest.mark.parametrize("name", ["No", "13", "2026-11-28", "1.0", "on"])
def test_a_character_may_be_called_like_a_number_or_a_truth_value(tmp_path, name):
    path = tmp_path / "config.yaml"
    path.write_text(f"character: {{current_character: {name}}}\n")
    assert load_config(path).character.current_character == name

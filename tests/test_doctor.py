"""Promises of ``python -m animator_core doctor`` and its checks."""

from __future__ import annotations

import builtins
import dataclasses
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from animator_core import assembly, doctor
from animator_core.__main__ import main
from animator_core.checks import animation, installation, machine
from animator_core.checks.finding import FAILURE, OK, WARNING, Finding, Surroundings
from animator_core.config import CharacterConfig, Config, PerformanceConfig
from animator_core.errors import CharacterError
from animator_core.model_files import FACE_LANDMARKER, LIVEPORTRAIT
from animator_core.protocol import CharacterEntry
from animator_core.tracking import build
from tests import stand_ins


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    config = Config(performance=PerformanceConfig(cache_dir=tmp_path / "cache"))
    ai_model = dataclasses.replace(config.ai_model, model_path=tmp_path / "models" / "liveportrait")
    return Surroundings(dataclasses.replace(config, ai_model=ai_model), tmp_path, tmp_path / "models")


def _versions(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    real = metadata.version

    def version(package: str) -> str:
        known = versions.get(package.replace("-", "_"), real)
        if known is None:
            raise metadata.PackageNotFoundError(package)
        return known if isinstance(known, str) else real(package)

    monkeypatch.setattr(metadata, "version", version)


def test_any_failure_exits_1_and_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [Finding("disk", OK, "fine"), Finding("cache", FAILURE, "is read-only", "make it writable")]
    monkeypatch.setattr("animator_core.cli.doctor.examine", lambda config: iter(findings))
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "FAIL  cache: is read-only\n      → make it writable" in told
    assert "1 of 2 checks failed" in told


def test_a_warning_is_no_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        "animator_core.cli.doctor.examine", lambda config: iter([Finding("camera", WARNING, "none", "x")])
    )
    assert main(["doctor"]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out


def test_json_has_every_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding("disk", OK, "fine"), Finding("cache", FAILURE, "is read-only", "make it writable")]
    monkeypatch.setattr("animator_core.cli.doctor.examine", lambda config: iter(findings))
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"name": "disk", "state": "ok", "detail": "fine", "remedy": ""},
        {"name": "cache", "state": "failure", "detail": "is read-only", "remedy": "make it writable"},
    ]


def test_a_check_that_breaks_is_a_failure_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(surroundings: Surroundings) -> list[Finding]:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(doctor, "_CHECKS", {"installation": ("python",), "animation": ("ring",), "machine": ("disk",)})
    monkeypatch.setattr(animation, "check_ring", break_down)
    found = list(doctor.examine(None))
    assert [finding.name for finding in found] == ["settings", "Python", "ring", "disk space"]
    assert found[2].state == FAILURE
    assert "ZeroDivisionError: oh" in found[2].detail


def test_a_wrong_setting_is_a_failure_and_the_defaults_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text("video:\n  fsp: 30\n", encoding="utf-8")
    monkeypatch.setattr(doctor, "_CHECKS", {"machine": ("disk",)})
    found = list(doctor.examine(tmp_path / "c.yaml"))
    assert found[0].state == FAILURE
    assert "video.fsp" in found[0].detail
    assert len(found) == 2


def test_two_opencvs_are_a_failure(monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings) -> None:
    _versions(monkeypatch, opencv_python="4.11.0", opencv_contrib_python="4.10.0", opencv_python_headless=None)
    (found,) = installation.check_opencv(surroundings)
    assert found.state == FAILURE
    assert "opencv-contrib-python 4.10.0" in found.detail
    assert "uninstall" in found.remedy


@pytest.mark.parametrize(
    ("mediapipe", "numpy", "state"),
    [
        ("0.10.21", "1.26.4", OK),
        ("0.10.21", "2.1.0", FAILURE),
        ("0.10.35", "2.1.0", FAILURE),
        (None, "1.26.4", FAILURE),
    ],
)
def test_mediapipe_must_fit_numpy_and_send_nothing(
    monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings, mediapipe: str | None, numpy: str, state: str
) -> None:
    _versions(monkeypatch, mediapipe=mediapipe, numpy=numpy)
    monkeypatch.setattr(installation, "_load_problem", lambda module: "")
    (found,) = installation.check_mediapipe(surroundings)
    assert found.state == state
    assert (found.remedy == "") == (state == OK)


@pytest.mark.parametrize(
    ("versions", "state", "said"),
    [
        ({}, None, ""),
        ({"onnxruntime": "1.28.0"}, OK, "onnxruntime 1.28.0 runs on DirectML, CPU"),
        ({"onnxruntime-directml": "1.24.4"}, OK, "onnxruntime-directml 1.24.4 runs on"),
        ({"onnxruntime": "1.29.0"}, WARNING, "reports to its maker"),
        ({"onnxruntime": "1.28.0", "onnxruntime-directml": "1.24.4"}, FAILURE, "2 are installed and share one folder"),
    ],
)
def test_onnxruntime_must_be_one_and_send_nothing(
    monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings, versions: dict[str, str], state: str | None, said: str
) -> None:
    from animator_core.checks import onnxruntime
    from animator_core.liveportrait.onnx import providers

    available = ["DmlExecutionProvider", "CPUExecutionProvider"]
    module = SimpleNamespace(get_available_providers=lambda: available)
    monkeypatch.setattr(onnxruntime, "installed_version", versions.get)
    monkeypatch.setattr(providers, "load_onnxruntime", lambda: module)
    findings = onnxruntime.check_onnxruntime(surroundings)
    assert [finding.state for finding in findings] == ([state] if state else [])
    assert said in "".join(finding.detail for finding in findings)


def test_tensorrt_that_is_asked_for_and_not_there_is_named_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings
) -> None:
    from animator_core.checks import onnxruntime
    from animator_core.liveportrait.onnx import providers

    config = surroundings.config
    config = dataclasses.replace(config, ai_model=dataclasses.replace(config.ai_model, use_tensorrt=True))
    surroundings = dataclasses.replace(surroundings, config=config)
    available = ["CPUExecutionProvider"]
    module = SimpleNamespace(get_available_providers=lambda: available)
    monkeypatch.setattr(onnxruntime, "installed_version", {"onnxruntime": "1.28.0"}.get)
    monkeypatch.setattr(providers, "load_onnxruntime", lambda: module)
    (found,) = onnxruntime.check_onnxruntime(surroundings)
    assert (found.state, "no TensorRT" in found.detail, "onnxruntime-gpu" in found.remedy) == (FAILURE, True, True)
    available.insert(0, "TensorrtExecutionProvider")
    (found,) = onnxruntime.check_onnxruntime(surroundings)
    assert (found.state, found.detail) == (OK, "onnxruntime 1.28.0 runs on TensorRT, CPU")


def test_a_package_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings) -> None:
    real = builtins.__import__

    def refuse(name: str, *more: Any) -> Any:
        if name == "av":
            raise ImportError("libx.so is missing")
        return real(name, *more)

    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(builtins, "__import__", refuse)
    found = installation.check_packages(surroundings)
    assert found[0] == Finding("package av", FAILURE, found[0].detail, "run install.py again")


def test_a_damaged_model_is_a_failure(surroundings: Surroundings) -> None:
    surroundings.models_dir.mkdir()
    (surroundings.models_dir / FACE_LANDMARKER.name).write_bytes(b"")
    found = installation.check_models(surroundings)[0]
    assert found.state == FAILURE
    assert "0 bytes" in found.detail
    assert "install.py" in found.remedy


def test_missing_weights_are_no_failure_but_half_of_them_are(surroundings: Surroundings) -> None:
    assert installation.check_models(surroundings)[-1].state == OK
    weights = surroundings.config.ai_model.model_path
    weights.mkdir(parents=True)
    (weights / LIVEPORTRAIT[0].name).write_bytes(b"x")
    states = [finding.state for finding in installation.check_models(surroundings)[1:]]
    assert states == [FAILURE] * len(LIVEPORTRAIT)


def test_without_any_face_model_tracking_fails(monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings) -> None:
    monkeypatch.setattr(build, "has_face_mesh", lambda: False)
    assert installation.check_models(surroundings)[0].state == FAILURE


def test_a_broken_character_is_named(monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings) -> None:
    class Library:
        directory = Path("somewhere")

        def list(self) -> tuple[CharacterEntry, ...]:
            return (CharacterEntry("a.png", "A", "a.png"), CharacterEntry("b.png", "B", "b.png"))

        def load(self, name: str) -> Any:
            if name == "b.png":
                raise CharacterError("b.png is broken; save it again")
            return stand_ins.character()

    monkeypatch.setattr(assembly, "make_library", lambda config: Library())
    first, second = animation.check_characters(surroundings)
    assert (first.state, first.detail) == (OK, "1 of 2 can be used")
    assert second == Finding("character b.png", FAILURE, "b.png is broken", "save it again")


def test_an_empty_library_and_an_unknown_first_character_are_failures(
    tmp_path: Path, surroundings: Surroundings
) -> None:
    empty = dataclasses.replace(surroundings.config, character=CharacterConfig(images_path=tmp_path))
    (found,) = animation.check_characters(dataclasses.replace(surroundings, config=empty))
    assert found.state == FAILURE
    assert str(tmp_path) in found.detail


def test_the_ring_passes_a_frame(surroundings: Surroundings) -> None:
    (found,) = animation.check_ring(surroundings)
    assert found.state == OK


def test_a_renderer_that_draws_nothing_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings
) -> None:
    renderer, _ = stand_ins.put_in_place(monkeypatch)
    monkeypatch.setattr(animation, "_usable_characters", lambda surroundings: [stand_ins.character()])
    assert animation.check_renderer(surroundings)[0].state == OK
    monkeypatch.setattr(renderer, "render", lambda motion: np.zeros((48, 64, 4), np.uint8))
    assert animation.check_renderer(surroundings)[0].state == FAILURE


def test_a_tracker_that_sees_no_face_is_told(monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings) -> None:
    _, tracker = stand_ins.put_in_place(monkeypatch)
    monkeypatch.setattr(animation, "_usable_characters", lambda surroundings: [stand_ins.character()])
    assert animation.check_tracker(surroundings)[0].state == OK
    monkeypatch.setattr(tracker, "track", lambda frame, captured_ns: None)
    assert animation.check_tracker(surroundings)[0].state == WARNING
    assert tracker.is_closed


def test_a_cache_that_cannot_be_written_is_a_failure(tmp_path: Path, surroundings: Surroundings) -> None:
    assert machine.check_cache(surroundings)[0].state == OK
    (tmp_path / "file").write_bytes(b"")
    blocked = dataclasses.replace(
        surroundings.config, performance=PerformanceConfig(cache_dir=tmp_path / "file" / "cache")
    )
    (found,) = machine.check_cache(dataclasses.replace(surroundings, config=blocked))
    assert found.state == FAILURE
    assert "performance.cache_dir" in found.remedy


@pytest.mark.parametrize(("free", "state"), [(10**7, FAILURE), (5 * 10**8, WARNING), (10**11, OK)])
def test_a_full_disk_is_told(
    monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings, free: int, state: str
) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free})())
    (found,) = machine.check_disk(surroundings)
    assert found.state == state


@pytest.mark.parametrize(("version", "state"), [((27, 2), FAILURE), ((29, 0), OK), (None, OK)])
def test_an_old_obs_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings, version: tuple[int, int] | None, state: str
) -> None:
    (surroundings.root / "obs_plugin").mkdir()
    (surroundings.root / "obs_plugin" / "stream_motion_animator.py").write_bytes(b"")
    monkeypatch.setattr(machine, "find_obs", lambda: Path("obs"))
    monkeypatch.setattr(machine, "obs_version", lambda program: version)
    assert machine.check_obs(surroundings)[0].state == state


def test_a_missing_script_is_a_failure_and_a_missing_obs_is_not(
    monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings
) -> None:
    assert machine.check_obs(surroundings)[0].state == FAILURE
    (surroundings.root / "obs_plugin").mkdir()
    (surroundings.root / "obs_plugin" / "stream_motion_animator.py").write_bytes(b"")
    monkeypatch.setattr(machine, "find_obs", lambda: None)
    assert machine.check_obs(surroundings)[0].state == WARNING


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="OBS is asked for its version on Linux only")
def test_the_version_is_read_from_what_obs_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(command: list[str], **options: Any) -> Any:
        return subprocess.CompletedProcess(command, 0, "OBS Studio - 29.0.2.1-1+b1 (linux)\n", "")

    monkeypatch.setattr(machine.subprocess, "run", answer)
    assert machine.obs_version(Path("obs")) == (29, 0)


def test_pictures_of_other_kinds_are_a_warning_with_the_remedy(surroundings: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "ada.heic").touch()
    config = Config(character=CharacterConfig(images_path=tmp_path / "pictures"))
    none, other = animation.check_characters(dataclasses.replace(surroundings, config=config))
    assert none.state == FAILURE
    assert (other.state, other.remedy) == (WARNING, "save as PNG, JPEG or WebP")
    assert "ada.heic" in other.detail


@pytest.mark.parametrize("system", ["win32", "darwin"])
@pytest.mark.parametrize(("version", "state"), [((3, 12, 1), OK), ((3, 13, 0), WARNING)])
def test_the_python_for_obs_is_checked_though_the_version_of_obs_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch, surroundings: Surroundings, system: str, version: tuple[int, ...], state: str
) -> None:
    (surroundings.root / "obs_plugin").mkdir()
    (surroundings.root / "obs_plugin" / "stream_motion_animator.py").write_bytes(b"")
    monkeypatch.setattr(machine, "find_obs", lambda: Path("obs64.exe"))
    monkeypatch.setattr(machine, "sys", SimpleNamespace(platform=system, version_info=version))
    assert [(found.name, found.state) for found in machine.check_obs(surroundings)] == [
        ("OBS", OK),
        ("Python for OBS", state),
    ]

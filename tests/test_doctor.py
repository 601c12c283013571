"""Promises of ``python -m animator_core doctor`` and its checks."""

from __future__ import annotations

import builtins
import dataclasses
import hashlib
import json
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from animator_core import assembly
from animator_core.__main__ import main
from animator_core.characters.face_quality import FaceWarning
from animator_core.config import CharacterConfig, ComputeConfig, Config, PerformanceConfig
from animator_core.diagnostics import check_animation as animation
from animator_core.diagnostics import check_installation as installation
from animator_core.diagnostics import check_machine as machine
from animator_core.diagnostics import doctor
from animator_core.diagnostics.finding import FAILURE, OK, WARNING, CheckContext, Finding
from animator_core.errors import CharacterError, ModelError, loading
from animator_core.installation import model_files
from animator_core.installation.model_files import FACE_LANDMARKER, LIVEPORTRAIT, ModelFile
from animator_core.ipc.protocol import CharacterEntry
from animator_core.liveportrait.execution import device
from animator_core.liveportrait.execution.device import DeviceChoice
from animator_core.tracking import trackers
from tests import stand_ins
from tests.windows_doubles import folder_refusing_files


@pytest.fixture
def context(tmp_path: Path) -> CheckContext:
    config = Config(performance=PerformanceConfig(cache_dir=tmp_path / "cache"))
    ai_model = dataclasses.replace(config.ai_model, model_path=tmp_path / "models" / "liveportrait")
    return CheckContext(dataclasses.replace(config, ai_model=ai_model), tmp_path, tmp_path / "models")


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
    assert "No check failed" in capsys.readouterr().out


def test_json_has_every_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding("disk", OK, "fine"), Finding("cache", FAILURE, "is read-only", "make it writable")]
    monkeypatch.setattr("animator_core.cli.doctor.examine", lambda config: iter(findings))
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"name": "disk", "state": "ok", "detail": "fine", "remedy": ""},
        {"name": "cache", "state": "failure", "detail": "is read-only", "remedy": "make it writable"},
    ]


def test_a_check_that_breaks_is_a_failure_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(context: CheckContext) -> list[Finding]:
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


def test_two_opencvs_are_a_failure(monkeypatch: pytest.MonkeyPatch, context: CheckContext) -> None:
    _versions(monkeypatch, opencv_python="4.11.0", opencv_contrib_python="4.10.0", opencv_python_headless=None)
    (found,) = installation.check_opencv(context)
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
    monkeypatch: pytest.MonkeyPatch, context: CheckContext, mediapipe: str | None, numpy: str, state: str
) -> None:
    _versions(monkeypatch, mediapipe=mediapipe, numpy=numpy)
    monkeypatch.setattr(installation, "_load_problem", lambda module: "")
    (found,) = installation.check_mediapipe(context)
    assert found.state == state
    assert (found.remedy == "") == (state == OK)


@pytest.mark.parametrize(
    ("versions", "state", "said"),
    [
        ({}, None, ""),
        ({"onnxruntime": "1.28.0"}, OK, "onnxruntime 1.28.0 runs on DirectML, CPU"),
        ({"onnxruntime-directml": "1.24.4"}, OK, "onnxruntime-directml 1.24.4 runs on"),
        ({"onnxruntime": "1.29.0"}, WARNING, "sends usage data by default"),
        (
            {"onnxruntime": "1.28.0", "onnxruntime-directml": "1.24.4"},
            FAILURE,
            "2 packages are installed and share",
        ),
    ],
)
def test_onnxruntime_must_be_one_and_send_nothing(
    monkeypatch: pytest.MonkeyPatch, context: CheckContext, versions: dict[str, str], state: str | None, said: str
) -> None:
    from animator_core.diagnostics import check_onnxruntime as onnxruntime
    from animator_core.liveportrait.execution.onnx import providers

    available = ["DmlExecutionProvider", "CPUExecutionProvider"]
    module = SimpleNamespace(get_available_providers=lambda: available)
    monkeypatch.setattr(onnxruntime, "installed_version", versions.get)
    monkeypatch.setattr(providers, "load_onnxruntime", lambda: module)
    findings = onnxruntime.check_onnxruntime(context)
    assert [finding.state for finding in findings] == ([state] if state else [])
    assert said in "".join(finding.detail for finding in findings)


def test_tensorrt_that_is_asked_for_and_not_there_is_named_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, context: CheckContext
) -> None:
    from animator_core.diagnostics import check_onnxruntime as onnxruntime
    from animator_core.liveportrait.execution.onnx import providers

    config = context.config
    config = dataclasses.replace(config, compute=ComputeConfig(backend="onnx", provider="tensorrt"))
    context = dataclasses.replace(context, config=config)
    available = ["CPUExecutionProvider"]
    module = SimpleNamespace(get_available_providers=lambda: available)
    monkeypatch.setattr(onnxruntime, "installed_version", {"onnxruntime": "1.28.0"}.get)
    monkeypatch.setattr(providers, "load_onnxruntime", lambda: module)
    (found,) = onnxruntime.check_onnxruntime(context)
    assert (found.state, "no TensorRT" in found.detail, "onnxruntime-gpu" in found.remedy) == (FAILURE, True, True)
    available.insert(0, "TensorrtExecutionProvider")
    (found,) = onnxruntime.check_onnxruntime(context)
    assert (found.state, found.detail) == (OK, "onnxruntime 1.28.0 runs on TensorRT, CPU")


def test_a_package_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch, context: CheckContext) -> None:
    real = builtins.__import__

    def refuse(name: str, *more: Any) -> Any:
        if name == "av":
            raise ImportError("libx.so is missing")
        return real(name, *more)

    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(builtins, "__import__", refuse)
    found = installation.check_packages(context)
    assert found[0] == Finding("package av", FAILURE, found[0].detail, "run install.py again")


_WINDOWS_WITHOUT_ITS_RUNTIME = (
    OSError(r'[WinError 126] Das angegebene Modul wurde nicht gefunden. Error loading "C:\torch\lib\c10.dll"'),
    OSError(r'[WinError 127] La procédure spécifiée est introuvable. Error loading "C:\torch\lib\shm.dll"'),
    OSError(r'[WinError 1114] A dynamic link library (DLL) initialization routine failed. Error loading "c10.dll"'),
    ImportError("DLL load failed while importing _framework_bindings: The specified module could not be found."),
)


@pytest.mark.parametrize("error", _WINDOWS_WITHOUT_ITS_RUNTIME)
@pytest.mark.parametrize("check", ["packages", "opencv", "mediapipe", "torch"])
def test_windows_without_its_runtime_is_told_which_to_install(
    monkeypatch: pytest.MonkeyPatch, context: CheckContext, check: str, error: Exception
) -> None:
    def fail(module: str) -> None:
        raise error

    monkeypatch.setattr(installation.importlib, "import_module", fail)
    found = getattr(installation, f"check_{check}")(context)[0]
    assert found.state == (WARNING if check == "torch" else FAILURE)
    assert "Microsoft's Visual C++ Redistributable (vc_redist.x64.exe" in found.remedy
    with pytest.raises(ModelError, match="; install Microsoft's Visual C"), loading("torch"):
        raise error


def test_another_problem_of_loading_is_the_installers(monkeypatch: pytest.MonkeyPatch, context: CheckContext) -> None:
    def fail(module: str) -> None:
        raise OSError("[WinError 1455] The paging file is too small for this operation to complete.")

    monkeypatch.setattr(installation.importlib, "import_module", fail)
    assert installation.check_torch(context)[0].remedy == "run install.py again"


def _torch_with(monkeypatch: pytest.MonkeyPatch, context: CheckContext, choice: DeviceChoice) -> Finding:
    monkeypatch.setattr(device, "choose_device", lambda wanted, fp16: choice)
    monkeypatch.setattr(torch, "__version__", "2.13.0")
    (found,) = installation.check_torch(context)
    return found


def test_the_device_that_torch_runs_on_is_named(monkeypatch: pytest.MonkeyPatch, context: CheckContext) -> None:
    apple = DeviceChoice("mps", torch.float32, "Apple GPU")
    assert _torch_with(monkeypatch, context, apple) == Finding("torch", OK, "2.13.0 on Apple GPU")
    none = DeviceChoice("cpu", torch.float32, "CPU", is_capable=False)
    assert _torch_with(monkeypatch, context, none) == Finding(
        "torch", OK, "2.13.0 on the CPU; the warp renderer is used"
    )
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=24 * 10**9))
    nvidia = DeviceChoice("cuda", torch.float16, "RTX 4090")
    assert _torch_with(monkeypatch, context, nvidia) == Finding("torch", OK, "2.13.0 on RTX 4090, 24 GB")


def test_a_card_that_torch_cannot_use_is_told_as_in_the_panel(
    monkeypatch: pytest.MonkeyPatch, context: CheckContext
) -> None:
    note = ModelError("RTX 3060 is not used (its driver is not installed)", "install it, restart; run install.py")
    choice = DeviceChoice("cpu", torch.float32, "CPU", note, is_capable=False)
    assert _torch_with(monkeypatch, context, choice) == Finding(
        "torch",
        WARNING,
        "2.13.0: RTX 3060 is not used (its driver is not installed)",
        "install it, restart; run install.py",
    )


def test_a_damaged_model_is_a_failure(context: CheckContext) -> None:
    context.models_dir.mkdir()
    (context.models_dir / FACE_LANDMARKER.name).write_bytes(b"")
    found = installation.check_models(context)[0]
    assert found.state == FAILURE
    assert "0 bytes" in found.detail
    assert "install.py" in found.remedy


def test_missing_weights_are_no_failure_but_half_of_them_are(context: CheckContext) -> None:
    assert {finding.state for finding in installation.check_models(context)[1:]} == {OK}
    weights = context.config.ai_model.model_path
    weights.mkdir(parents=True)
    (weights / LIVEPORTRAIT[0].name).write_bytes(b"x")
    states = [finding.state for finding in installation.check_models(context)[1:-1]]
    assert states == [FAILURE] * len(LIVEPORTRAIT)


def test_the_anime_weights_are_there_with_their_author_or_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, context: CheckContext
) -> None:
    models = tuple(
        ModelFile(name, "", 4, hashlib.sha256(name.encode()[:4]).hexdigest(), "CC BY 4.0", "anime")
        for name in ("editor.pt", "face_morpher.pt")
    )
    monkeypatch.setattr(installation, "ANIME", models)
    monkeypatch.setattr(model_files, "MANIFEST", models)
    missing = installation.check_models(context)[-1]
    assert (missing.name, missing.state) == ("anime weights", OK)
    assert "not installed" in missing.detail
    assert missing.remedy.startswith("run install.py again")

    weights = context.models_dir / "anime"
    weights.mkdir(parents=True)
    for model in models:
        (weights / model.name).write_bytes(model.name.encode()[:4])
    there = installation.check_models(context)[-1]
    assert (there.state, there.remedy) == (OK, "")
    assert "Talking Head Anime 3 by Pramook Khungurn, CC BY 4.0" in there.detail

    (weights / "face_morpher.pt").write_bytes(b"else")
    damaged = installation.check_models(context)[-1]
    assert (damaged.name, damaged.state) == ("model face_morpher.pt", FAILURE)
    assert "is not the face_morpher.pt that was published" in damaged.detail
    assert "install.py" in damaged.remedy


def test_without_any_face_model_tracking_fails(monkeypatch: pytest.MonkeyPatch, context: CheckContext) -> None:
    monkeypatch.setattr(trackers, "has_face_mesh", lambda: False)
    assert installation.check_models(context)[0].state == FAILURE


def test_a_broken_character_is_named(monkeypatch: pytest.MonkeyPatch, context: CheckContext) -> None:
    class Library:
        directory = Path("somewhere")

        def list(self) -> tuple[CharacterEntry, ...]:
            return (CharacterEntry("a.png", "A", "a.png"), CharacterEntry("b.png", "B", "b.png"))

        def load(self, name: str) -> Any:
            if name == "b.png":
                raise CharacterError("b.png is broken", "save it again")
            return stand_ins.character()

    monkeypatch.setattr(assembly, "make_library", lambda config: Library())
    first, second = animation.check_characters(context)
    assert (first.state, first.detail) == (OK, "1 of 2 can be used")
    assert second == Finding("character b.png", FAILURE, "b.png is broken", "save it again")


def test_a_character_without_a_face_counts_if_the_anime_renderer_may_draw_it(
    monkeypatch: pytest.MonkeyPatch, context: CheckContext
) -> None:
    without_face = dataclasses.replace(stand_ins.character(), landmarks=None)
    doubtful = dataclasses.replace(stand_ins.character(), warnings=(FaceWarning("the face is small", "use another"),))

    class Library:
        directory = Path("somewhere")

        def list(self) -> tuple[CharacterEntry, ...]:
            return (CharacterEntry("a.png", "A", "a.png"), CharacterEntry("b.png", "B", "b.png"))

        def load(self, name: str) -> Any:
            return without_face if name == "a.png" else doubtful

    monkeypatch.setattr(assembly, "make_library", lambda config: Library())
    monkeypatch.setattr(assembly, "has_anime_weights", lambda: True)
    summary, first, second = animation.check_characters(context)
    assert (summary.state, summary.detail) == (OK, "2 of 2 can be used")
    assert first.state == WARNING and "only the anime renderer can draw it" in first.detail
    assert second == Finding("character b.png", WARNING, "the face is small", "use another")
    monkeypatch.setattr(assembly, "has_anime_weights", lambda: False)
    summary, first, _ = animation.check_characters(context)
    assert (first.state, summary.detail) == (FAILURE, "1 of 2 can be used")


def test_an_empty_library_and_an_unknown_first_character_are_failures(tmp_path: Path, context: CheckContext) -> None:
    empty = dataclasses.replace(context.config, character=CharacterConfig(images_path=tmp_path))
    (found,) = animation.check_characters(dataclasses.replace(context, config=empty))
    assert found.state == FAILURE
    assert str(tmp_path) in found.detail


def test_the_ring_passes_a_frame(context: CheckContext) -> None:
    (found,) = animation.check_ring(context)
    assert found.state == OK


def test_a_renderer_that_draws_nothing_is_a_failure(monkeypatch: pytest.MonkeyPatch, context: CheckContext) -> None:
    renderer, _ = stand_ins.put_in_place(monkeypatch)
    monkeypatch.setattr(animation, "_usable_characters", lambda context: [stand_ins.character()])
    assert animation.check_renderer(context)[0].state == OK
    monkeypatch.setattr(renderer, "draw", lambda placement: np.zeros((48, 64, 4), np.uint8))
    assert animation.check_renderer(context)[0].state == FAILURE


def test_a_tracker_that_sees_no_face_is_told(monkeypatch: pytest.MonkeyPatch, context: CheckContext) -> None:
    _, tracker = stand_ins.put_in_place(monkeypatch)
    monkeypatch.setattr(animation, "_usable_characters", lambda context: [stand_ins.character()])
    assert animation.check_tracker(context)[0].state == OK
    monkeypatch.setattr(tracker, "track", lambda frame, captured_ns: None)
    assert animation.check_tracker(context)[0].state == WARNING
    assert tracker.is_closed


def test_a_cache_that_cannot_be_written_is_a_failure(tmp_path: Path, context: CheckContext) -> None:
    assert machine.check_cache(context)[0].state == OK
    (tmp_path / "file").write_bytes(b"")
    blocked = dataclasses.replace(context.config, performance=PerformanceConfig(cache_dir=tmp_path / "file" / "cache"))
    (found,) = machine.check_cache(dataclasses.replace(context, config=blocked))
    assert found.state == FAILURE
    assert "performance.cache_dir" in found.remedy


def test_a_protected_cache_is_told_at_once_on_windows(tmp_path: Path, context: CheckContext) -> None:
    (tmp_path / "cache").mkdir()
    with folder_refusing_files():
        (found,) = machine.check_cache(context)
    assert found.state == FAILURE
    assert "(Permission denied)" in found.detail


@pytest.mark.parametrize(("free", "state"), [(10**7, FAILURE), (5 * 10**8, WARNING), (10**11, OK)])
def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, context: CheckContext, free: int, state: str) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free})())
    (found,) = machine.check_disk(context)
    assert found.state == state


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("Users/ann/OneDrive/Desktop/animator", "OneDrive"),
        ("Users/ann/OneDrive - Contoso/animator", "OneDrive"),
        ("Users/ann/Cloud/animator", "OneDrive"),  # another name for it, see below
        ("Users/ann/Dropbox/animator", "Dropbox"),
        ("Users/ann/Dropbox (Contoso)/animator", "Dropbox"),
        ("Users/ann/Library/Mobile Documents/com~apple~CloudDocs/animator", "iCloud"),
        ("Users/ann/Library/CloudStorage/Box-Box/animator", "a cloud service"),
        ("Users/ann/Documents/my OneDrive backup/animator", ""),
        ("Users/ann/animator", ""),
    ],
)
def test_a_project_that_is_uploaded_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, context: CheckContext, path: str, service: str
) -> None:
    monkeypatch.setenv("OneDriveConsumer", str(tmp_path / "Users/ann/Cloud"))
    (found,) = machine.check_folder(dataclasses.replace(context, root=tmp_path / path))
    assert found.state == (WARNING if service else OK)
    assert (f"synchronised by {service}" in found.detail, "move" in found.remedy) == (bool(service), bool(service))


def test_pictures_of_other_kinds_are_a_warning_with_the_remedy(context: CheckContext, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "ada.heic").touch()
    config = Config(character=CharacterConfig(images_path=tmp_path / "pictures"))
    none, other = animation.check_characters(dataclasses.replace(context, config=config))
    assert none.state == FAILURE
    assert (other.state, other.remedy) == (WARNING, "save as PNG, JPEG or WebP")
    assert "ada.heic" in other.detail

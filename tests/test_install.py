"""install.py: the order of the steps, the jobs, and one line for whatever goes wrong."""

from __future__ import annotations

import ast
import ctypes
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from animator_core.installation import console
from animator_core.installation.console import InstallError
from animator_core.installation.environment import Interpreter

ROOT = Path(__file__).resolve().parents[1]


class RecordingEnvironment:
    """Stands for the real environment: nothing is installed, every run of Python is written down."""

    def __init__(self, root: Path, log: Path) -> None:
        self.python = root / ".venv" / "python"
        self.is_complete = True
        self.runs: list[tuple[str, ...]] = []
        self.installed: list[str] = []
        self.codes: dict[str, int] = {}
        self.problem: BaseException | None = None

    def make(self) -> Interpreter:
        if self.problem:
            raise self.problem
        return Interpreter((3, 11), Path("/usr"))

    def install(self, name: str, arguments: tuple[str, ...]) -> bool:
        self.installed.append(name)
        return False

    def install_torch(self, build: object, check_disk: object) -> bool:
        self.installed.append("torch")
        return False

    def download(self, requirement: str, sha256: str, folder: Path) -> None:
        raise AssertionError("the mirror has everything")

    def run(self, *arguments: str, cwd: Path) -> int:
        self.runs.append(arguments)
        return next((code for word, code in self.codes.items() if word in arguments), 0)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The installer's module, working in a temporary folder, with a `RecordingEnvironment` as ``.environment``."""
    specification = importlib.util.spec_from_file_location("install", ROOT / "install.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    for name, path in (("ROOT", tmp_path), ("CACHE", tmp_path / "cache"), ("MODELS", tmp_path / "models")):
        monkeypatch.setattr(module, name, path)
    environment = RecordingEnvironment(tmp_path, tmp_path / "log")
    monkeypatch.setattr(module, "Environment", lambda root, log: environment)
    monkeypatch.setattr(module.requirements, "python_problem", lambda *machine: None)
    monkeypatch.setattr(module.torch_build, "detect_gpu", lambda: None)
    module.environment = environment  # type: ignore[attr-defined]
    return module


def main(install: ModuleType, *arguments: str) -> int:
    """Run the installer against a mirror that cannot be reached."""
    code: int = install.main(["--mirror", "http://127.0.0.1:9", *arguments])
    return code


def test_install_parses_on_python_3_6() -> None:
    ast.parse((ROOT / "install.py").read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_older_python_gets_one_line_before_anything_is_imported() -> None:
    code = "import runpy, sys; sys.version_info = (3, 8, 1); runpy.run_path('install.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("install.py: Python 3.8 is too old, 3.9 or newer is needed; install Python 3.12")
    assert len(done.stderr.splitlines()) == 1


def test_set_up_does_every_step_and_leaves_the_clicks_for_obs(
    install: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(install) == 0
    assert install.environment.installed == ["base packages", "mediapipe", "torch"]
    assert install.environment.runs == [("-m", "animator_core", "prepare", "--without-basis")]
    steps = (tmp_path / "cache" / "obs-setup.txt").read_text(encoding="utf-8")
    assert str(tmp_path / "obs_plugin" / "stream_motion_animator.py") in steps
    output = capsys.readouterr().out
    assert steps in output
    assert output.index("this machine gets torch") < output.index("Packages: all there")


def test_missing_models_are_no_failure_but_are_said(install: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(install) == 0
    assert "To get them later" in capsys.readouterr().out


def test_what_is_left_out_is_not_asked_for(install: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(install, "--without-liveportrait") == 0
    output = capsys.readouterr().out
    assert ".pth" not in output
    assert "editor.pt is not downloaded" in output
    assert main(install, "--without-liveportrait", "--without-anime") == 0
    output = capsys.readouterr().out
    assert ".pt " not in output
    assert "To get them later" in output
    assert "face_landmarker.task" in output


def test_characters_that_cannot_be_prepared_are_a_failure_with_a_remedy(
    install: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    install.environment.codes["prepare"] = 1
    assert main(install) == 1
    output = capsys.readouterr().out
    assert "The characters could not be prepared" in output
    assert "doctor" in output


def test_onnxruntime_comes_where_it_is_asked_for(install: ModuleType) -> None:
    assert main(install, "--onnx") == 0
    assert install.environment.installed[-1] == "onnxruntime"


def test_the_packages_for_a_second_computer_come_where_they_are_asked_for(install: ModuleType) -> None:
    assert main(install, "--remote") == 0
    assert install.environment.installed[-1] == "websockets"


def test_ray_comes_where_it_is_asked_for_and_on_linux_alone(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install.platform, "system", lambda: "Linux")
    assert main(install, "--cluster") == 0
    assert install.environment.installed[-1] == "Ray"
    monkeypatch.setattr(install.platform, "system", lambda: "Windows")
    with pytest.raises(SystemExit) as left:
        main(install, "--cluster")
    assert left.value.code == 2
    assert "clusters run on Linux only" in capsys.readouterr().err


def test_test_runs_pytest_last_with_what_follows_and_passes_its_exit_code_on(install: ModuleType) -> None:
    install.environment.codes = {"pytest": 5, "prepare": 1}
    assert main(install, "--test", "--", "-k", "ring", "-q") == 5
    assert install.environment.installed[-1] == "development tools"
    assert install.environment.runs[-1] == (*install.TESTS, "-k", "ring", "-q")
    assert install.TESTS[:2] == ("-m", "pytest")


def test_demo_animates_a_sample_and_says_where_the_video_is(
    install: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("characters/ada.png", "motions/talk.npz"):
        path = tmp_path / "assets" / name
        path.parent.mkdir(parents=True)
        path.touch()
    assert main(install, "--demo") == 0
    command = install.environment.runs[-1]
    assert command[:3] == ("-m", "animator_core", "animate")
    assert str(tmp_path / "assets/characters/ada.png") in command
    assert capsys.readouterr().out.splitlines()[-1] == f"Demo: the video is {tmp_path / 'output' / 'demo.mp4'}"


@pytest.mark.parametrize("has_weights", [True, False])
def test_demo_shows_the_anime_sample_if_its_networks_have_weights(
    install: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], has_weights: bool
) -> None:
    names = ["assets/characters/ada.png", f"assets/characters/{install.ANIME_SAMPLE}", "assets/motions/talk.npz"]
    weights = [f"models/{model.folder}/{model.name}" for model in install.ANIME]
    for name in [*names, *(weights if has_weights else weights[1:])]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert install.run_demo(install.environment) == 0
    animated = install.environment.runs
    assert len(animated) == (2 if has_weights else 1)
    assert str(tmp_path / "output" / "demo.mp4") in animated[0] and "--renderer" not in animated[0]
    last = capsys.readouterr().out.splitlines()[-1]
    if has_weights:
        assert str(tmp_path / names[1]) in animated[1]
        assert animated[1][-4:] == ("--output", str(tmp_path / "output" / "demo-anime.mp4"), "--renderer", "anime")
        assert last == f"Demo: the video is {tmp_path / 'output' / 'demo-anime.mp4'}"
    else:
        assert last.startswith("Demo: the anime networks' weights are not there")


def test_the_anime_sample_of_the_demo_is_in_the_repository(install: ModuleType) -> None:
    assert (ROOT / "assets" / "characters" / install.ANIME_SAMPLE).is_file()


def test_demo_whose_first_video_fails_ends_there(install: ModuleType, tmp_path: Path) -> None:
    for name in ("characters/ada.png", f"characters/{install.ANIME_SAMPLE}", "motions/talk.npz"):
        path = tmp_path / "assets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    install.environment.codes["animate"] = 3
    assert main(install, "--demo") == 3
    assert sum("animate" in run for run in install.environment.runs) == 1


def test_demo_without_samples_says_so(install: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(install, "--demo") == 1
    assert "has no sample; get the whole repository again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("problem", "code", "said"),
    [
        (InstallError("no such thing", "do this"), 1, "install.py: no such thing; do this\n"),
        (KeyboardInterrupt(), 130, "\ninstall.py: interrupted; run {} again to continue\n"),
    ],
)
def test_what_goes_wrong_is_one_line_without_a_traceback(
    install: ModuleType, capsys: pytest.CaptureFixture[str], problem: BaseException, code: int, said: str
) -> None:
    install.environment.problem = problem
    assert main(install) == code
    assert capsys.readouterr().err == said.format(install.AGAIN)


def test_a_full_disk_is_found_before_anything_is_written(
    install: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install.environment.is_complete = False
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000_000))
    assert main(install) == 1
    assert "3.6 GB are needed on the disk of" in capsys.readouterr().err
    assert install.environment.installed == []


def test_a_folder_that_cannot_be_written_is_named(
    install: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    assert main(install) == 1
    assert f"cannot write in {tmp_path / 'cache'}" in capsys.readouterr().err


def test_a_python_without_packages_is_refused(
    install: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        install.requirements,
        "python_problem",
        lambda *machine: install.InstallError("Python 3.15 is too new", "use 3.12"),
    )
    assert main(install) == 1
    assert capsys.readouterr().err == "install.py: Python 3.15 is too new; use 3.12\n"


def test_cuda_without_a_card_is_refused(install: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(install, "--torch", "cuda") == 1
    assert "nvidia-smi names no NVIDIA GPU" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--models", "/no/such/folder"), "there is no such folder"), (("extra",), "unknown argument extra")],
)
def test_wrong_options_are_named(
    install: ModuleType, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(install, *arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_the_disk_of_temporary_files_must_have_room_for_the_downloads(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install.environment.is_complete = False
    monkeypatch.setattr(install.tempfile, "gettempdir", lambda: "/temporary")
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9 if path == Path("/temporary") else 10**12)
    )
    assert main(install) == 1
    assert "1.4 GB are needed on the disk of /temporary, 1.0 GB are free" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("system", "has_terminal", "count", "prompt", "is_own"),
    [
        ("win32", True, 1, "", True),
        ("win32", True, 2, "", True),
        ("win32", True, 2, "$P$G", False),
        ("win32", True, 3, "", False),
        ("win32", False, 1, "", False),
        ("linux", True, 1, "", False),
    ],
)
def test_a_window_that_closes_with_the_installer_is_recognised(
    monkeypatch: pytest.MonkeyPatch, system: str, has_terminal: bool, count: int, prompt: str, is_own: bool
) -> None:
    kernel = SimpleNamespace(GetConsoleProcessList=lambda processes, most: count)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: has_terminal))
    monkeypatch.delenv("PROMPT", raising=False)
    if prompt:
        monkeypatch.setenv("PROMPT", prompt)
    assert console.is_own_window() is is_own


def test_signing_comes_where_it_is_asked_for(install: ModuleType) -> None:
    assert main(install, "--credentials") == 0
    assert install.environment.installed[-1] == "content credentials"

"""animator_core.installation: the packages and the torch of each machine, and pip's failures in one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from animator_core.installation import requirements, torch_build
from animator_core.installation.console import InstallError
from animator_core.installation.pip_errors import is_index_away, pip_problem
from animator_core.installation.torch_build import Gpu

PROJECT_FILE = Path(__file__).resolve().parents[1] / "pyproject.toml"

TURING = Gpu("RTX 2070", 580, 7.5)
PASCAL = Gpu("GTX 1070", 580, 6.1)
BLACKWELL = Gpu("RTX 5080", 580, 12.0)


@pytest.mark.parametrize(
    ("version", "system", "machine", "is_64_bit", "said"),
    [
        ((3, 8), "Linux", "x86_64", True, "Python 3.8 is too old, 3.9 or newer is needed; install Python 3.12"),
        ((3, 15), "Linux", "x86_64", True, "Python 3.15 is too new: there is no mediapipe package for it yet"),
        ((3, 11), "Windows", "AMD64", False, "32-bit"),
        ((3, 11), "Linux", "aarch64", True, "no mediapipe package for Linux on aarch64"),
        ((3, 11), "Windows", "ARM64", True, "no mediapipe package for Windows on ARM64"),
        ((3, 13), "Darwin", "x86_64", True, "Intel Mac"),
        ((3, 9), "Darwin", "arm64", True, "Python 3.9 on Apple silicon has no pyvirtualcam package"),
    ],
)
def test_a_python_that_cannot_run_the_program_is_named_with_the_remedy(
    version: tuple[int, int], system: str, machine: str, is_64_bit: bool, said: str
) -> None:
    problem = str(requirements.python_problem(version, system, machine, is_64_bit))
    assert said in problem
    assert "\n" not in problem


@pytest.mark.parametrize("minor", range(9, 15))
@pytest.mark.parametrize(("system", "machine"), [("Linux", "x86_64"), ("Windows", "AMD64"), ("Darwin", "arm64")])
def test_every_supported_python_is_accepted(minor: int, system: str, machine: str) -> None:
    if (system, minor) == ("Darwin", 9):
        pytest.skip("pyvirtualcam has no package there")
    assert requirements.python_problem((3, minor), system, machine, True) is None


def packages_of(group: str = "", **machine: str) -> list[str]:
    """Return the declared packages whose markers hold on a machine, without the markers."""
    declared = [Requirement(each) for each in requirements.declared_packages(PROJECT_FILE, group)]
    return [str(each).partition(";")[0] for each in declared if each.marker is None or each.marker.evaluate(machine)]


@pytest.mark.parametrize("minor", range(9, 15))
def test_there_is_exactly_one_opencv_and_a_mediapipe_that_sends_nothing(minor: int) -> None:
    packages = packages_of(python_version=f"3.{minor}")
    assert sum(package.startswith("opencv") for package in packages) == 1
    (mediapipe,) = packages_of("mediapipe", python_version=f"3.{minor}")
    assert mediapipe in ("mediapipe==0.10.21", "mediapipe==0.10.31")


def test_numpy_stays_below_2_where_mediapipe_was_built_for_it() -> None:
    assert "numpy<2,>=1.26" in packages_of(python_version="3.12")
    assert "numpy<3,>=2.1" in packages_of(python_version="3.13")


def test_the_packages_are_those_that_a_toml_reader_finds() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.9 and 3.10 have no TOML reader")
    project = tomllib.loads(PROJECT_FILE.read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    assert {group: list(requirements.declared_packages(PROJECT_FILE, group)) for group in groups} == groups


@pytest.mark.parametrize("text", ["", "[project]\n", "[project]\ndependencies = [\n", "[project]\ndependencies = [a]"])
def test_a_damaged_project_file_is_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(InstallError, match=r"pyproject\.toml declares no dependencies; get the whole repository again"):
        requirements.declared_packages(tmp_path / "pyproject.toml")


@pytest.mark.parametrize(
    ("version", "system", "machine", "gpu", "requirement", "index"),
    [
        ((3, 11), "Linux", "x86_64", None, "torch==2.13.0+cpu", "cpu"),
        ((3, 11), "Linux", "x86_64", TURING, "torch==2.13.0+cu130", "cu130"),
        ((3, 11), "Windows", "AMD64", BLACKWELL, "torch==2.13.0+cu130", "cu130"),
        ((3, 11), "Windows", "AMD64", PASCAL, "torch==2.13.0+cu126", "cu126"),
        ((3, 11), "Linux", "x86_64", Gpu("RTX 3060", 535, 8.6), "torch==2.13.0+cu126", "cu126"),
        ((3, 9), "Linux", "x86_64", BLACKWELL, "torch==2.8.0+cu128", "cu128"),
        ((3, 11), "Windows", "AMD64", None, "torch==2.13.0", ""),
        ((3, 11), "Darwin", "arm64", None, "torch==2.13.0", ""),
        ((3, 11), "Darwin", "x86_64", None, "torch==2.2.2", ""),
    ],
)
def test_torch_build_fits_the_machine(
    version: tuple[int, int], system: str, machine: str, gpu: Gpu | None, requirement: str, index: str
) -> None:
    build = torch_build.torch_build(version, system, machine, gpu)
    assert build.requirement == requirement
    assert build.index == (torch_build.PYTORCH_INDEX + index if index else "")
    assert build.is_cuda == ("+cu" in requirement)


def test_torch_build_tells_the_owner_of_a_new_card_to_update_an_old_driver() -> None:
    build = torch_build.torch_build((3, 11), "Windows", "AMD64", Gpu("RTX 5080", 566, 12.0))
    assert "driver 566 is too old for it: update it to 580 or newer" in build.description


@pytest.mark.parametrize(
    ("system", "package"),
    [("win32", "onnxruntime-directml"), ("darwin", "onnxruntime"), ("linux", "onnxruntime")],
)
def test_onnxruntime_is_the_systems_own_and_one_that_sends_nothing(system: str, package: str) -> None:
    assert f"{package}<1.29,>=1.19" in packages_of("onnx", sys_platform=system)


@pytest.mark.parametrize(
    ("system", "machine", "has_one"), [("linux", "x86_64", True), ("win32", "AMD64", False), ("darwin", "arm64", False)]
)
def test_the_interpreter_of_kernels_is_a_development_tool_where_there_is_a_package(
    system: str, machine: str, has_one: bool
) -> None:
    tools = packages_of("dev", sys_platform=system, platform_machine=machine)
    assert any(each.startswith("triton") for each in tools) == has_one


def _put_nvidia_smi(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "echo 'NVIDIA GeForce RTX 3060, 550.54.15, 8.6'; echo 'second, 1, 1.0'",
            Gpu("NVIDIA GeForce RTX 3060", 550, 8.6),
        ),
        ("echo 'NVIDIA-SMI has failed because it could not talk to the driver'; exit 9", None),
        ("echo 'Tesla, [N/A], [N/A]'", None),
        ("true", None),
    ],
)
def test_detect_gpu_reads_the_driver_and_survives_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: Gpu | None
) -> None:
    _put_nvidia_smi(tmp_path, script, monkeypatch)
    assert torch_build.detect_gpu() == expected


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("WARNING: Retrying ... NewConnectionError('...: Temporary failure in name resolution')\nERROR: No matching "
         "distribution found for torch", "the package index cannot be reached; check the network"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "no disk space"),
        ("ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: 'c:\\x'", "close OBS"),
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied", "cannot be written"),
        ("ERROR: Could not find a version (from versions: none)\nERROR: No matching distribution found for numba<1",
         "there is no package numba<1 for this Python; use Python 3.12"),
        ("noise\nERROR: something else\nmore noise", "pip failed (something else)"),
        ("", "pip gave no reason"),
    ],
)  # fmt: skip
def test_pip_problem_says_one_line_with_the_remedy(output: str, said: str) -> None:
    problem = str(pip_problem(output))
    assert said in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("macos", "machine", "minor", "requirement"),
    [
        (13, "arm64", 12, "torch==2.11.0"),
        (11, "arm64", 10, "torch==2.11.0"),
        (14, "arm64", 12, "torch==2.13.0"),
        (13, "x86_64", 12, "torch==2.2.2"),
    ],
)
def test_an_older_macos_gets_the_last_torch_that_runs_there(
    macos: int, machine: str, minor: int, requirement: str
) -> None:
    assert torch_build.torch_build((3, minor), "Darwin", machine, None, macos).requirement == requirement


@pytest.mark.parametrize(
    ("version", "system", "gpu", "package"),
    [
        ((3, 12), "Windows", TURING, "triton-windows>=3.7.1,<3.8"),
        ((3, 9), "Windows", TURING, "triton-windows>=3.4,<3.5"),
        ((3, 12), "Windows", PASCAL, ""),
        ((3, 12), "Windows", None, ""),
        ((3, 12), "Linux", TURING, ""),
    ],
)
def test_windows_with_cuda_gets_the_triton_of_its_torch(
    version: tuple[int, int], system: str, gpu: Gpu | None, package: str
) -> None:
    assert torch_build.triton_package(version, system, gpu) == package


@pytest.mark.parametrize("status", ["401 Client", "403 Client", "503 Server"])
def test_an_index_that_refuses_is_named_and_not_python(status: str) -> None:
    output = "ERROR: No matching distribution found for absl-py"
    log = f"2026 Could not fetch URL http://mirror/simple/absl-py/: {status} Error: x for url: y - skipping\n{output}"
    assert pip_problem(output, log).message.startswith(f"the package index refuses ({status[:3]})")
    assert is_index_away(output, log)
    assert not is_index_away(output, output)
    assert not is_index_away("[Errno 28] No space left on device", log)

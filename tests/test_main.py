"""Promises of animator_core.__main__ that hold for every command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from animator_core import __main__ as command_line
from animator_core.cli import doctor as doctor_command
from animator_core.cli.stderr_filter import filtered_native_stderr
from animator_core.errors import AnimatorError
from animator_core.installation.console import print_in_any_encoding
from animator_core.ipc.frame_ring import RingError

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("failure", [AnimatorError("x is wrong", "do y"), RingError("x is wrong", "do y")])
def test_our_errors_are_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    def fail(options: object) -> int:
        raise failure

    monkeypatch.setattr(doctor_command, "run", fail)
    assert command_line.main(["doctor"]) == 1
    assert capsys.readouterr().err == "error: x is wrong; do y\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_onto_a_full_disk_is_one_line_and_exit_1() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "animator_core", "doctor"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stderr) == (
        1,
        "error: the disk of the output is full; free some space\n",
    )


def test_ctrl_c_exits_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor_command, "run", interrupt)
    assert command_line.main(["doctor"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["animate"], ["animate", "--character", "a", "--output", "b"], ["run", "--max-frames", "0"]],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command_line.main(arguments)
    assert caught.value.code == 2


def test_a_missing_package_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: object) -> int:
        raise ImportError("No module named 'av'")

    monkeypatch.setattr(doctor_command, "run", fail)
    assert command_line.main(["doctor"]) == 1
    assert (
        capsys.readouterr().err
        == "error: a package is missing or broken (No module named 'av'); run install.py again\n"
    )


def test_the_help_names_every_command() -> None:
    shown = command_line.build_parser().format_help()
    for name in ("animate", "run", "prepare", "doctor", "benchmark", "worker"):
        assert name in shown


def test_asking_for_help_loads_no_heavy_package() -> None:
    script = (
        "import sys; from animator_core.__main__ import build_parser; build_parser('doctor');"
        "print([name for name in ('torch', 'cv2', 'mediapipe', 'av', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


_DOCTOR_IN_A_TERMINAL = (
    "import sys; from animator_core import __main__ as command_line\n"
    "from animator_core.diagnostics.finding import Finding\n"
    "from animator_core.cli import doctor\n"
    "doctor.examine = lambda config: [Finding('Яна', 'failure', 'is away', 'Tools → Scripts')]\n"
    "sys.argv = ['animator_core', 'doctor']\n"
    "sys.exit(command_line._main_in_terminal())"
)
_ERROR_IN_A_TERMINAL = (
    "import sys; from animator_core import __main__ as command_line\n"
    "from animator_core.cli import doctor\n"
    "from animator_core.errors import AnimatorError\n"
    "def fail(options): raise AnimatorError('Яна is away; Tools → Scripts')\n"
    "doctor.run = fail\n"
    "sys.argv = ['animator_core', 'doctor']\n"
    "sys.exit(command_line._main_in_terminal())"
)
_INSTALLER_IN_A_TERMINAL = (
    "import runpy, sys\n"
    "from animator_core.installation import requirements\n"
    "from animator_core.installation.console import InstallError, say\n"
    "def problem(*machine):\n"
    "    say('FAIL Яна: Tools → Scripts')\n"
    "    return InstallError('Яна is away')\n"
    "requirements.python_problem = problem\n"
    "sys.argv = ['install.py']\n"
    "runpy.run_path('install.py', run_name='__main__')"
)


@pytest.mark.parametrize(
    ("encoding", "name", "arrow"),
    [
        ("cp1252", "???", "?"),
        ("cp1251", "Яна", "?"),
        ("ascii", "???", "?"),
        ("cp437", "???", "?"),
        ("utf-8", "Яна", "→"),
    ],
)
@pytest.mark.parametrize("program", [_DOCTOR_IN_A_TERMINAL, _ERROR_IN_A_TERMINAL, _INSTALLER_IN_A_TERMINAL])
def test_redirected_output_is_complete_in_any_code_page(program: str, encoding: str, name: str, arrow: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )
    told = (done.stdout + done.stderr).decode(encoding)
    assert done.returncode == 1
    assert "Traceback" not in told
    assert name in told
    assert f"Tools {arrow} Scripts" in told


def test_the_workers_log_is_utf_8_in_any_code_page() -> None:
    script = (
        "import logging, sys; import animator_core.worker.main as worker\n"
        "from animator_core import __main__ as command_line\n"
        "def work(arguments):\n"
        "    logging.basicConfig(stream=sys.stderr)\n"
        "    logging.warning('Яна \\udcff')\n"  # the name of a file on Linux may be no text
        "worker.main = work\n"
        "sys.argv = ['animator_core', 'worker']\n"
        "sys.exit(command_line._main_in_terminal())"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, env=environment, check=True)
    assert done.stderr.decode("utf-8").splitlines() == ["WARNING:root:Яна ?"]


def test_without_a_console_printing_is_prepared_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    print_in_any_encoding()


def test_native_chatter_is_dropped_and_everything_else_is_not() -> None:
    script = (
        "import os, sys\n"
        "from animator_core.cli.stderr_filter import filtered_native_stderr\n"
        "with filtered_native_stderr():\n"
        "    os.write(2, b'W0000 00:00:1795535114.508363    1149 manager.cc:114] Feedback\\n')\n"
        "    os.write(2, b'INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\n')\n"
        "    os.write(2, b'a driver has something to say\\n')\n"
        "    print('error: ours', file=sys.stderr)\n"
        "os.write(2, b'W0000 00:00:1 afterwards\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(done.stderr.splitlines()) == [
        "W0000 00:00:1 afterwards",
        "a driver has something to say",
        "error: ours",
    ]


def test_the_filter_leaves_no_open_file_behind() -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc to count open files")
    before = len(os.listdir("/proc/self/fd"))
    with filtered_native_stderr():
        pass
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "ascii"])
def test_what_a_code_page_lacks_is_shown_as_a_question_mark(tmp_path: Path, encoding: str) -> None:
    script = (
        "import runpy, sys\n"
        "from animator_core.cli import doctor\n"
        "doctor.examine = lambda path: iter([doctor.Finding('camera', 'warning', 'Яна \\udcff', 'plug \\u2615 in')])\n"
        "sys.argv = ['animator_core', 'doctor']\n"
        "runpy.run_module('animator_core', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode(encoding)
    assert "note  camera: " in said
    assert "? plug ? in" in said


def test_the_workers_log_is_utf_8_whatever_the_code_page(tmp_path: Path) -> None:
    script = (
        "import runpy, sys, animator_core.worker.main as worker\n"
        "worker.main = lambda arguments: print('Яна', file=sys.stderr)\n"
        "sys.argv = ['animator_core', 'worker']\n"
        "runpy.run_module('animator_core', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"}
    )
    assert done.stderr.decode("utf-8").strip() == "Яна"


def test_numpy_starts_no_threads_of_its_own() -> None:
    program = (
        "import contextlib, psutil; from animator_core.__main__ import main\n"
        "with contextlib.suppress(SystemExit): main(['--version'])\n"
        "before = psutil.Process().num_threads()\n"
        "import numpy; numpy.ones((500, 500)) @ numpy.ones((500, 500))\n"
        "print(psutil.Process().num_threads() - before)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "0"

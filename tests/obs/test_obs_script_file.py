"""The text for OBS's user if the script is a wrong file, or in a wrong place."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from animator_core import __version__

PLUGIN = Path(__file__).resolve().parents[2] / "obs_plugin"
SCRIPT = "stream_motion_animator.py"
PARTS = sorted(path.name for path in PLUGIN.glob("*.py") if path.name != SCRIPT)
# What OBS does with a script: its folder goes to the end of the path, then it is imported by its bare name.
LOAD = """
import sys, types
sys.modules["obspython"] = obs = types.ModuleType("obspython")
obs.LOG_WARNING, obs.script_log = 200, lambda level, text: print(f"LOG {level} {text}")
sys.path.append(sys.argv[1])
script = __import__(sys.argv[2])
print(script.script_description())
script.script_load(None)
"""


def load(folder: Path, name: str) -> str:
    """Load a script as OBS does, and return the texts for its user; fails if OBS would show a traceback."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOAD, str(folder), name.split(".")[0]], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PARTS)
def test_a_wrong_file_of_the_folder_says_which_one_to_choose(name: str) -> None:
    shown = load(PLUGIN, name)
    assert "<h2>The wrong file</h2>" in shown
    assert "LOG 200 This file is a part of Stream Motion Animator and not its script." in shown
    assert shown.count(f"choose {SCRIPT}") == 2


def test_the_script_copied_alone_says_what_to_do(tmp_path: Path) -> None:
    shutil.copy(PLUGIN / SCRIPT, tmp_path / SCRIPT)
    shown = load(tmp_path, SCRIPT)
    assert shown.count(f"press + and choose obs_plugin/{SCRIPT} in the Stream Motion Animator folder") == 2
    assert shown.count("LOG 200 ") == 1 and "Traceback" not in shown


@pytest.mark.parametrize("missing", [name for name in PARTS if name not in ("__init__.py", "wrong_script.py")])
def test_a_folder_that_lacks_a_file_says_what_to_do(tmp_path: Path, missing: str) -> None:
    root = copy_installation(tmp_path)
    (root / "obs_plugin" / missing).unlink()
    shown = load(root / "obs_plugin", SCRIPT)
    assert "are missing, or of another release" in shown and shown.count("LOG 200 ") == 1


@pytest.mark.parametrize(("name", "text"), [("hotkeys.py", ""), ("session.py", "class Session(: pass\n")])
def test_a_folder_with_an_older_or_damaged_file_says_what_to_do(tmp_path: Path, name: str, text: str) -> None:
    root = copy_installation(tmp_path)
    (root / "obs_plugin" / name).write_text(text)
    shown = load(root / "obs_plugin", SCRIPT)
    assert "are missing, or of another release" in shown and shown.count("LOG 200 ") == 1


def test_a_folder_of_another_release_says_what_to_do(tmp_path: Path) -> None:
    root = copy_installation(tmp_path)
    init = root / "animator_core" / "__init__.py"
    init.write_text(init.read_text().replace(__version__, "0.0.1"))
    shown = load(root / "obs_plugin", SCRIPT)
    assert f"they are of release 0.0.1, the script of {__version__}" in shown and "restart OBS" in shown


def copy_installation(folder: Path) -> Path:
    for part in ("obs_plugin", "animator_core"):
        shutil.copytree(PLUGIN.parent / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder

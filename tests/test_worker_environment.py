"""The worker's Python is not bent by what the user set for another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from animator_core.config import PROJECT_ROOT
from obs_plugin.installation import find_installation

LOOK = (
    "import json, sys\n"
    "import yaml, animator_core\n"
    "print(json.dumps([sys.path, sys.flags.no_user_site, yaml.__file__, animator_core.__file__, sys.flags.utf8_mode]))"
)


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with packages that break whoever imports them, to which the user's settings lead."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (tmp_path, tmp_path / "lib" / version / "site-packages"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("yaml", "animator_core", "sitecustomize", "usercustomize"):
            (folder / f"{name}.py").write_text("raise SystemExit('the wrong package')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "yaml.py"))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setenv("pythonPath", str(tmp_path))
    monkeypatch.setenv("__PYVENV_LAUNCHER__", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_nothing_that_the_user_set_for_python_reaches_the_worker(foreign):
    environment = find_installation().worker_environment()
    assert not [name for name, value in environment.items() if str(foreign) in value and name != "HOME"]
    done = subprocess.run(
        [sys.executable, "-c", LOOK], env=environment, cwd=foreign / "lib", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    path, no_user_site, yaml_file, core_file, utf8_mode = json.loads(done.stdout)
    assert not [entry for entry in path if entry and Path(entry) != foreign / "lib" and str(foreign) in entry]
    assert (no_user_site, utf8_mode) == (1, 1)
    assert str(foreign) not in yaml_file
    assert Path(core_file) == PROJECT_ROOT / "animator_core" / "__init__.py"


def test_everything_else_of_the_environment_does(foreign, monkeypatch):
    monkeypatch.setenv("SMA_SOMETHING", "kept")
    environment = find_installation().worker_environment()
    assert environment["SMA_SOMETHING"] == "kept"
    assert environment["PATH"] == os.environ["PATH"]

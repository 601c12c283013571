"""OBS may end Python before it destroys the last filter: no crash and no hang, on every Python at hand.

A small C program plays OBS, as real OBS on Linux is built for one Python only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from obs_plugin.installation import PYTHON_VARIABLE
from obs_plugin.libobs import _PROTOTYPES

CHECKOUT = Path(__file__).resolve().parents[2]
HOST = Path(__file__).with_name("exit_host.c")
IN_C = ("obs_get_version", "obs_source_get_display_name", "obs_obj_get_data", "bfree", "obs_register_source_s")
IN_C += ("obs_queue_task",)
CODE = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
sys.dont_write_bytecode = True
from obs_plugin import libobs, registration
session = registration.register(libobs.load())
session.start()
def unload():
    registration.hide()
    session.stop()
"""
_WHERE_LIBRARY = (
    "import sys, sysconfig, os; v = sysconfig.get_config_var;"
    "print(os.path.join(v('LIBDIR') or '', v('INSTSONAME') or ''), sys.base_prefix, sep='\\n')"
)
VERSIONS = tuple(f"3.{minor}" for minor in range(8, 15))


def find_library(version: str) -> tuple[str, str] | None:
    """Return the shared library of a Python of this version and the folder it belongs to, or None."""
    found = [shutil.which(f"python{version}")]
    found += [str(path) for path in (Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python")]
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".")):
        found.append(sys.executable)
    for interpreter in filter(None, found):
        answer = subprocess.run([interpreter, "-c", _WHERE_LIBRARY], capture_output=True, text=True, check=False)
        library, _, prefix = answer.stdout.strip().partition("\n")
        if answer.returncode == 0 and ".so" in library and Path(library).is_file():
            return library, prefix
    return None


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")
    folder = tmp_path_factory.mktemp("host")
    stubs = [f"void *{name}(void) {{ return 0; }}" for name in _PROTOTYPES if name not in IN_C]
    (folder / "stubs.h").write_text("\n".join(stubs))
    program = folder / "exit_host"
    command = [compiler, "-rdynamic", "-I", str(folder), "-o", str(program), str(HOST), "-ldl", "-pthread"]
    subprocess.run(command, check=True)
    return program


@pytest.mark.parametrize("data_word", [1, 2], ids=["OBS 29", "OBS 30"])
@pytest.mark.parametrize("version", VERSIONS)
def test_filters_that_outlive_python_neither_crash_nor_hang(host: Path, version: str, data_word: int) -> None:
    found = find_library(version)
    if found is None:
        pytest.skip(f"no shared library of Python {version} is on this machine")
    library, prefix = found
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment.update({"PYTHONHOME": prefix, PYTHON_VARIABLE: "/nonexistent/python"})
    for _ in range(3):
        command = [str(host), library, CODE, str(data_word)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stdout) == (0, "ended\n"), ended.stderr

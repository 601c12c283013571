"""The virtual environment .venv and the packages in it.

Standard library only. A stamp file in the environment says which groups of packages are complete, so that a second
run is quick and an interrupted one goes on with the group it was at.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from animator_core.errors import load_remedy
from animator_core.installation import requirements
from animator_core.installation.child_environment import pip_environment, python_environment
from animator_core.installation.console import AGAIN, InstallError, say
from animator_core.installation.pip_errors import is_index_away, pip_problem
from animator_core.installation.torch_build import CUDA_BUILD_BYTES, TorchBuild

_DESCRIBE = "import json, pip, sys; print(json.dumps([sys.version_info[:2], sys.base_prefix]))"
_LOAD_ALL = "import av, cv2, mediapipe, numba, numpy, PIL, psutil, torch, yaml"
STAMP_NAME = "stream-motion-animator.json"


class IndexAway(InstallError):
    """A package index cannot be reached or refuses."""


@dataclass(frozen=True)
class Interpreter:
    """The environment's Python: its version, and the folder of the Python that it was made from."""

    version: tuple[int, int]
    base_prefix: Path


class Environment:
    """The virtual environment of the program in ``root``; pip's complaints go to ``log``."""

    def __init__(self, root: Path, log: Path) -> None:
        self.folder = root / ".venv"
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self._log = log
        self._stamp = self.folder / STAMP_NAME

    @property
    def is_complete(self) -> bool:
        """Whether an earlier run came as far as torch, the last and largest group."""
        return "torch" in self._read_stamp()

    def describe(self) -> Interpreter | None:
        """Return the environment's Python, None if there is no working one."""
        try:
            answer = subprocess.run(
                [str(self.python), "-c", _DESCRIBE],
                env=python_environment(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=120,
                check=True,
            )
            (major, minor), base_prefix = json.loads(answer.stdout)
        except (OSError, subprocess.SubprocessError, ValueError):
            return None
        return Interpreter((major, minor), Path(base_prefix))

    def make(self) -> Interpreter:
        """Make the environment unless there is a working one, and return its Python."""
        found = self.describe()
        if found and requirements.OLDEST_PYTHON <= found.version <= requirements.NEWEST_PYTHON:
            say(f"Environment: .venv has Python {found.version[0]}.{found.version[1]}")
            return found
        is_broken = self.folder.exists()
        say("Environment: " + ("making .venv anew, the one there does not work" if is_broken else "making .venv"))
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(self.folder)],
            env=python_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        found = self.describe()
        if made.returncode == 0 and found:
            return found
        raise self._venv_problem(made.stdout)

    def _venv_problem(self, output: str) -> InstallError:
        if "ensurepip" in output:
            package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
            return InstallError(
                "this Python lacks its venv part", f"apt install {package} (Debian, Ubuntu) and run {AGAIN} again"
            )
        if "No space left" in output:
            return InstallError("no disk space is left", f"free some and run {AGAIN} again")
        reason = output.strip().splitlines()[-1] if output.strip() else "no reason given"
        return InstallError(
            f"cannot make {self.folder} ({reason})", f"close OBS, delete that folder and run {AGAIN} again"
        )

    def install(self, name: str, arguments: tuple[str, ...]) -> bool:
        """Let pip install one group unless that was done before; return whether pip ran."""
        if self._has(name, arguments):
            return False
        say(f"Packages: installing {name}")
        self._run_pip(arguments)
        stamp = {**self._read_stamp(), name: _key(arguments)}
        self._stamp.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
        return True

    def install_torch(self, build: TorchBuild, check_disk: Callable[[int], None]) -> bool:
        """Install torch from its own index, or from pip's usual one if that is away or refuses; return whether pip ran.

        check_disk: raises InstallError unless that many bytes are free.
        """
        if not build.index:
            return self.install("torch", (build.requirement,))
        wanted = (build.requirement, "--index-url", build.index)
        instead = (build.fallback,)
        if self._has("torch", wanted):
            return False
        try:
            return self.install("torch", wanted)
        except IndexAway as exc:
            say(f"torch: {build.index} cannot be used ({exc.message})")
        if not self._has("torch", instead):
            say(f"torch: taking {build.fallback} from pip's usual index")
        if build.is_cuda and sys.platform == "win32":
            say(f"torch: that is the CPU build; run {AGAIN} again with a network to get the one for your GPU")
        elif not build.is_cuda and sys.platform == "linux":
            say(f"torch: that is the CUDA build, {CUDA_BUILD_BYTES / 1e9:.1f} GB, which this computer does not need")
            if not self._has("torch", instead):
                check_disk(CUDA_BUILD_BYTES)
        return self.install("torch", instead)

    def download(self, requirement: str, sha256: str, folder: Path) -> None:
        """Let pip put one wheel, without what it depends on, into an existing folder; raises InstallError.

        requirement: of one version. sha256: of the wheel; pip takes no other.
        """
        pinned = folder / "requirement.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
        self._run_pip(("--no-deps", "--require-hashes", "--dest", str(folder), "-r", str(pinned)), "download")

    def check_imports(self) -> None:
        """Raise InstallError unless every large package loads."""
        done = subprocess.run(
            [str(self.python), "-c", _LOAD_ALL],
            env=python_environment(),
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        if done.returncode == 0:
            return
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        remedy = load_remedy(reason, f"delete {self.folder} and run {AGAIN} again")
        raise InstallError(f"the installed packages do not load ({reason})", remedy)

    def run(self, *arguments: str, cwd: Path) -> int:
        """Run the environment's Python and return its exit code."""
        return subprocess.run([str(self.python), *arguments], cwd=cwd, env=python_environment()).returncode

    def _has(self, name: str, arguments: tuple[str, ...]) -> bool:
        return self._read_stamp().get(name) == _key(arguments)

    def _read_stamp(self) -> dict[str, str]:
        try:
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def _run_pip(self, arguments: tuple[str, ...], verb: str = "install") -> None:
        """Run pip, which shows its progress on a terminal; raises InstallError with one line if it fails."""
        command = [str(self.python), "-m", "pip", verb, "--no-input", "--disable-pip-version-check"]
        # A package without a wheel for this machine would be compiled, by a compiler that users do not have.
        command += ["--only-binary=:all:", "--log", str(self._log)]
        command += [] if sys.stdout.isatty() else ["--quiet", "--progress-bar=off"]
        self._log.unlink(missing_ok=True)
        done = subprocess.run(
            [*command, *arguments],
            env=pip_environment(self.python),
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        if not done.returncode:
            return
        # Only the log says that an index refused.
        log = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        if not log:
            self._log.write_text(done.stderr, encoding="utf-8")
        problem = pip_problem(done.stderr, log)
        kind = IndexAway if is_index_away(done.stderr, log) else type(problem)
        raise kind(problem.message, f"{problem.remedy} and run {AGAIN} again (pip's own words: {self._log})")


def _key(arguments: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(arguments).encode()).hexdigest()

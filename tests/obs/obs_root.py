"""OBS of another Debian release in a folder of its own: makes such a root folder, and runs the tests in it.

    python3 tests/obs/obs_root.py make trixie /var/tmp/obs-trixie     OBS 30.2, Python 3.13
    python3 tests/obs/obs_root.py make forky /var/tmp/obs-forky       OBS 32.2, Python 3.14
    .venv/bin/python -m pytest tests/obs --obs-root /var/tmp/obs-trixie
    python3 tests/obs/obs_root.py run /var/tmp/obs-trixie -- obs --version

Linux, as root, with debootstrap. `make` may be repeated: it goes on where it stopped, and renews the packages of Python
where the program asks for others. The mounts belong to the command that is run and go with it: the folder can be
deleted at any time when nothing runs in it. The checkout is seen under its own path; the virtual environment is the
root's own. The face landmarker, which Python 3.13 and later need, is the checkout's (`install.py` gets it).
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = Path("/opt/stream-motion-animator")
PYTHON = ENVIRONMENT / ".venv" / "bin" / "python"
_PACKAGES = (
    "obs-studio obs-plugins xvfb dbus dbus-x11 ffmpeg libgl1 libgl1-mesa-dri python3-venv ca-certificates gcc libc6-dev"
)
_OF_THE_SYSTEM = ("/proc", "/sys", "/dev")
# How this machine reaches its package sources, if it has settings for that.
_OF_THE_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/xdg/pip")
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_DEBOOTSTRAP_SCRIPTS = Path("/usr/share/debootstrap/scripts")


class RootError(Exception):
    """A root folder cannot be made or entered; the message has the remedy."""


def make(suite: str, root: Path, with_python: bool) -> None:
    """Make a root folder with the OBS of a Debian release, or complete one; raises RootError."""
    _check("debootstrap")
    # debootstrap's own folder stays until it is done.
    if not (root / "etc/apt").is_dir() or (root / "debootstrap").exists():
        script = suite if (_DEBOOTSTRAP_SCRIPTS / suite).exists() else "sid"
        mirror = _mirror()
        command = ["debootstrap", "--variant=minbase", suite, str(root), *([mirror, script] if mirror else [])]
        _run(command, f"delete {root}, or look into {root}/debootstrap/debootstrap.log")
    settings = subprocess.run(["apt-config", "dump", "--no-empty", "Acquire"], capture_output=True, text=True).stdout
    # A testing release between two of its days is as good.
    settings += 'Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\nAPT::Install-Recommends "false";\n'
    (root / "etc/apt/apt.conf.d/99stream-motion-animator").write_text(settings)
    again = "run the command again"
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    if not (root / "usr/bin/obs").exists():
        _run(entry(root, ["apt-get", "update", "-q"]), again)
    _run(entry(root, ["apt-get", "install", "-y", "-q", *_PACKAGES.split()], environment), again)
    if with_python:
        command = ["python3", str(Path(__file__).resolve()), "install-packages"]
        _run(entry(root, command, also_seen=(_CERTIFICATES,)), again)


def entry(
    root: Path, command: list[str], environment: dict[str, str] | None = None, also_seen: tuple[str, ...] = ()
) -> list[str]:
    """Return the command that runs ``command`` inside the root, in the current folder if the checkout has it.

    Raises RootError for a folder that is no root, or if this user may not enter one.
    """
    root = root.resolve()
    _check("unshare")
    if not (root / "etc/apt").is_dir():
        raise RootError(f"{root} is no root folder with OBS; make one: {Path(__file__).name} make trixie {root}")
    # The models may lie elsewhere, behind a link.
    seen = [CHECKOUT, CHECKOUT.parent / "shared", (CHECKOUT / "assets" / "models").resolve()]
    of_the_machine = (*_OF_THE_SYSTEM, *_OF_THE_NETWORK, *also_seen)
    mounts = [_mount(root, Path(path)) for path in of_the_machine if Path(path).exists()]
    mounts += [_mount(root, path) for path in seen if path.exists()]
    folder = Path.cwd() if Path.cwd().is_relative_to(CHECKOUT) else Path("/")
    variables = {
        "HOME": "/root",
        "PATH": f"{PYTHON.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        **(environment or {}),
    }
    # What leads to this machine's own Python, libraries and folders.
    foreign = ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "TMPDIR", "DISPLAY")
    inside = ["env", f"--chdir={folder}", *(f"--unset={name}" for name in foreign)]
    inside += [*(f"{name}={value}" for name, value in variables.items()), *command]
    script = " && ".join([*mounts, shlex.join(["exec", "chroot", str(root), *inside])])
    return ["unshare", "--mount", "sh", "-c", script]


def _mount(root: Path, path: Path) -> str:
    """Return the shell command that shows a file or folder of this machine inside the root."""
    point = root / path.relative_to("/")
    point.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        point.mkdir(exist_ok=True)
    elif not point.exists():
        point.unlink(missing_ok=True)
        point.touch()
    return shlex.join(["mount", "--rbind", str(path.resolve()), str(point)])


def _check(program: str) -> None:
    if os.geteuid() != 0:
        raise RootError("only root can make and enter a root folder; use sudo")
    if shutil.which(program) is None:
        raise RootError(f"{program} is not installed (apt-get install debootstrap util-linux)")


def _mirror() -> str:
    """Return the URL of this machine's Debian archive, "" if its apt has none."""
    command = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines():
        label, _, address = line.partition(" ")
        if label == "Debian":
            return address
    return ""


def _run(command: list[str], remedy: str) -> None:
    code = subprocess.run(command).returncode
    if code:
        raise RootError(f"{command[0]} ended with {code} (see above); {remedy}")


def install_packages() -> None:
    """Make the root's virtual environment, as install.py makes the checkout's; runs inside the root."""
    sys.path.insert(0, str(CHECKOUT))
    import install
    from animator_core.installation.environment import Environment

    ENVIRONMENT.mkdir(parents=True, exist_ok=True)
    environment = Environment(ENVIRONMENT, ENVIRONMENT / "install.log")
    install.install_packages(environment, install.parse(["--dev", "--torch", "cpu"]), 0)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="OBS of another Debian release in a folder of its own.")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make a root folder, or complete one")
    making.add_argument("suite", help="the Debian release: trixie, forky, …")
    making.add_argument("folder", type=Path)
    making.add_argument("--without-python", action="store_true", help="OBS alone, no virtual environment")
    running = commands.add_parser("run", help="run a command inside a root folder")
    running.add_argument("folder", type=Path)
    running.add_argument("argv", nargs="+", metavar="command")
    commands.add_parser("install-packages", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        if options.command == "make":
            make(options.suite, options.folder, not options.without_python)
        elif options.command == "run":
            return subprocess.run(entry(options.folder, options.argv)).returncode
        else:
            install_packages()
    except RootError as exc:
        print(f"obs_root: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

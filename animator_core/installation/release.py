"""Builds the archive that users download: `python -m animator_core.installation.release`, in a checkout with git.

The archive has the files of the last commit that a user needs, in one order and with the commit's time: the same commit
gives the same archive. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

from animator_core.atomic_file import written_atomically
from animator_core.installation.console import InstallError, say

FOLDER = "stream-motion-animator"
"""The archive's one folder: short, as Windows limits paths, and without the version, to unpack over an older one."""
LEFT_OUT = (
    "tests/",
    ".ci/",
    ".github/",
    ".gitignore",
    ".pre-commit-config.yaml",
    "assets/sources/",
    "docs/measurements/",
)
"""Files and folders for developers."""
LINKED = ("docs/measurements/2026-11-24.md",)
"""Files of those folders to which documents for users have links."""
_VERSION_FILE = "animator_core/__init__.py"


def is_for_users(name: str) -> bool:
    """Return whether the archive has the file with this path in the repository."""
    return name in LINKED or not (name.startswith(LEFT_OUT) or (name.startswith("docs/") and name.endswith(".py")))


def build_release(root: Path, folder: Path) -> Path:
    """Write the archive of the last commit of the repository ``root`` into ``folder`` and return its path.

    Raises InstallError if git does not answer, or files of the program differ from the commit.
    """
    changed = _git(root, "status", "--porcelain", "--untracked-files=no").decode(errors="replace").splitlines()
    if changed:
        raise InstallError(f"{len(changed)} files differ from the last commit ({changed[0][3:]})", "commit them first")
    seconds = int(_git(root, "log", "-1", "--format=%ct", "HEAD"))
    files = _committed_files(root)
    found = re.search(rb'^__version__ = "([^"]+)"', files[_VERSION_FILE][0], re.MULTILINE)
    if not found:
        raise InstallError(f"{_VERSION_FILE} has no version", "correct it")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{FOLDER}-{found[1].decode()}.zip"
    with written_atomically(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(filter(is_for_users, files)):
            content, mode = files[name]
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", time.gmtime(seconds)[:6])
            entry.create_system, entry.external_attr = 3, (0o100000 | mode) << 16  # Unix, a regular file
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return path


def _committed_files(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return each file of the last commit by its path: its bytes, and 0o755 or 0o644."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "--format=tar", "HEAD"))) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            if content is not None:
                files[member.name] = content.read(), 0o755 if member.mode & 0o100 else 0o644
    return files


def _git(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as exc:
        raise InstallError(f"git does not run ({exc})", "install git") from exc
    if done.returncode:
        raise InstallError(f"git: {done.stderr.decode(errors='replace').strip()}", "run this in a checkout with git")
    return done.stdout


def main(arguments: list[str]) -> int:
    """Build the archive, print its path and SHA-256, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m animator_core.installation.release", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("dist"), metavar="FOLDER", help="default: dist")
    options = parser.parse_args(arguments)
    try:
        path = build_release(Path(__file__).resolve().parents[2], options.output)
    except InstallError as exc:
        print(f"release: {exc}", file=sys.stderr)
        return 1
    say(f"{path}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

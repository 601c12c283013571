"""Removes what install.py and the program added: environment, models, caches, and the script's entry in OBS.

Standard library only.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from animator_core.installation.console import AGAIN, InstallError, say
from animator_core.installation.obs_entry import collections_with_script, refuse_running
from animator_core.installation.obs_installs import Machine
from animator_core.installation.obs_setup import SCRIPT

ADDED = (".venv", "assets/models", "cache")
"""Folders that only install.py and the program write; the cache has motion bases, features and the log."""
OWN = ("assets/characters", "assets/config.yaml", "assets/emotes/own", "output")
"""What the user put or made there."""
_PAIRINGS = "stream-motion-animator"
"""Folder of the paired computers, in the user's own settings; `remote.identity` asks platformdirs for it."""
_CODE, _COMPILED = ("animator_core", "obs_plugin"), "__pycache__"


def uninstall(root: Path, machine: Machine, *, is_confirmed: bool, removes_own: bool) -> list[str]:
    """Remove what was added below ``root`` and to OBS; return lines about what is left to the user.

    is_confirmed: do not ask. removes_own: characters, settings and output too. Raises InstallError before anything is
    changed if OBS runs, or if nobody can be asked.
    """
    targets = collections_with_script(root, machine)
    for target in targets:
        refuse_running(target.install, machine, "--uninstall")
    paths = list(_paths(root, removes_own))
    pairings = _pairings(machine)
    if removes_own and pairings.is_dir():
        paths.append(pairings)
    if not targets and all(path.name == _COMPILED for path in paths):
        return ["Nothing is installed here."]
    say("This removes:")
    for path in paths:
        if path.name != _COMPILED:
            say(f"  {path} ({_size(path) / 1e6:,.0f} MB)")
    say("  compiled Python files of the program")
    for target in targets:
        say(f"  the script from the {target.name}")
    if not is_confirmed:
        _ask()
    for target in targets:
        target.collection.remove_script(root / SCRIPT)
    for path in paths:
        _remove(path)
    notes = [f"The {target.name} as it was before: {target.collection.backup}" for target in targets]
    for target in targets:
        sources = sorted({saved.source for saved in target.collection.filters()})
        if sources:
            notes.append(
                f"The {target.name} still has the filter on: {', '.join(sources)}. Without the script OBS shows these "
                "sources themselves: remove the filter, or the source, before you go live"
            )
    kept = [name for name in OWN if (root / name).exists()]
    if kept:
        notes.append(f"Kept in {root}: {', '.join(kept)}. The folder itself can be deleted now")
    if pairings.is_dir():
        notes.append(f"Kept, as other copies of the program use them: the paired computers in {pairings}")
    return notes


def _pairings(machine: Machine) -> Path:
    if machine.system == "Windows":
        return machine.folder("LOCALAPPDATA", machine.home / "AppData/Local") / _PAIRINGS
    if machine.system == "Darwin":
        return machine.home / "Library/Application Support" / _PAIRINGS
    return machine.folder("XDG_CONFIG_HOME", machine.home / ".config") / _PAIRINGS


def _paths(root: Path, removes_own: bool) -> Iterator[Path]:
    for name in (*ADDED, *(OWN if removes_own else ())):
        path = root / name
        if path.exists() or path.is_symlink():
            yield path
    for name in _CODE:
        yield from sorted((root / name).rglob(_COMPILED))


def _ask() -> None:
    if not sys.stdin or not sys.stdin.isatty():
        raise InstallError("nobody can be asked whether to remove this", f"run {AGAIN} --uninstall --yes")
    if input("Remove it? [y/N] ").strip().casefold() not in ("y", "yes"):
        raise InstallError("nothing was removed", f"run {AGAIN} --uninstall again to do so")


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; a link has none."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir() or file.is_symlink())


def _remove(path: Path) -> None:
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            shutil.rmtree(path)
    except OSError as exc:
        raise InstallError(
            f"cannot remove {exc.filename or path} ({exc.strerror})",
            f"close programs that use it, and run {AGAIN} --uninstall again",
        ) from exc

"""Adds the script to OBS's scene collections, and takes it out again.

Standard library only.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from animator_core.installation.console import AGAIN, InstallError
from animator_core.installation.obs_installs import (
    Machine,
    ObsInstall,
    find_installs,
    python_setting,
    read_settings,
)
from animator_core.installation.obs_running import is_running
from animator_core.installation.obs_setup import SCRIPT, loadable_python
from animator_core.installation.scene_collections import SceneCollection, collection_files

BY_HAND = "or add it by hand in OBS: Tools → Scripts, +"


@dataclass(frozen=True)
class Target:
    """A scene collection to change, and the OBS whose it is."""

    install: ObsInstall
    collection: SceneCollection

    @property
    def name(self) -> str:
        """For messages."""
        return f'scene collection "{self.collection.name}" of OBS ({self.install.name})'


def this_machine() -> Machine:
    """Return the computer that this program runs on."""
    return Machine(platform.system(), Path.home(), os.environ)


def targets(machine: Machine, name: str = "") -> list[Target]:
    """Return the collections called ``name``; if it is "", the one of each OBS that opens next.

    Raises InstallError, with what to do, if there is none, or only in an OBS that cannot start the worker.
    """
    installs = find_installs(machine)
    usable = [install for install in installs if not install.is_sandboxed]
    if not usable:
        if installs:
            raise InstallError(
                f"OBS from {installs[0].kind} cannot start the worker from its sandbox",
                "install your distribution's package of OBS, or the one of obsproject.com",
            )
        raise InstallError(
            "OBS Studio was not found", f"install OBS 28 or newer, start it once, then run {AGAIN} again"
        )
    found = []
    names: list[str] = []
    for install in {install.settings: install for install in reversed(usable)}.values():
        for index, path in enumerate(collection_files(install.settings, read_settings(install))):
            if not name and index:
                break
            collection = SceneCollection(path)
            names.append(collection.name)
            if not name or name.casefold() in (collection.name.casefold(), path.stem.casefold()):
                found.append(Target(install, collection))
    if not found and name:
        raise InstallError(
            f'no scene collection is called "{name}"', f"choose of: {', '.join(names) or 'none there yet'}"
        )
    if not found:
        raise InstallError(
            f"OBS has no scene collection yet ({usable[0].settings})", "start OBS once and close it again"
        )
    return found


def add_to_obs(root: Path, machine: Machine, name: str = "") -> list[str]:
    """Add the script of ``root`` to the collections that `targets` returns; return a line about each.

    Raises InstallError, before anything is changed, if OBS runs: at its end it would overwrite the change.
    """
    wanted = targets(machine, name)
    script = root / SCRIPT
    for target in wanted:
        if not target.collection.has_script(script):
            refuse_running(target.install, machine, "--add-to-obs")
    lines = []
    for target in wanted:
        if target.collection.add_script(script):
            lines.append(f"Added to the {target.name}; as it was before: {target.collection.backup}")
        else:
            lines.append(f"Already in the {target.name}")
    return [*lines, *_python_notes(wanted, machine.system)]


def _python_notes(wanted: list[Target], system: str) -> list[str]:
    """Return what is left to do in Python Settings, which Windows and macOS need."""
    folders = [python_setting(read_settings(target.install)) for target in wanted]
    if system not in ("Windows", "Darwin") or all(
        folder and loadable_python(system, Path(folder)) for folder in folders
    ):
        return []
    return [
        "Left to do in OBS: Tools → Scripts → Python Settings → Browse; cache/obs-setup.txt has the path to paste "
        f"({AGAIN} writes it)"
    ]


def refuse_running(install: ObsInstall, machine: Machine, option: str) -> None:
    """Raise InstallError if OBS runs."""
    if is_running(install, machine):
        hand = f", {BY_HAND}" if option == "--add-to-obs" else ""
        raise InstallError("OBS is running and would overwrite the change", f"close OBS and run {AGAIN} {option}{hand}")


def collections_with_script(root: Path, machine: Machine) -> list[Target]:
    """Return every collection of every OBS that has the script of ``root``; files of unknown format are left out."""
    found = []
    for install in {install.settings: install for install in reversed(find_installs(machine))}.values():
        for path in collection_files(install.settings, read_settings(install)):
            try:
                collection = SceneCollection(path)
            except InstallError:
                continue
            if collection.has_script(root / SCRIPT):
                found.append(Target(install, collection))
    return found


def offer_to_add(root: Path, machine: Machine) -> list[str]:
    """Ask on a terminal whether to add the script; return lines about what was done, [] if there is nothing to ask."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return []
    try:
        wanted = [target for target in targets(machine) if not target.collection.has_script(root / SCRIPT)]
    except InstallError:
        return []  # the steps that were just printed still hold
    if not wanted:
        return []
    if any(is_running(target.install, machine) for target in wanted):
        return [f"Step 2 can be done for you while OBS is closed: {AGAIN} --add-to-obs"]
    names = " and the ".join(target.name for target in wanted)
    if input(f"Do step 2 now: add the script to the {names}? [Y/n] ").strip().casefold() not in ("", "y", "yes"):
        return []
    return [*add_to_obs(root, machine), "Step 2 is done."]

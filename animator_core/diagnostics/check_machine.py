"""Folders, disk and cameras."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from animator_core.diagnostics.finding import FAILURE, OK, WARNING, Finding, Surroundings
from animator_core.installation.synced_folder import syncing_service
from animator_core.installation.writable import writing_problem

_DISK_FAILURE_BYTES, _DISK_WARNING_BYTES = 100_000_000, 1_000_000_000
_VIDEO_DEVICES = Path("/sys/class/video4linux")


def check_folder(surroundings: Surroundings) -> list[Finding]:
    """Whether the project is in a folder that is left alone."""
    service = syncing_service(surroundings.root)
    if not service:
        return [Finding("project folder", OK, f"{surroundings.root}")]
    detail = f"{surroundings.root} is uploaded by {service}, which locks its thousands of files now and then"
    return [Finding("project folder", WARNING, detail, "move the project out of there and run install.py again")]


def check_cache(surroundings: Surroundings) -> list[Finding]:
    """Whether generated files can be kept."""
    folder = surroundings.config.performance.cache_dir
    problem = writing_problem(folder)
    if problem:
        detail = f"cannot write in {folder} ({problem}): everything is computed anew at every start"
        return [Finding("cache", FAILURE, detail, "make the folder writable, or set performance.cache_dir to another")]
    return [Finding("cache", OK, f"{folder} can be written")]


def check_disk(surroundings: Surroundings) -> list[Finding]:
    """Whether the disk has room for generated files."""
    free = shutil.disk_usage(surroundings.root).free
    detail = f"{free / 1e9:.1f} GB free"
    if free < _DISK_FAILURE_BYTES:
        return [Finding("disk space", FAILURE, detail, "free some; the cache folder may be emptied at any time")]
    state = WARNING if free < _DISK_WARNING_BYTES else OK
    return [Finding("disk space", state, detail, "free some" if state == WARNING else "")]


def check_cameras(surroundings: Surroundings) -> list[Finding]:
    """Which cameras there are; none is no failure, OBS may have another source."""
    if not sys.platform.startswith("linux"):
        # Opening them to look would light their lamps and take them from other programs.
        return [Finding("cameras", OK, "not looked for on this system; `run --camera N` tells whether one opens")]
    names = []
    for device in sorted(_VIDEO_DEVICES.glob("video*")) if _VIDEO_DEVICES.is_dir() else []:
        try:
            names.append(f"{device.name[5:]}: {(device / 'name').read_text(encoding='utf-8').strip()}")
        except OSError:
            continue
    if not names:
        return [Finding("cameras", WARNING, "none found", "plug one in, if you do not use another kind of source")]
    locked = [name for name in names if not os.access(f"/dev/video{name.split(':')[0]}", os.R_OK | os.W_OK)]
    if locked:
        remedy = 'add yourself to the group "video" (sudo usermod -aG video $USER) and log in again'
        return [Finding("cameras", WARNING, f"may not be opened: {', '.join(locked)}", remedy)]
    return [Finding("cameras", OK, ", ".join(names))]

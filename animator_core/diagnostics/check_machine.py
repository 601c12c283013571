"""Checks folders, disk and cameras."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from animator_core.diagnostics.finding import CheckContext, Finding, failure, ok, warning
from animator_core.installation.synced_folder import syncing_service
from animator_core.installation.writable import writing_problem

_DISK_FAILURE_BYTES, _DISK_WARNING_BYTES = 100_000_000, 1_000_000_000
_VIDEO_DEVICES = Path("/sys/class/video4linux")


def check_folder(context: CheckContext) -> list[Finding]:
    """Check that no cloud service synchronises the project's folder."""
    service = syncing_service(context.root)
    if not service:
        return [ok("project folder", f"{context.root}")]
    detail = f"{context.root} is synchronised by {service}, which locks files at times"
    return [warning("project folder", detail, "move the project to another folder and run install.py again")]


def check_cache(context: CheckContext) -> list[Finding]:
    """Check that the cache folder can be written."""
    folder = context.config.performance.cache_dir
    problem = writing_problem(folder)
    if problem:
        detail = f"cannot write in {folder} ({problem}); everything is computed again at every start"
        return [failure("cache", detail, "make the folder writable, or set performance.cache_dir to another folder")]
    return [ok("cache", f"{folder} can be written")]


def check_disk(context: CheckContext) -> list[Finding]:
    """Check that the disk has room for generated files."""
    free = shutil.disk_usage(context.root).free
    detail = f"{free / 1e9:.1f} GB free"
    if free < _DISK_FAILURE_BYTES:
        return [failure("disk space", detail, "free some space; the cache folder may be emptied at any time")]
    if free < _DISK_WARNING_BYTES:
        return [warning("disk space", detail, "free some space")]
    return [ok("disk space", detail)]


def check_cameras(context: CheckContext) -> list[Finding]:
    """List the cameras; none is not a failure, because OBS may have another source."""
    if not sys.platform.startswith("linux"):
        # Opening a camera would switch on its light and take it from other programs.
        return [ok("cameras", "not checked on this system; try `run --camera N`")]
    names = []
    for device in sorted(_VIDEO_DEVICES.glob("video*")) if _VIDEO_DEVICES.is_dir() else []:
        try:
            names.append(f"{device.name[5:]}: {(device / 'name').read_text(encoding='utf-8').strip()}")
        except OSError:
            continue
    if not names:
        return [warning("cameras", "none found", "connect one, unless you use another kind of source")]
    locked = [name for name in names if not os.access(f"/dev/video{name.split(':')[0]}", os.R_OK | os.W_OK)]
    if locked:
        remedy = 'add yourself to the group "video" (sudo usermod -aG video $USER) and log in again'
        return [warning("cameras", f"no permission to open: {', '.join(locked)}", remedy)]
    users = _camera_users()
    if users:
        detail = f"{', '.join(names)}; open in {', '.join(users)}"
        return [warning("cameras", detail, "a camera serves one program at a time: close the others")]
    return [ok("cameras", ", ".join(names))]


def _camera_users() -> list[str]:
    """Return the programs of this user that have a camera open, OBS excepted."""
    programs = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link).startswith("/dev/video"):
                programs.add((link.parents[1] / "comm").read_text(encoding="utf-8", errors="replace").strip())
        except OSError:
            continue
    return sorted(programs - {"obs"})

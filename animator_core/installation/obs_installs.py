"""Finds every OBS of this computer, however it was installed, its settings folder, and its Python setting.

Standard library only.
"""

from __future__ import annotations

import configparser
import ctypes
import plistlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SNAP, FLATPAK, SETTINGS_ONLY = "Snap", "Flatpak", "program not found"
SANDBOXED = (FLATPAK, SNAP)
"""Kinds whose OBS may not start a program outside its sandbox, which the worker is."""
_SEARCHED_FOR_APPIMAGES = ("Applications", "Downloads", "Desktop", "bin", ".local/bin", "AppImages", "")
_PORTABLE_MARKS = ("portable_mode.txt", "obs_portable_mode.txt", "portable_mode", "obs_portable_mode")
_FILE_VERSION_OFFSET = 8
"""Offset in bytes of dwFileVersionMS in Windows' VS_FIXEDFILEINFO."""


@dataclass(frozen=True)
class Machine:
    """What the search looks at: ``platform.system()``, the user's home folder and the environment.

    root: of the file system; tests have another one.
    """

    system: str
    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    root: Path = Path("/")

    def folder(self, variable: str, default: Path) -> Path:
        """Return the folder that an environment variable names, or ``default``."""
        value = self.environ.get(variable, "")
        return Path(value) if value else default


@dataclass(frozen=True)
class ObsInstall:
    """One OBS: how it was installed, its program, and the folder of its settings, which may not exist yet."""

    kind: str
    program: Path
    settings: Path

    @property
    def is_sandboxed(self) -> bool:
        """Whether its sandbox keeps it from starting the worker."""
        return self.kind in SANDBOXED

    @property
    def name(self) -> str:
        """The kind and the program, for messages."""
        return f"settings in {self.settings}" if self.kind == SETTINGS_ONLY else f"{self.kind}, {self.program}"


def find_installs(machine: Machine) -> list[ObsInstall]:
    """Return every OBS found, those whose settings exist first; the same program only once.

    Settings of an OBS whose program is in none of the usual places are one of kind `SETTINGS_ONLY`.
    """
    search = {"Windows": _windows, "Darwin": _macos}.get(machine.system, _linux)
    found: dict[Path, ObsInstall] = {}
    for install in search(machine):
        found.setdefault(_real(install.program), install)
    shared = _shared_settings(machine)
    if shared.is_dir() and all(install.settings != shared for install in found.values()):
        found[shared] = ObsInstall(SETTINGS_ONLY, shared, shared)
    return sorted(found.values(), key=lambda install: not install.settings.is_dir())


def _shared_settings(machine: Machine) -> Path:
    """Return the folder of the settings of every OBS that is neither portable nor in a sandbox."""
    if machine.system == "Windows":
        return machine.folder("APPDATA", machine.home / "AppData/Roaming") / "obs-studio"
    if machine.system == "Darwin":
        return machine.home / "Library/Application Support/obs-studio"
    return machine.folder("XDG_CONFIG_HOME", machine.home / ".config") / "obs-studio"


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except OSError:
        return path


def _windows(machine: Machine) -> Iterator[ObsInstall]:
    shared = _shared_settings(machine)
    folders = [("installer", folder) for folder in _registered_folders()]
    for variable in ("ProgramFiles", "ProgramW6432", "ProgramFiles(x86)"):
        if machine.environ.get(variable):
            programs = Path(machine.environ[variable])
            folders.append(("installer", programs / "obs-studio"))
            folders += [("Steam", library / "common/OBS Studio") for library in _steam_libraries(programs / "Steam")]
    # The Microsoft Store hands out the installer of obsproject.com, so its OBS is found as that.
    for parent in ("", "Desktop", "Downloads", "Documents", "AppData/Local", "AppData/Local/Programs"):
        folders += [("portable", folder) for folder in _matching(machine.home / parent, r"(?i)obs[ -]?studio.*")]
    local = machine.folder("LOCALAPPDATA", machine.home / "AppData/Local")
    folders.append(("scoop", machine.folder("SCOOP", machine.home / "scoop") / "apps/obs-studio/current"))
    folders.append(("installer", local / "Programs/obs-studio"))
    for kind, folder in folders:
        program = folder / "bin/64bit/obs64.exe"
        if program.is_file():
            is_portable = any((folder / mark).exists() for mark in _PORTABLE_MARKS)
            settings = folder / "config/obs-studio" if is_portable else shared
            yield ObsInstall("portable" if is_portable else kind, program, settings)


def _registered_folders() -> list[Path]:
    """Return the folder that OBS's installer wrote into Windows' registry; [] without one, and elsewhere."""
    if sys.platform != "win32":
        return []
    import winreg

    try:
        return [Path(winreg.QueryValue(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\OBS Studio"))]
    except OSError:
        return []


def _steam_libraries(steam: Path) -> list[Path]:
    """Return the folders of Steam's games, which its settings list."""
    listed = steam / "steamapps/libraryfolders.vdf"
    try:
        text = listed.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    paths = [Path(found.replace("\\\\", "\\")) for found in re.findall(r'"path"\s+"([^"]+)"', text)]
    return [path / "steamapps" for path in dict.fromkeys((steam, *paths))]


def _macos(machine: Machine) -> Iterator[ObsInstall]:
    settings = _shared_settings(machine)
    steam = machine.home / "Library/Application Support/Steam/steamapps/common/OBS Studio"
    for kind, folder in (
        ("app", machine.root / "Applications"),
        ("app", machine.home / "Applications"),
        ("Steam", steam),
    ):
        program = folder / "OBS.app/Contents/MacOS/OBS"
        if program.is_file():
            yield ObsInstall(kind, program, settings)


def _linux(machine: Machine) -> Iterator[ObsInstall]:
    settings = _shared_settings(machine)
    snap = machine.root / "snap/bin/obs-studio"
    for folder in machine.environ.get("PATH", "/usr/bin:/usr/local/bin").split(":"):
        program = machine.root / folder.lstrip("/") / "obs"
        if folder and program.is_file() and "snap" not in program.parts:
            yield ObsInstall("package", program, settings)
    for exports in (machine.home / ".local/share/flatpak", machine.root / "var/lib/flatpak"):
        program = exports / "exports/bin/com.obsproject.Studio"
        if program.exists() or program.is_symlink():
            yield ObsInstall(FLATPAK, program, machine.home / ".var/app/com.obsproject.Studio/config/obs-studio")
    if snap.exists() or snap.is_symlink():
        yield ObsInstall(SNAP, snap, machine.home / "snap/obs-studio/current/.config/obs-studio")
    for name in _SEARCHED_FOR_APPIMAGES:
        for program in _matching(machine.home / name, r"(?i)obs.*\.appimage"):
            yield ObsInstall("AppImage", program, settings)


def _matching(folder: Path, pattern: str) -> list[Path]:
    """Return the entries of a folder whose whole name matches; none if it cannot be read."""
    try:
        return sorted(entry for entry in folder.iterdir() if re.fullmatch(pattern, entry.name))
    except OSError:
        return []


def obs_version(install: ObsInstall, system: str) -> tuple[int, ...] | None:
    """Return the version of OBS, (major, minor) or (major, minor, patch), without starting it; None if unknown."""
    if install.kind == SETTINGS_ONLY:
        return None
    try:
        if system == "Windows":
            return _version_of_windows_program(install.program)
        if system == "Darwin":
            with (install.program.parents[1] / "Info.plist").open("rb") as file:
                text = str(plistlib.load(file).get("CFBundleShortVersionString", ""))
        elif install.kind == "AppImage":
            text = install.program.name  # running it would unpack it
        else:
            command = [str(install.program), "--version"]
            text = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=15).stdout
    except (OSError, subprocess.SubprocessError, plistlib.InvalidFileException):
        return None
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number) for number in found.groups() if number is not None) if found else None


def _version_of_windows_program(program: Path) -> tuple[int, ...] | None:
    library = ctypes.WinDLL("version")  # type: ignore[attr-defined]
    size = library.GetFileVersionInfoSizeW(str(program), None)
    data = ctypes.create_string_buffer(size)
    fixed, length = ctypes.c_void_p(), ctypes.c_uint()
    if (
        not size
        or not library.GetFileVersionInfoW(str(program), 0, size, data)
        or not library.VerQueryValueW(data, "\\", ctypes.byref(fixed), ctypes.byref(length))
        or not fixed.value
    ):
        return None
    upper = ctypes.c_uint32.from_address(fixed.value + _FILE_VERSION_OFFSET).value
    lower = ctypes.c_uint32.from_address(fixed.value + _FILE_VERSION_OFFSET + 4).value
    return upper >> 16, upper & 0xFFFF, lower >> 16


def read_settings(install: ObsInstall) -> configparser.ConfigParser:
    """Return OBS's own settings: global.ini, overlaid by user.ini, which OBS 31 and newer have."""
    settings = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    for name in ("global.ini", "user.ini"):
        try:
            settings.read_string((install.settings / name).read_text(encoding="utf-8-sig", errors="replace"))
        except (OSError, configparser.Error):
            continue
    return settings


def python_setting(settings: configparser.ConfigParser) -> str:
    """Return the folder that OBS loads Python from on Windows and macOS, "" if none was chosen."""
    return settings.get("Python", "Path64bit", fallback="").strip()

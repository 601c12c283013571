"""OBS's scene collections: which have the script and the filter; adding the script and removing it.

A collection is a JSON file; OBS reads it at its start and writes it at its end, so it is changed only while OBS is
closed. Standard library only.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from animator_core.atomic_file import written_atomically
from animator_core.installation.console import InstallError
from animator_core.installation.obs_setup import SCRIPT

FILTER_ID = "stream_motion_animator"
BACKUP_SUFFIX = ".before-stream-motion-animator"
"""After ".json": OBS lists every file that ends in .json as a collection."""
_NEWEST_FORMAT = 2
"""The highest "version" of a collection that was seen: OBS 31 and 32 write 1 or 2, older ones none."""


@dataclass(frozen=True)
class SavedFilter:
    """One of our filters in a collection: its source's name, whether it is switched on, and its settings."""

    source: str
    is_enabled: bool
    settings: dict[str, Any]


class SceneCollection:
    """One scene collection as it is on disk; raises InstallError if the file has not OBS's known format."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data: Any = json.loads(path.read_text(encoding="utf-8"))
        except OSError as exc:
            raise InstallError(f"cannot read {path} ({exc.strerror})", "close other programs that use it") from exc
        except ValueError as exc:
            raise self._unknown("it is no JSON") from exc
        if not isinstance(self._data, dict) or not isinstance(self._data.get("sources"), list):
            raise self._unknown("it has no list of sources")
        version = self._data.get("version", 0)
        if not isinstance(version, int) or version > _NEWEST_FORMAT:
            raise self._unknown(f"it has the format {version}, known are those up to {_NEWEST_FORMAT}")
        modules = self._data.get("modules", {})
        scripts = modules.get("scripts-tool", []) if isinstance(modules, dict) else None
        if not isinstance(scripts, list) or not all(isinstance(entry, dict) for entry in scripts):
            raise self._unknown("its scripts are written in an unknown way")

    def _unknown(self, reason: str) -> InstallError:
        return InstallError(
            f"{self.path} is not a scene collection as OBS 28 to 32 write it: {reason}",
            "it is left as it is; add the script in OBS: Tools → Scripts, +",
        )

    @property
    def name(self) -> str:
        """What OBS shows."""
        return str(self._data.get("name") or self.path.stem)

    @property
    def scripts(self) -> list[str]:
        """The paths of all its scripts, as OBS wrote them."""
        return [str(entry.get("path", "")) for entry in self._entries()]

    def _entries(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._data.get("modules", {}).get("scripts-tool", [])
        return entries

    def has_script(self, script: Path) -> bool:
        """Return whether this very script is in the collection."""
        return any(is_same_file(path, script) for path in self.scripts)

    def filters(self) -> list[SavedFilter]:
        """Return our filters, of all sources and scenes."""
        return list(_filters(self._data))

    def add_script(self, script: Path) -> bool:
        """Write the script into the collection, after a backup; return False if it was there. Raises InstallError.

        The entry of a copy of the program that is gone is made this one's, with its settings: the hotkeys.
        """
        if self.has_script(script):
            return False
        gone = [entry for entry in self._entries() if is_gone(str(entry.get("path", "")))]
        settings = gone[0].get("settings", {}) if gone else {}
        kept = [entry for entry in self._entries() if entry not in gone]
        modules = self._data.setdefault("modules", {})
        modules["scripts-tool"] = [*kept, {"path": script.as_posix(), "settings": settings}]
        self._save()
        return True

    def remove_script(self, script: Path) -> bool:
        """Take the script out of the collection, after a backup; return False if it was not there."""
        if not self.has_script(script):
            return False
        kept = [entry for entry in self._entries() if not is_same_file(str(entry.get("path", "")), script)]
        self._data["modules"]["scripts-tool"] = kept
        self._save()
        return True

    def _save(self) -> None:
        text = json.dumps(self._data, ensure_ascii=False, indent=4)
        try:
            shutil.copy2(self.path, self.backup)
            with written_atomically(self.path) as unfinished:
                unfinished.write_text(text + "\n", encoding="utf-8")
                shutil.copymode(self.path, unfinished)
        except OSError as exc:
            raise InstallError(f"cannot write {self.path} ({exc.strerror})", "correct its permissions") from exc

    @property
    def backup(self) -> Path:
        """The file with the collection as it was before the last change of ours."""
        return self.path.with_name(self.path.name + BACKUP_SUFFIX)


def _filters(value: Any) -> Iterator[SavedFilter]:
    """Yield our filters below a source, or a list of sources, of the collection."""
    sources = [*value.get("sources", []), *value.get("groups", [])] if isinstance(value, dict) else []
    for source in sources:
        filters = source.get("filters", []) if isinstance(source, dict) else []
        for entry in filters if isinstance(filters, list) else []:
            if isinstance(entry, dict) and entry.get("id") == FILTER_ID:
                settings = entry.get("settings")
                is_enabled = bool(entry.get("enabled", True))
                yield SavedFilter(
                    str(source.get("name", "")), is_enabled, settings if isinstance(settings, dict) else {}
                )


def is_same_file(path: str, script: Path) -> bool:
    """Return whether a path that OBS wrote names ``script``, which need not exist any more."""
    if not path:
        return False
    try:
        return Path(path).samefile(script)
    except OSError:
        return os.path.normcase(os.path.normpath(path)) == os.path.normcase(os.path.normpath(script))


def is_our_script(path: str) -> bool:
    """Return whether a path has the name and folder of our script, in whatever copy of the program."""
    return path.replace("\\", "/").endswith(f"/{SCRIPT}")


def is_gone(path: str) -> bool:
    """Return whether a path is that of our script in a copy of the program that is no longer there."""
    return is_our_script(path) and not os.path.exists(path)


def collections_folder(settings_folder: Path, settings: configparser.ConfigParser) -> Path:
    """Return the folder of the scene collections; OBS 31 and newer let it be moved."""
    moved = settings.get("Locations", "SceneCollections", fallback="").strip()
    if moved and (Path(moved) / "obs-studio/basic/scenes").is_dir():
        return Path(moved) / "obs-studio/basic/scenes"
    return settings_folder / "basic/scenes"


def collection_files(settings_folder: Path, settings: configparser.ConfigParser) -> list[Path]:
    """Return the files of all scene collections, the one that OBS opens next first."""
    folder = collections_folder(settings_folder, settings)
    current = settings.get("Basic", "SceneCollectionFile", fallback="").strip()
    current = current if current.endswith(".json") else f"{current}.json"
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".json" and path.is_file())
    except OSError:
        return []
    return sorted(files, key=lambda path: path.name != current)

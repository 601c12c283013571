"""Checks OBS's scene collections: whether the script is in them, and what makes OBS show the camera."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from animator_core.diagnostics.finding import CheckContext, Finding, failure, failure_of, ok, warning
from animator_core.installation.console import AGAIN, InstallError
from animator_core.installation.obs_entry import this_machine
from animator_core.installation.obs_installs import find_installs, read_settings
from animator_core.installation.obs_setup import SCRIPT
from animator_core.installation.scene_collections import (
    SceneCollection,
    collection_files,
    is_gone,
    is_our_script,
    is_same_file,
)

_NAME = "scene collection"
_TOUCHES_SCENES = ("obs_sceneitem", "obs_scene_", "obs_enum_s", "obs_frontend_get_s", "obs_source_")


def check_collections(context: CheckContext) -> list[Finding]:
    """Check every scene collection of every OBS."""
    script = context.root / SCRIPT
    findings: list[Finding] = []
    having: list[str] = []
    lacking: list[str] = []
    for folder, settings in {
        install.settings: read_settings(install) for install in find_installs(this_machine())
    }.items():
        for path in collection_files(folder, settings):
            try:
                collection = SceneCollection(path)
            except InstallError as exc:
                problem = failure_of(_NAME, exc)
                findings.append(warning(problem.name, problem.detail, problem.remedy))
                continue
            (having if collection.has_script(script) else lacking).append(collection.name)
            findings += _findings(collection, script)
    if not having:
        remedy = f"close OBS and run: {AGAIN} --add-to-obs"
        return [*findings, warning(_NAME, "the script is in none: OBS does not know the filter", remedy)]
    without = f"; not in: {', '.join(lacking)}" if lacking else ""
    return [ok(_NAME, f"the script is in: {', '.join(having)}{without}"), *findings]


def _findings(collection: SceneCollection, script: Path) -> Iterator[Finding]:
    label = f'"{collection.name}"'
    yield from _script_findings(collection, script, label)
    filters = collection.filters()
    sources = ", ".join(sorted({saved.source for saved in filters}))
    if filters and not any(is_our_script(path) and os.path.exists(path) for path in collection.scripts):
        detail = f"{label} has the filter on {sources} but not the script: OBS shows the camera itself"
        yield failure(_NAME, detail, f'close OBS and run: {AGAIN} --add-to-obs "{collection.name}"')
    off = sorted({saved.source for saved in filters if not saved.is_enabled})
    if off:
        detail = f"in {label} the filter on {', '.join(off)} is switched off: OBS shows the camera itself"
        yield warning(_NAME, detail, "in OBS, Filters: click the eye beside Stream Motion Animator")
    open_ones = sorted({saved.source for saved in filters if saved.settings.get("on_problem") == "camera"})
    if open_ones:
        detail = f"in {label} the filter on {', '.join(open_ones)} shows the camera if the animation fails"
        yield warning(_NAME, detail, 'if that is not wanted: Advanced, "If the animation fails, show"')


def _script_findings(collection: SceneCollection, script: Path, label: str) -> Iterator[Finding]:
    for path in collection.scripts:
        if is_gone(path):
            detail = f"{label} has the script at {path}, where it is no more"
            yield failure(_NAME, detail, f'close OBS and run: {AGAIN} --add-to-obs "{collection.name}"')
        elif is_our_script(path) and not is_same_file(path, script):
            detail = f"{label} loads the script of another copy of the program, {path}"
            yield warning(_NAME, detail, "keep one of them in OBS: Tools → Scripts")
        elif Path(path).parent == script.parent and not is_our_script(path):
            detail = f"{label} has {Path(path).name} as a script, which is a part of it"
            yield warning(_NAME, detail, f"in OBS, Tools → Scripts: remove it, press + and choose {script.name}")
        elif path.endswith(".py") and _may_block(Path(path)):
            detail = f"{label} has the Python script {path}, which uses scenes or sources: OBS can hang between the two"
            yield warning(_NAME, detail, "remove it, or use a Lua script for the same")


def _may_block(script: Path) -> bool:
    """Return whether a Python script, by its text, calls functions of OBS that wait for a scene or a source."""
    try:
        text = script.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(word in text for word in _TOUCHES_SCENES)

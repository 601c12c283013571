"""The direction of imports: both sides of the seam, and the layers of the core."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from animator_core.config import PROJECT_ROOT

HEAVY = ("torch", "numpy", "cv2", "mediapipe", "numba", "yaml", "PIL", "scipy", "matplotlib", "psutil", "av", "tqdm")
SHARED_MODULES = tuple(
    f"animator_core.ipc.{name}"
    for name in ("character_names", "emote_names", "face_settings", "frame_ring", "protocol")
)
CORE = PROJECT_ROOT / "animator_core"
STANDARD_LIBRARY = set(getattr(sys, "stdlib_module_names", ()))
needs_stdlib_names = pytest.mark.skipif(not STANDARD_LIBRARY, reason="Python 3.9 does not know its own modules")

# The core from the bottom to the top: a part imports itself and what is further down, never its neighbours or above.
LAYERS = (
    {"arrays", "errors", "lru", "thread_priority"},
    {"ipc", "atomic_file", "smoothstep", "yaml_reader"},
    {"disk_cache", "installation", "onnx_runtime", "output_files", "tensor_file"},
    {"tracking"},
    {"motion"},
    {"config"},
    {"characters", "vmc"},
    {"rendering"},
    {"anime", "liveportrait", "warp"},
    {"cutout", "renderers"},
    {"animation"},
    {"clips"},
    {"assembly"},
    {"clip_animation"},
    {"remote"},
    {"api", "live", "worker"},
    {"batch"},
    {"diagnostics"},
    {"cli"},
    {"__main__"},
)
# The same for the modules of the OBS side; every one imports wrong_script.
OBS_LAYERS = (
    {"filter_rings", "framing", "installation", "libobs", "picture_header", "plain_copy", "request_data"}
    | {"restart_policy", "texts", "thread_mailbox", "timing", "wrong_script"},
    {"file_manager", "microphones", "problem", "script_log", "wording"},
    {"character_list", "properties", "revival", "served_filter", "status_line", "texture", "ui_thread"}
    | {"websocket_vendor", "worker_process"},
    {"drawing", "filter_report", "filter_source", "panel_state", "still_picture", "supervisor"},
    {"capture", "downscaling", "filter_places", "roster"},
    {"stage"},
    {"filter"},
    {"picture_adding"},
    {"session"},
    {"control", "hotkeys", "panel_widgets"},
    {"panel_adding", "panel_characters", "panel_emotes", "panel_movement", "panel_picture", "panel_sound"}
    | {"panel_trouble"},
    {"panel"},
    {"registration"},
    {"stream_motion_animator"},
)
NO_TORCH = ("ipc", "installation", "tracking", "motion", "characters", "vmc", "rendering", "warp")


def imports_of(path: Path) -> Iterator[str]:
    """Yield the names of all modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def python_files(*parts: str) -> list[Path]:
    return [path for part in parts for path in (PROJECT_ROOT / part).rglob("*.py")]


def modules_loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after running ``code``."""
    script = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["animator_core", *SHARED_MODULES, "animator_core.errors", "animator_core.config"])
def test_light_modules_load_nothing_heavy(module):
    assert modules_loaded_by(f"import {module}").isdisjoint(HEAVY)


@needs_stdlib_names
def test_the_shared_modules_load_the_standard_library_only():
    loaded = modules_loaded_by(f"import {', '.join(SHARED_MODULES)}")
    before = modules_loaded_by("")
    new = {name.partition(".")[0] for name in loaded - before}
    assert new <= STANDARD_LIBRARY | {"animator_core"}


def test_the_worker_reads_its_arguments_before_it_loads_anything_heavy():
    heavy = set(HEAVY) - {"psutil"}
    assert modules_loaded_by("import animator_core.worker.main").isdisjoint(heavy)


@needs_stdlib_names
def test_the_obs_side_imports_the_shared_modules_and_the_standard_library_only():
    known = STANDARD_LIBRARY | {"obspython", "obs_plugin", "animator_core"}
    for path in python_files("obs_plugin"):
        for name in imports_of(path):
            assert name.partition(".")[0] in known, f"{path} imports {name}"
            if name.startswith("animator_core.") and name != "animator_core.ipc":
                assert name.startswith(SHARED_MODULES), f"{path} imports {name}"


def test_the_core_never_imports_the_obs_side():
    for path in python_files("animator_core"):
        for name in imports_of(path):
            assert name.partition(".")[0] not in ("obspython", "obs_plugin"), f"{path} imports {name}"


def parts_of_the_core() -> set[str]:
    return {path.stem for path in CORE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}


def test_every_part_of_the_core_has_its_layer() -> None:
    assert sorted(part for layer in LAYERS for part in layer) == sorted(parts_of_the_core() - {"__init__"})


@pytest.mark.parametrize("height", range(len(LAYERS)))
def test_lower_layers_do_not_import_upper_ones(height: int) -> None:
    lower = set().union(*LAYERS[:height])
    for part in LAYERS[height]:
        path = CORE / part
        for file in list(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
            for name in imports_of(file):
                pieces = name.split(".")
                if pieces[0] == "animator_core" and len(pieces) > 1 and pieces[1] in parts_of_the_core():
                    assert pieces[1] in lower | {part}, f"{file} imports {name}"


def test_every_module_of_the_obs_side_has_its_layer() -> None:
    modules = {path.stem for path in python_files("obs_plugin")} - {"__init__"}
    assert sorted(module for layer in OBS_LAYERS for module in layer) == sorted(modules)


@pytest.mark.parametrize("height", range(len(OBS_LAYERS)))
def test_modules_of_the_obs_side_import_lower_ones_only(height: int) -> None:
    # Imports for type checking count: nobody can read one file if it needs the other to be understood.
    lower = set().union(*OBS_LAYERS[:height])
    for module in OBS_LAYERS[height]:
        for name in imports_of(PROJECT_ROOT / "obs_plugin" / f"{module}.py"):
            pieces = name.split(".")
            if pieces[0] == "obs_plugin" and len(pieces) > 1:
                assert pieces[1] in lower, f"{module} imports {name}"


@pytest.mark.parametrize("part", NO_TORCH)
def test_only_liveportrait_and_the_layers_above_need_torch(part: str) -> None:
    for path in python_files(f"animator_core/{part}"):
        names = set(imports_of(path))
        assert not any(name.partition(".")[0] == "torch" for name in names), path
        assert "animator_core.tensor_file" not in names, path


def test_nothing_untrusted_is_unpickled():
    for path in python_files("animator_core", "obs_plugin"):
        names = set(imports_of(path))
        # The import of official templates builds nothing but stand-ins; tests/test_motion_template.py attacks it.
        if path != CORE / "liveportrait" / "motion" / "pickle_import.py":
            assert not names & {"pickle", "marshal", "shelve", "dill", "joblib"}, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert keywords.get("allow_pickle") == "False", f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert keywords.get("weights_only") == "True", f"{path}:{node.lineno}"

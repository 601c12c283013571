"""Checks Python, packages, torch and model files."""

from __future__ import annotations

import importlib
import platform
import sys
from importlib import metadata
from pathlib import Path

from animator_core.diagnostics.finding import OK, CheckContext, Finding, failure, failure_of, ok, warning
from animator_core.errors import ModelError, load_remedy
from animator_core.installation import requirements
from animator_core.installation.model_files import ANIME, ANIME_CREDIT, FACE_LANDMARKER, LIVEPORTRAIT, verified_path

AGAIN = "run install.py again"
_OPENCVS = ("opencv-python", "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless")
_NEEDED = {
    "numpy": "numpy",
    "numba": "numba",
    "msgspec": "msgspec",
    "pyyaml": "yaml",
    "pillow": "PIL",
    "psutil": "psutil",
    "tqdm": "tqdm",
    "platformdirs": "platformdirs",
    "av": "av",
    "python-osc": "pythonosc",
}
"""Package → its module."""
_FIRST_MEDIAPIPE_WITH_TELEMETRY = (0, 10, 34)


def check_python(context: CheckContext) -> list[Finding]:
    """Check that this Python can run the program."""
    problem = requirements.python_problem(
        sys.version_info[:2], platform.system(), platform.machine(), is_64_bit=sys.maxsize > 2**32
    )
    version = f"{platform.python_version()} ({sys.executable})"
    if problem is not None:
        return [failure_of("Python", problem)]
    return [ok("Python", version)]


def check_packages(context: CheckContext) -> list[Finding]:
    """Check that every required package is installed and loads."""
    findings, versions = [], []
    for package, module in _NEEDED.items():
        problem = _load_problem(module)
        if problem:
            findings.append(failure(f"package {package}", problem, load_remedy(problem)))
        else:
            versions.append(f"{package} {installed_version(package) or '?'}")
    if not findings:
        findings.append(ok("packages", ", ".join(versions)))
    virtual_camera = installed_version("pyvirtualcam")
    if virtual_camera is None:
        findings.append(warning("pyvirtualcam", "not installed: `run --virtual-camera` cannot work", AGAIN))
    return findings


def check_opencv(context: CheckContext) -> list[Finding]:
    """Check that exactly one OpenCV is installed: several share a folder and break each other."""
    installed = [f"{name} {version}" for name in _OPENCVS if (version := installed_version(name))]
    if len(installed) > 1:
        remedy = f"uninstall all of them ({' '.join(entry.split()[0] for entry in installed)}) with pip, then {AGAIN}"
        return [failure("OpenCV", f"several are installed: {', '.join(installed)}", remedy)]
    problem = _load_problem("cv2")
    if problem:
        return [failure("OpenCV", problem, load_remedy(problem))]
    return [ok("OpenCV", installed[0] if installed else "loads, but was not installed by pip")]


def check_mediapipe(context: CheckContext) -> list[Finding]:
    """Check that mediapipe works with this NumPy and sends nothing to a server."""
    version = installed_version("mediapipe")
    if version is None:
        return [failure("mediapipe", "not installed: faces cannot be tracked", AGAIN)]
    numbers = _numbers(version)
    if numbers >= _FIRST_MEDIAPIPE_WITH_TELEMETRY:
        remedy = f"uninstall it with pip, then {AGAIN}, which installs one that does not"
        return [failure("mediapipe", f"{version} sends usage data to a server", remedy)]
    numpy_version = installed_version("numpy") or "0"
    if numbers < (0, 10, 30) and _numbers(numpy_version) >= (2,):
        detail = f"{version} does not work with NumPy {numpy_version}, only with NumPy 1"
        return [failure("mediapipe", detail, AGAIN)]
    problem = _load_problem("mediapipe")
    if problem:
        return [failure("mediapipe", problem, load_remedy(problem))]
    return [ok("mediapipe", f"{version}, NumPy {numpy_version}")]


def check_torch(context: CheckContext) -> list[Finding]:
    """Check that torch loads and can use the GPU, if there is one."""
    problem = _load_problem("torch")
    if problem:
        detail = f"{problem}; the warp renderer works without it"
        return [warning("torch", detail, load_remedy(problem))]
    import torch

    from animator_core.liveportrait.execution.device import choose_device

    compute = context.config.compute
    choice = choose_device(compute.device, compute.fp16)
    if choice.note:
        return [warning("torch", f"{torch.__version__}: {choice.note.message}", choice.note.remedy)]
    if not choice.is_capable:
        return [ok("torch", f"{torch.__version__} on the CPU; the warp renderer is used")]
    label = f"{torch.__version__} on {choice.name}"
    if torch.device(choice.device).type == "cuda":
        label += f", {torch.cuda.get_device_properties(choice.device).total_memory / 1e9:.0f} GB"
    return [ok("torch", label)]


def check_models(context: CheckContext) -> list[Finding]:
    """Check that each model file is there and has the published bytes."""
    from animator_core.tracking.trackers import has_face_mesh

    findings = []
    landmarker = context.models_dir / FACE_LANDMARKER.name
    if landmarker.exists():
        findings.append(_model_finding(context.models_dir, FACE_LANDMARKER.name))
    elif has_face_mesh():
        detail = f"{FACE_LANDMARKER.name} is missing; mediapipe's own face mesh tracks faces"
        remedy = f"{AGAIN} with an internet connection, for steadier tracking"
        findings.append(warning("face tracker's model", detail, remedy))
    else:
        findings.append(failure("face tracker's model", f"{landmarker} is missing", AGAIN))
    return findings + _liveportrait_findings(context.config.ai_model.model_path) + _anime_findings(context.models_dir)


def _liveportrait_findings(weights: Path) -> list[Finding]:
    if not any((weights / model.name).exists() for model in LIVEPORTRAIT):
        return [ok("LivePortrait weights", "not installed; the warp renderer is used")]
    return [_model_finding(weights, model.name) for model in LIVEPORTRAIT]


def _anime_findings(models_dir: Path) -> list[Finding]:
    """Return one finding if all weights are there, or none is; else one for each."""
    weights = models_dir / "anime"
    if not any((weights / model.name).exists() for model in ANIME):
        detail = "not installed; anime characters are animated by the other renderers"
        return [Finding("anime weights", OK, detail, remedy=f"{AGAIN} to get them (55 MB)")]
    findings = [_model_finding(weights, model.name) for model in ANIME]
    if any(finding.state != OK for finding in findings):
        return [finding for finding in findings if finding.state != OK]
    return [ok("anime weights", f"the {len(ANIME)} files in {weights} have the published bytes ({ANIME_CREDIT})")]


def _model_finding(folder: Path, name: str) -> Finding:
    try:
        path = verified_path(folder, name, rehash=True)
    except ModelError as exc:
        return failure_of(f"model {name}", exc)
    return ok(f"model {name}", f"{path} has the published bytes")


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _load_problem(module: str) -> str:
    try:
        importlib.import_module(module)
    except (ImportError, OSError, AttributeError, RuntimeError) as exc:
        return f"{module} does not load ({str(exc).splitlines()[0] if str(exc) else type(exc).__name__})"
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("+")[0].split(".") if part.isdigit())

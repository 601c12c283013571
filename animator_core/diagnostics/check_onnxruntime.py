"""Checks onnxruntime, which runs LivePortrait on other GPUs than NVIDIA's, and with TensorRT on NVIDIA's."""

from __future__ import annotations

from animator_core.diagnostics.check_installation import installed_version
from animator_core.diagnostics.finding import CheckContext, Finding, failure, failure_of, ok, warning
from animator_core.errors import ModelError

_PACKAGES = ("onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-gpu", "onnxruntime")
_FIRST_WITH_TELEMETRY = (1, 29)


def check_onnxruntime(context: CheckContext) -> list[Finding]:
    """Check that onnxruntime, if installed or requested, loads and has the requested provider."""
    installed = {name: version for name in _PACKAGES if (version := installed_version(name))}
    compute = context.config.compute
    wanted = compute.provider if compute.backend == "onnx" else ""
    if not installed and not wanted:
        return []
    if len(installed) > 1:
        remedy = f"uninstall all of them ({' '.join(installed)}) with pip, then run install.py --onnx"
        return [failure("onnxruntime", f"{len(installed)} packages are installed and share one folder", remedy)]
    from animator_core.liveportrait.execution.onnx.providers import PROVIDERS, choose_provider, load_onnxruntime

    try:
        available = load_onnxruntime().get_available_providers()
        choose_provider(wanted or "auto")
    except ModelError as exc:
        return [failure_of("onnxruntime", exc)]
    labels = ", ".join(provider.label for provider in PROVIDERS if provider.registered in available)
    named = " ".join(next(iter(installed.items()), ("onnxruntime",)))
    numbers = tuple(int(part) for part in named.rpartition(" ")[2].split(".")[:2] if part.isdigit())
    if numbers >= _FIRST_WITH_TELEMETRY:
        detail = f"{named} sends usage data by default; this program switches that off"
        return [warning("onnxruntime", detail, "uninstall it with pip, then run install.py --onnx")]
    return [ok("onnxruntime", f"{named} runs on {labels}")]

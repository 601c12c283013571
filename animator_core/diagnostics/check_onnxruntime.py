"""The optional package that runs LivePortrait on GPUs other than NVIDIA's, and by TensorRT on those."""

from __future__ import annotations

from animator_core.diagnostics.check_installation import installed_version
from animator_core.diagnostics.finding import FAILURE, OK, WARNING, Finding, Surroundings, failure_of
from animator_core.errors import ModelError

_PACKAGES = ("onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-gpu", "onnxruntime")
_FIRST_THAT_PHONES_HOME = 29


def check_onnxruntime(surroundings: Surroundings) -> list[Finding]:
    """Whether onnxruntime, where it is installed or asked for, loads and has what is asked for; nothing otherwise."""
    installed = {name: version for name in _PACKAGES if (version := installed_version(name))}
    compute = surroundings.config.compute
    wanted = compute.provider if compute.backend == "onnx" else ""
    if not installed and not wanted:
        return []
    if len(installed) > 1:
        remedy = f"uninstall all of them ({' '.join(installed)}) with pip, then run install.py --onnx"
        return [Finding("onnxruntime", FAILURE, f"{len(installed)} are installed and share one folder", remedy)]
    from animator_core.liveportrait.execution.onnx.providers import PROVIDERS, choose_provider, load_onnxruntime

    try:
        available = load_onnxruntime().get_available_providers()
        choose_provider(wanted or "auto")
    except ModelError as exc:
        return [failure_of("onnxruntime", exc)]
    labels = ", ".join(provider.label for provider in PROVIDERS if provider.registered in available)
    named = " ".join(next(iter(installed.items()), ("onnxruntime",)))
    if [int(part) for part in named.rpartition(" ")[2].split(".")[:2] if part.isdigit()] >= [
        1,
        _FIRST_THAT_PHONES_HOME,
    ]:
        detail = f"{named} reports to its maker unless told not to; this program tells it"
        return [Finding("onnxruntime", WARNING, detail, "uninstall it with pip, then run install.py --onnx")]
    return [Finding("onnxruntime", OK, f"{named} runs on {labels}")]

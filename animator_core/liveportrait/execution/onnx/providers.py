"""onnxruntime's providers, the choice between them, and sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from animator_core.errors import ModelError
from animator_core.liveportrait.execution.onnx import tensorrt
from animator_core.liveportrait.execution.onnx.tensorrt import gpu_packages
from animator_core.onnx_runtime import import_onnxruntime

_PACKAGES = "onnxruntime-directml (Windows) and onnxruntime (Macs, and the CPU everywhere)"


@dataclass(frozen=True)
class Provider:
    """One of onnxruntime's providers.

    name: in the settings. label: for the status line. registered: onnxruntime's name. package: to install for it.
    options: the provider's. memory: onnxruntime's name for the memory of its inputs. uses_fp16: whether it gets the
    float16 graph; OpenVINO converts by itself, CoreML's operators have not been compared. index: of the GPU.
    """

    name: str
    label: str
    registered: str
    package: str
    options: tuple[tuple[str, str], ...] = ()
    memory: str = "cpu"
    uses_fp16: bool = False
    index: int = 0

    @property
    def is_nvidia(self) -> bool:
        """Whether torch supports the same GPUs."""
        return self.memory == "cuda"

    @property
    def alternative(self) -> str:
        """The remedy if the provider cannot be used."""
        return "set compute.backend to auto"


DIRECTML = Provider(
    "directml",
    "DirectML",
    "DmlExecutionProvider",
    package="onnxruntime-directml",
    # The first adapter of a laptop is often the weak one. A device number would override this preference, so none is
    # given. onnxruntime's own memory is always the first adapter's, so inputs are passed in the computer's memory.
    options=(("performance_preference", "high_performance"), ("device_filter", "gpu")),
    uses_fp16=True,
)
COREML = Provider(
    "coreml",
    "CoreML",
    "CoreMLExecutionProvider",
    package="onnxruntime",
    # The older format has no norms.
    options=(("ModelFormat", "MLProgram"), ("RequireStaticInputShapes", "1")),
)
OPENVINO = Provider("openvino", "OpenVINO", "OpenVINOExecutionProvider", package="onnxruntime-openvino")
CUDA = Provider(
    "cuda",
    "CUDA",
    "CUDAExecutionProvider",
    package=gpu_packages(with_tensorrt=False),
    # By default the arena grows to the next power of two.
    options=(("arena_extend_strategy", "kSameAsRequested"),),
    memory="cuda",
    uses_fp16=True,
)
TENSORRT = Provider(
    "tensorrt",
    "TensorRT",
    "TensorrtExecutionProvider",
    package=gpu_packages(with_tensorrt=True),
    memory="cuda",
    uses_fp16=True,
)
CPU = Provider("cpu", "CPU", "CPUExecutionProvider", package="onnxruntime")
PROVIDERS = (DIRECTML, COREML, OPENVINO, CUDA, TENSORRT, CPU)
"""In order of preference; "auto" never takes TensorRT before CUDA, because its first start takes minutes."""


def load_onnxruntime() -> Any:
    """Return the module; raises ModelError if its package is not installed or does not load."""
    try:
        return import_onnxruntime()
    except ImportError as exc:
        reason = "is not installed" if isinstance(exc, ModuleNotFoundError) else f"does not load ({exc})"
        raise ModelError(
            f"the package onnxruntime {reason}",
            f"run install.py --onnx, which takes the right one of {_PACKAGES}, for "
            f"TensorRT install {TENSORRT.package}, or set compute.backend to auto",
        ) from exc


def choose_provider(wanted: str = "auto") -> Provider:
    """Return the provider of that name, for "auto" the first that is installed.

    Raises ModelError if the provider or onnxruntime is not installed.
    """
    available = load_onnxruntime().get_available_providers()
    found = [each for each in PROVIDERS if wanted in ("auto", each.name) and each.registered in available]
    if found:
        return found[0]
    (missing,) = (each for each in PROVIDERS if each.name == wanted)
    raise ModelError(
        f"the onnxruntime that is installed has no {missing.label}",
        f"uninstall it with pip and install {missing.package}, or {missing.alternative}",
    )


def is_accelerator(provider: Provider) -> bool:
    """Return whether the provider uses a faster device than the CPU."""
    return provider.name != CPU.name and (provider.name != OPENVINO.name or _has_openvino_gpu())


def open_session(model: Path | bytes, provider: Provider) -> Any:
    """Return an ``InferenceSession``; raises onnxruntime's own errors for a bad graph or a failing device.

    TensorRT takes minutes for the first session of a graph, and raises ModelError for a graph without a file.
    """
    if provider.name == TENSORRT.name:
        if isinstance(model, bytes):
            raise ModelError(
                "TensorRT cannot keep its engine, without which every start would take minutes",
                f"make performance.cache_dir writable, or {provider.alternative}",
            )
        if not tensorrt.has_engine(model):
            tensorrt.build_engine(model, provider.index)
    return new_session(model, provider)


def new_session(model: Path | bytes, provider: Provider) -> Any:
    """Return a session without building TensorRT's engine before; holds the GIL until it is open."""
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    # Spinning threads would take CPU time from OBS.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if provider.name == DIRECTML.name:
        # DirectML requires it.
        options.enable_mem_pattern = False
    if provider.name == TENSORRT.name:
        tensorrt.load_libraries()
    # The fallback would silently switch to the CPU, even between two frames.
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=_chain(model, provider),
        enable_fallback=0,
    )


def _chain(model: Path | bytes, provider: Provider) -> list[Any]:
    """Return the provider with its options, and the providers for the operators that it lacks."""
    choices = dict(provider.options)
    if provider.name == OPENVINO.name:
        choices["device_type"] = "GPU" if _has_openvino_gpu() else "CPU"
    if provider.memory != "cpu":
        choices["device_id"] = str(provider.index)
    if provider.name == TENSORRT.name:
        assert isinstance(model, Path)
        choices |= tensorrt.engine_options(model)
        return [(provider.registered, choices), *_chain(model, replace(CUDA, index=provider.index))]
    return [(provider.registered, choices), *([] if provider.name == CPU.name else [CPU.registered])]


def _has_openvino_gpu() -> bool:
    from onnxruntime.capi import _pybind_state

    devices: list[str] = getattr(_pybind_state, "get_available_openvino_device_ids", list)()
    return any(device.startswith("GPU") for device in devices)

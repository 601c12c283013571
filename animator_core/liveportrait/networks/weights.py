"""Read LivePortrait's checkpoints, official .pth files or .safetensors; every tensor is checked before use."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from animator_core.errors import WeightsError, first_line

_REMEDY = "delete it and run install.py again"
_FOLDERS = ("", "base_models", "retargeting_models")
_SUFFIXES = (".pth", ".safetensors")
# A counter for training only; some exports leave it out.
_UNUSED_KEY = "num_batches_tracked"


@dataclass(frozen=True)
class CheckpointPart:
    """The place of one network's weights.

    file: the checkpoint's name without suffix. part: the network's name inside a file with several, else "".
    """

    file: str
    part: str = ""


CHECKPOINTS = {
    "appearance_feature_extractor": CheckpointPart("appearance_feature_extractor"),
    "motion_extractor": CheckpointPart("motion_extractor"),
    "warping_module": CheckpointPart("warping_module"),
    "spade_generator": CheckpointPart("spade_generator"),
    "stitching": CheckpointPart("stitching_retargeting_module", "retarget_shoulder"),
    "lip": CheckpointPart("stitching_retargeting_module", "retarget_mouth"),
    "eye": CheckpointPart("stitching_retargeting_module", "retarget_eye"),
}
"""By the networks' names in this package."""


def find_checkpoints(weights_dir: Path) -> dict[str, Path]:
    """Return the path of each checkpoint by its name without suffix; raises WeightsError if one is missing.

    Searches ``weights_dir`` and the folders of the published repository below it.
    """
    found: dict[str, Path] = {}
    for name in dict.fromkeys(checkpoint.file for checkpoint in CHECKPOINTS.values()):
        candidates = [weights_dir / folder / (name + suffix) for folder in _FOLDERS for suffix in _SUFFIXES]
        existing = [path for path in candidates if path.is_file()]
        if not existing:
            raise WeightsError(f"{weights_dir} has no {name}.pth", "run install.py to get LivePortrait's weights")
        found[name] = existing[0]
    return found


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return a checkpoint's tensors by key, or dicts of them by part, on the CPU; executes no code from the file.

    Raises WeightsError if the file cannot be read, is damaged or holds anything else.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                content = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except (OSError, SafetensorError) as exc:
        raise WeightsError(f"{path} cannot be read ({exc})", _REMEDY) from exc
    except Exception as exc:
        # Damaged or hostile bytes make the reader raise nearly anything.
        raise WeightsError(f"{path} is damaged or no checkpoint ({first_line(exc, 200)})", _REMEDY) from exc
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__}, expected a dict of tensors", _REMEDY)
    return content


def take_part(content: dict[str, Any], part: str, path: Path) -> dict[str, Any]:
    """Return one network's tensors of a checkpoint by their plain keys; part: "" if the file has no other network.

    path: for the WeightsError if the part is missing.
    """
    if not part:
        return content
    nested = content.get(part)
    if isinstance(nested, dict):
        # The keys carry the name of a wrapper used in training.
        return {str(key).replace("module.", ""): value for key, value in nested.items()}
    flat = {key: value for key, value in content.items() if isinstance(key, str) and key.startswith(part)}
    if not flat:
        raise WeightsError(f"{path}: key {part} is missing, so it is no stitching_retargeting_module", _REMEDY)
    return {key.replace(f"{part}_module.", ""): value for key, value in flat.items()}


def load_tensors(network: nn.Module, tensors: dict[str, Any], *, name: str, path: Path) -> None:
    """Load ``tensors`` into ``network`` as float32; raises WeightsError unless each key, shape and value is right.

    network: may be on the meta device; float32 tensors are taken over without a copy. name, path: of the network and
    its file, for the error.
    """
    expected = {key: value for key, value in network.state_dict().items() if not key.endswith(_UNUSED_KEY)}
    given = {key: value for key, value in tensors.items() if not str(key).endswith(_UNUSED_KEY)}
    _check_keys(expected.keys(), given.keys(), name=name, path=path)
    state = {key: _checked(key, given[key], shape=value.shape, name=name, path=path) for key, value in expected.items()}
    for key in network.state_dict().keys() - expected.keys():
        state[key] = torch.zeros((), dtype=torch.int64)
    network.load_state_dict(state, strict=True, assign=True)


def _check_keys(expected: Set[str], given: Set[str], *, name: str, path: Path) -> None:
    missing, unknown = sorted(expected - given), sorted(map(str, given - expected))
    if not missing and not unknown:
        return
    problems = [f"key {key} is missing" for key in missing[:1]] + [f"key {key} is unknown" for key in unknown[:1]]
    counts = f"{len(missing)} missing and {len(unknown)} unknown of {len(expected)}"
    raise WeightsError(f"{path}: {' and '.join(problems)} ({counts}): these are not {name}'s weights", _REMEDY)


def _checked(key: str, value: Any, *, shape: torch.Size, name: str, path: Path) -> torch.Tensor:
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or not value.is_floating_point():
        kind = f"{value.dtype} tensor" if isinstance(value, torch.Tensor) else type(value).__name__
        raise WeightsError(f"{path}: key {key} is a {kind}, expected a dense float tensor", _REMEDY)
    if value.shape != shape:
        raise WeightsError(
            f"{path}: key {key} has the shape {tuple(value.shape)}, {name} needs {tuple(shape)}", _REMEDY
        )
    values: torch.Tensor = value.detach().float().contiguous()
    if not torch.isfinite(values).all():
        raise WeightsError(f"{path}: key {key} has values that are not numbers", _REMEDY)
    return values

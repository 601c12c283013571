"""The folded weights of all networks in one safetensors file, written once for each set of checkpoints."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from animator_core.errors import WeightsError
from animator_core.whole_file import written_whole

logger = logging.getLogger(__name__)

_FORMAT = "2"
"""Changes when folding or the networks' structure does."""
_PATTERN = "liveportrait-*.safetensors"


def folded_path(cache_dir: Path, checkpoints: dict[str, Path]) -> Path:
    """Return where the folded weights of these checkpoints lie; another file, or a changed one, gives another path."""
    stamps = [_FORMAT]
    for path in checkpoints.values():
        status = path.stat()
        stamps += [str(path.resolve()), str(status.st_size), str(status.st_mtime_ns)]
    digest = hashlib.sha256(json.dumps(stamps).encode()).hexdigest()
    return cache_dir / f"liveportrait-{digest[:16]}.safetensors"


def content_version(checkpoints: dict[str, Path]) -> str:
    """Return a hex digest of the checkpoints' bytes."""
    digest = hashlib.sha256(_FORMAT.encode())
    for path in checkpoints.values():
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def read_folded(path: Path) -> tuple[str, dict[str, dict[str, torch.Tensor]]]:
    """Return the version and each network's tensors by its name; raises WeightsError where the file is of no use."""
    networks: dict[str, dict[str, torch.Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            version = (file.metadata() or {})["version"]
            for name in file.keys():  # noqa: SIM118
                network, _, key = name.partition(".")
                networks.setdefault(network, {})[key] = file.get_tensor(name)
    except (OSError, SafetensorError, KeyError) as exc:
        raise WeightsError(f"{path} is damaged ({exc})", "delete it, it is made again") from exc
    return version, networks


def write_folded(path: Path, version: str, networks: dict[str, dict[str, torch.Tensor]]) -> None:
    """Write the file at once or not at all and remove those of other checkpoints; a failure costs only a warning."""
    tensors = {f"{name}.{key}": value for name, state in networks.items() for key, value in state.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as unfinished:
            save_file(tensors, unfinished, {"version": version})
    except (OSError, SafetensorError) as exc:
        logger.warning(
            "cannot keep LivePortrait's converted weights in %s (%s): every start takes longer; "
            "free disk space or make the folder writable",
            path.parent,
            exc,
        )
        return
    for other in path.parent.glob(_PATTERN):
        if other != path:
            # Another worker may have it open, which only Windows minds.
            with contextlib.suppress(OSError):
                other.unlink()

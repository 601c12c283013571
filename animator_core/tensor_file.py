"""Tensors in one safetensors file with a checksum, as the parts that use torch keep them between starts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

_CHECKSUM = "sha256"


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors of any device, type and shape by name, with a checksum of all content; raises OSError.

    No two of the tensors may share memory.
    """
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(content, path, {**metadata, _CHECKSUM: _checksum(content, metadata)})
    except SafetensorError as exc:
        raise OSError(str(exc)) from exc


def read_tensors(path: Path, metadata: Mapping[str, str], max_bytes: int) -> dict[str, torch.Tensor]:
    """Return the tensors of a file of `write_tensors` by name, on the CPU.

    metadata: as written. max_bytes: of the file. Raises OSError, and ValueError for a file that is damaged, too large
    or of other metadata.
    """
    if path.stat().st_size > max_bytes:
        raise ValueError(f"it has over {max_bytes:,} bytes")
    found = read_metadata(path)
    checksum = found.pop(_CHECKSUM, "")
    for name in sorted(metadata.keys() | found.keys()):
        if metadata.get(name) != found.get(name):
            raise ValueError(f"it is of another {name}")
    try:
        with safe_open(path, framework="pt") as file:
            # Read into memory of our own: a mapped file that is truncated later would be a crash.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except SafetensorError as exc:
        raise ValueError(str(exc)) from exc
    if checksum != _checksum(tensors, metadata):
        raise ValueError("its checksum is wrong")
    return tensors


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a file, not yet checked, with its checksum; raises OSError, ValueError if damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as exc:
        raise ValueError(str(exc)) from exc


def _checksum(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> str:
    """Return the hex digest of the metadata and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(repr(sorted(metadata.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name!r} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

"""Write weight files like the official ones, with weights made by the golden rule."""

from __future__ import annotations

from pathlib import Path

import torch
from golden.golden_rule import make_state_dict
from golden.golden_vectors import shapes

STITCHING_PARTS = {"stitching": "retarget_shoulder", "lip": "retarget_mouth", "eye": "retarget_eye"}


def golden_state(network: str) -> dict[str, torch.Tensor]:
    """Return the golden weights of one network by the checkpoint's keys."""
    return {key: torch.from_numpy(value) for key, value in make_state_dict(network, shapes()[network]).items()}


def write_stitching(path: Path) -> None:
    """Write the file of the three small networks, with the wrapper's prefix and an unused entry."""
    parts = {
        part: {f"module.{key}": value for key, value in golden_state(network).items()}
        for network, part in STITCHING_PARTS.items()
    }
    torch.save({**parts, "optimizer": {"step": torch.zeros(3)}}, path)


def write_golden_weights(folder: Path) -> Path:
    """Write all five files (half a gigabyte, some ten seconds) and return the folder."""
    for network in shapes():
        if network not in STITCHING_PARTS:
            torch.save(golden_state(network), folder / f"{network}.pth")
    write_stitching(folder / "stitching_retargeting_module.pth")
    return folder

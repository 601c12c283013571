"""The model files: verification, local folders, and downloads from a server that misbehaves."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.server
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from animator_core import atomic_file
from animator_core.errors import ModelError
from animator_core.installation import model_files, model_transfer
from animator_core.installation.model_files import ANIME, CHUNK_BYTES, FACE_LANDMARKER, MANIFEST, ModelFile
from animator_core.installation.model_transfer import ModelUnreachable
from tests.conftest import shared_file

BYTES = random.Random(7).randbytes(3 * CHUNK_BYTES + 1234)
MODEL = ModelFile("net.pth", "http://127.0.0.1:9/net.pth", len(BYTES), hashlib.sha256(BYTES).hexdigest(), "MIT")


@dataclass
class ModelServer:
    """A local server of one file: what it does wrong is set by the test."""

    content: bytes = BYTES
    drop_after: list[int] = field(default_factory=list)
    """Bytes after which each of the first answers breaks off."""
    status: int = 200
    has_ranges: bool = True
    has_length: bool = True
    url: str = ""
    ranges: list[str] = field(default_factory=list)
    """The Range header of each request, "" where it had none."""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range", "")
        self.ranges.append(wanted)
        if self.status != 200:
            handler.send_error(self.status)
            return
        start = int(wanted[len("bytes=") : -1]) if wanted and self.has_ranges else 0
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.has_length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(body[: self.drop_after.pop(0)] if self.drop_after else body)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    scenario = ModelServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            scenario.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        scenario.url = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield scenario
        listener.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "MANIFEST", (*MANIFEST, MODEL))


def fetch(server: ModelServer, models_dir: Path, **arguments: object) -> Path:
    return model_transfer.fetch(MODEL, models_dir, mirror=server.url, pause_s=0.001, **arguments)  # type: ignore[arg-type]


def test_fetch_downloads_verifies_and_leaves_no_partial_file(server: ModelServer, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch(server, tmp_path / "new" / "models", report=lambda had, total: reports.append((had, total)))
    assert path.read_bytes() == BYTES
    assert reports[-1] == (len(BYTES), len(BYTES))
    assert not list(path.parent.glob("*.part"))


def test_fetch_goes_on_where_a_dropped_connection_ended(server: ModelServer, tmp_path: Path) -> None:
    server.drop_after = [CHUNK_BYTES + 5, CHUNK_BYTES]
    assert fetch(server, tmp_path).read_bytes() == BYTES
    assert server.ranges == ["", f"bytes={CHUNK_BYTES + 5}-", f"bytes={2 * CHUNK_BYTES + 5}-"]


def test_fetch_continues_what_an_earlier_run_left(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(BYTES[:1000])
    assert fetch(server, tmp_path).read_bytes() == BYTES
    assert server.ranges == ["bytes=1000-"]


def test_fetch_starts_again_where_the_server_ignores_ranges(server: ModelServer, tmp_path: Path) -> None:
    server.has_ranges = False
    (tmp_path / "net.pth.part").write_bytes(BYTES[:1000])
    assert fetch(server, tmp_path).read_bytes() == BYTES


def test_fetch_replaces_a_partial_file_of_other_bytes(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "net.pth.part").write_bytes(b"x" * 1000)
    assert fetch(server, tmp_path).read_bytes() == BYTES
    assert server.ranges == ["bytes=1000-", ""]


def test_fetch_gives_up_on_a_server_that_always_drops_and_keeps_what_came(server: ModelServer, tmp_path: Path) -> None:
    server.drop_after = [10] * 100
    with pytest.raises(ModelUnreachable, match="broke off 4 times"):
        fetch(server, tmp_path)
    assert (tmp_path / "net.pth.part").read_bytes() == BYTES[:40]


def test_fetch_deletes_wrong_bytes_and_says_so(server: ModelServer, tmp_path: Path) -> None:
    server.content = bytes(len(BYTES))
    with pytest.raises(ModelError, match=r"net\.pth arrived with the wrong bytes .* deleted; run install.py again"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fetch_refuses_a_file_of_another_length_before_reading_it(server: ModelServer, tmp_path: Path) -> None:
    server.content = b"<html>please log in</html>"
    with pytest.raises(ModelError, match=r"offers 26 bytes, expected .*--models DIR"):
        fetch(server, tmp_path)
    assert not (tmp_path / "net.pth").exists()


def test_fetch_never_takes_more_bytes_than_the_model_has(server: ModelServer, tmp_path: Path) -> None:
    server.has_length = False
    server.content = bytes(len(BYTES) + 10 * CHUNK_BYTES)
    most = 0

    def report(had: int, total: int) -> None:
        nonlocal most
        most = had

    with pytest.raises(ModelError, match="wrong bytes"):
        fetch(server, tmp_path, report=report)
    assert most == len(BYTES)


@pytest.mark.parametrize("status", [403, 404])
def test_fetch_names_the_answer_of_a_server_without_the_file(server: ModelServer, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(ModelUnreachable, match=f"answered {status}"):
        fetch(server, tmp_path)
    assert len(server.ranges) == 1


def test_fetch_tries_again_when_the_server_is_busy(server: ModelServer, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(ModelUnreachable, match="broke off 4 times"):
        fetch(server, tmp_path)
    assert len(server.ranges) == 4


def test_fetch_fails_at_once_without_a_network(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreachable, match="cannot be reached"):
        model_transfer.fetch(MODEL, tmp_path, pause_s=60.0)


def test_fetch_names_a_full_disk(server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        def __enter__(self) -> FullDisk:
            return self

        def __exit__(self, *exc: object) -> None:
            pass

        def write(self, chunk: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", lambda self, mode="r", **_: FullDisk())
    with pytest.raises(ModelError, match=r"no disk space for net\.pth.part .*run install.py again"):
        fetch(server, tmp_path)


def test_fetch_names_a_folder_that_cannot_be_written(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(ModelError, match="cannot write"):
        fetch(server, tmp_path / "models")


def test_windows_waits_for_a_model_that_another_program_has_open(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [PermissionError(13, "in use by another process")] * 3
    replace = os.replace

    def replace_later(source: Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(atomic_file.os, "replace", replace_later)
    assert fetch(server, tmp_path).read_bytes() == BYTES
    assert not refusals


def test_windows_names_the_lock_when_a_model_stays_open(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(13, "in use by another process")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(model_transfer, "replace_file", refuse)
    with pytest.raises(ModelError, match=r"cannot write .*; close OBS and whatever else uses it"):
        fetch(server, tmp_path)


def test_verify_names_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.touch()
    with pytest.raises(ModelError, match=r"is empty \(0 bytes\), expected .*delete it and run install.py"):
        model_files.verify(path, MODEL)


def test_verify_names_wrong_bytes(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(bytes(len(BYTES)))
    with pytest.raises(ModelError, match=r"is not the net\.pth that was published"):
        model_files.verify(path, MODEL)


def test_verified_path_hashes_a_file_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(BYTES)
    hashed: list[Path] = []
    verify = model_files.verify
    monkeypatch.setattr(model_files, "verify", lambda path, model: (hashed.append(path), verify(path, model)))
    for _ in range(2):
        assert model_files.verified_path(tmp_path, "net.pth") == path
    assert len(hashed) == 1
    model_files.verified_path(tmp_path, "net.pth", rehash=True)
    assert len(hashed) == 2
    path.write_bytes(bytes(len(BYTES)))
    with pytest.raises(ModelError):
        model_files.verified_path(tmp_path, "net.pth")


def test_verified_path_ignores_a_damaged_record(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(BYTES)
    for record in ("not json", "[1]", '{"net.pth": 3}'):
        (tmp_path / model_files.VERIFIED_FILE).write_text(record)
        assert model_files.verified_path(tmp_path, "net.pth").exists()


def test_verified_path_names_a_missing_model_and_an_unknown_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"net\.pth is missing; run install.py"):
        model_files.verified_path(tmp_path, "net.pth")
    with pytest.raises(ModelError, match=r"landmark\.onnx is no model file of this program"):
        model_files.verified_path(tmp_path, "landmark.onnx")


def test_take_from_folder_finds_a_nested_file_by_its_bytes_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "downloads" / "pretrained" / "deep"
    folder.mkdir(parents=True)
    (folder / "renamed.bin").write_bytes(BYTES)
    (folder / "decoy.bin").write_bytes(bytes(len(BYTES)))
    models_dir = tmp_path / "models"
    assert model_transfer.take_from_folder(MODEL, tmp_path / "downloads", models_dir)
    assert (models_dir / "net.pth").read_bytes() == BYTES
    assert not list(models_dir.glob("*.part"))


def test_take_from_folder_says_when_the_named_file_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "net.pth").touch()
    with pytest.raises(ModelError, match="is empty"):
        model_transfer.take_from_folder(MODEL, tmp_path, tmp_path / "models")


def test_take_from_folder_without_the_file_takes_nothing(tmp_path: Path) -> None:
    assert not model_transfer.take_from_folder(MODEL, tmp_path, tmp_path / "models")


def test_the_official_landmarker_is_recognised_under_its_other_name(tmp_path: Path) -> None:
    source = shared_file("models/face_landmarker_v2_with_blendshapes.task")
    shutil.copy(source, tmp_path)
    assert model_transfer.take_from_folder(FACE_LANDMARKER, tmp_path, tmp_path / "models")
    assert model_files.verified_path(tmp_path / "models", "face_landmarker.task", rehash=True)


def test_the_manifest_has_only_https_addresses_and_unique_names() -> None:
    assert len({model.name for model in MANIFEST}) == len(MANIFEST) == 11
    assert all(len(model.sha256) == 64 for model in MANIFEST)
    assert all(model.url.startswith("https://") for model in MANIFEST if model not in ANIME)


def test_model_files_imports_the_standard_library_only() -> None:
    code = (
        "import sys, animator_core.installation.model_transfer; "
        "sys.exit(', '.join({'numpy', 'cv2', 'torch', 'yaml', 'mediapipe'} & set(sys.modules)) or 0)"
    )
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)

"""The ledger beside a manifest: tells the fate of every clip, as lines of JSON.

Lines are only ever added, and are on the disk before the work goes on: after a crash it lacks the clips in flight.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from animator_core.atomic_file import UNFINISHED_SUFFIX, link_target
from animator_core.batch.manifest import BatchClip
from animator_core.errors import AnimatorError

SUFFIX = ".ledger.jsonl"
RUN, BEGUN, RETRIED, DONE, FAILED, SKIPPED = "run", "begun", "retried", "done", "failed", "skipped"
_LOCK_AT = 1 << 30
"""Windows keeps others from reading locked bytes: one that no ledger has."""


def ledger_path(manifest: Path) -> Path:
    """Return the ledger of a manifest."""
    return manifest.with_name(f"{manifest.stem}{SUFFIX}")


class Ledger:
    """An open ledger, of which no second process has hold; used as a context manager.

    Raises AnimatorError if it cannot be written, or another batch has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = open(path, "a+b")  # noqa: SIM115 - closed on leaving
        except OSError as exc:
            raise self._unwritable(exc) from exc
        try:
            self._lock()
            self._entries = list(self._read())
        except OSError as exc:
            self._file.close()
            if exc.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise AnimatorError(f"another batch writes {path}", "wait for its end, or stop it") from exc
            raise self._unwritable(exc) from exc

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def done(self) -> dict[str, Mapping[str, Any]]:
        """Return the entries of the clips that were done since the last run that began anew, by their keys."""
        found: dict[str, Mapping[str, Any]] = {}
        for entry in self._entries:
            if entry["event"] == RUN and not entry.get("resume"):
                found.clear()
            elif entry["event"] == DONE:
                found[str(entry.get("key"))] = entry
        return found

    def remove_leftovers(self, clips: list[BatchClip]) -> int:
        """Remove the unfinished files of clips that a killed run had in flight, and return their number."""
        outputs = {clip.key: clip.request.output for clip in clips}
        count = 0
        for entry in self._entries:
            name = str(entry.get("unfinished", ""))
            # By its name alone: whatever a ledger says, only unfinished files beside the clips' outputs are removed.
            if entry.get("key") in outputs and name == os.path.basename(name) and name.endswith(UNFINISHED_SUFFIX):
                with contextlib.suppress(OSError):
                    link_target(outputs[entry["key"]]).with_name(name).unlink()
                    count += 1
        return count

    def begin_run(self, is_resumed: bool) -> None:
        """Note that a run begins."""
        self._append({"event": RUN, "time": _now(), "resume": is_resumed})

    def add(self, event: str, clip: BatchClip, **facts: Any) -> None:
        """Note an event in a clip's life."""
        about = {"line": clip.line, "output": clip.name, "key": clip.key}
        self._append({"event": event, "time": _now(), **about, **facts})

    def _append(self, entry: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise self._unwritable(exc) from exc

    def _read(self) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        line = b"\n"
        for line in self._file:
            # A line that was being written when the machine went down says nothing.
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and "event" in entry:
                    yield entry
        if not line.endswith(b"\n"):
            self._file.write(b"\n")

    def _lock(self) -> None:
        if sys.platform == "win32":
            import msvcrt

            self._file.seek(_LOCK_AT)
            msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unwritable(self, exc: OSError) -> AnimatorError:
        return AnimatorError(
            f"cannot write the ledger {self.path}: {exc.strerror}", "put the manifest into a folder you can write to"
        )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

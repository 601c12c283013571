"""What Windows answers, for tests on any system."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from unittest import mock

_MOST_TRIES = 5


@contextlib.contextmanager
def folder_refusing_files() -> Iterator[mock.Mock]:
    """Refuse every new file as Windows does; yield the double of ``os.open``.

    One who asks again and again gets an AssertionError. To be left before paths are made anew: they ask for the system.
    """
    refused = mock.Mock()
    refused.side_effect = lambda path, *more, **options: _refuse(path, refused.call_count)
    with mock.patch.object(os, "open", refused), mock.patch.object(os, "name", "nt"):
        yield refused


def _refuse(path: object, tries: int) -> int:
    assert tries < _MOST_TRIES, "the same folder is tried for ever"
    raise PermissionError(errno.EACCES, "Permission denied", str(path))

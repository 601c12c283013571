"""The characters that other computers sent to this host: checked, named by their content, the oldest removed."""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path

import yaml
from PIL import Image

from animator_core.atomic_file import written_atomically
from animator_core.remote.wire import MAX_PICTURE_BYTES, SUFFIXES, Picture, WireError

MAX_SIDE = 4096
MIN_SIDE = 64
_MOST_PICTURES = 256
_MOST_BYTES = 1 << 30
_FORMATS = ("PNG", "JPEG", "WEBP")
_NAME = re.compile(rf"^[0-9a-f]{{64}}({'|'.join(re.escape(suffix) for suffix in SUFFIXES)})\Z")


def content_hash(content: bytes, description: str) -> str:
    """Return `Picture.sha256` of a picture file's bytes and its description."""
    return hashlib.sha256(content + description.encode()).hexdigest()


class PictureStore:
    """A folder of characters by their hash, which a worker uses as its library."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def file_name(self, picture: Picture) -> str:
        """Return the file name of a picture, there or not."""
        return f"{picture.sha256}{picture.suffix}"

    def has(self, picture: Picture) -> bool:
        """Return whether the picture is there; then it counts as just used."""
        path = self.folder / self.file_name(picture)
        try:
            os.utime(path)
        except OSError:
            return False
        return True

    def add(self, picture: Picture, content: bytes) -> None:
        """Keep a picture; raises WireError unless it is the announced one and keeps the limits, or OSError."""
        if len(content) > MAX_PICTURE_BYTES or content_hash(content, picture.description) != picture.sha256:
            raise WireError("the picture is not the one that was announced")
        check_picture(content)
        check_description(picture.description)
        path = self.folder / self.file_name(picture)
        if picture.description:
            with written_atomically(path.with_suffix(".yaml")) as unfinished:
                unfinished.write_text(picture.description, encoding="utf-8")
        with written_atomically(path) as unfinished:
            unfinished.write_bytes(content)
        self._remove_oldest(path)

    def _remove_oldest(self, newest: Path) -> None:
        """Keep within the limits of the folder; a worker that has loaded a picture needs its file no more."""
        files = [path for path in self.folder.iterdir() if _NAME.match(path.name) and path != newest]
        files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        kept = newest.stat().st_size
        for index, path in enumerate(files):
            kept += path.stat().st_size
            if index + 1 >= _MOST_PICTURES or kept > _MOST_BYTES:
                path.unlink(missing_ok=True)
                path.with_suffix(".yaml").unlink(missing_ok=True)


def check_picture(content: bytes) -> None:
    """Raise WireError unless this is a picture of a known kind and size; only its header is read."""
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            sides = image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise WireError(f"the picture is no PNG, JPEG or WebP ({exc})") from exc
    if not MIN_SIDE <= min(sides) <= max(sides) <= MAX_SIDE:
        raise WireError(f"the picture has {sides[0]}x{sides[1]} pixels, expected sides of {MIN_SIDE} to {MAX_SIDE}")


def check_description(text: str) -> None:
    """Raise WireError for a description with aliases, by which a short text can stand for an endless one."""
    try:
        has_alias = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise WireError(f"the description is no YAML ({exc})") from exc
    if has_alias:
        raise WireError("the description has an alias")

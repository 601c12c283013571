"""A character's picture on the computer with OBS, as it is sent to a host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from animator_core.characters.description import description_path
from animator_core.errors import AnimatorError, described
from animator_core.remote import wire
from animator_core.remote.pictures import MAX_SIDE, MIN_SIDE, check_description, check_picture, content_hash


@dataclass(frozen=True)
class PictureFile:
    """A character's picture as it is sent: announced, and its bytes."""

    picture: wire.Picture
    content: bytes

    @classmethod
    def read(cls, path: Path) -> PictureFile:
        """Return a picture and the description beside it; raises AnimatorError if a host would not take it."""
        file = description_path(path)
        try:
            description = file.read_text(encoding="utf-8-sig") if file.is_file() else ""
            content = path.read_bytes()
        except (OSError, UnicodeDecodeError) as exc:
            raise AnimatorError(f"{path.name} cannot be read ({described(exc)})", "check the file") from exc
        try:
            check_picture(content)
            check_description(description)
        except wire.WireError as exc:
            remedy = f"save it as PNG, JPEG or WebP with sides of {MIN_SIDE} to {MAX_SIDE} pixels"
            raise AnimatorError(f"{path.name} cannot be sent: {exc}", remedy) from exc
        lower = path.suffix.lower()
        if lower not in wire.SUFFIXES or len(content) > wire.MAX_PICTURE_BYTES:
            limit = wire.MAX_PICTURE_BYTES >> 20
            raise AnimatorError("the picture cannot be sent", f"save it as PNG, JPEG or WebP of at most {limit} MB")
        if len(description) > wire.MAX_DESCRIPTION_BYTES:
            raise AnimatorError("the picture's description is too long to be sent", "shorten the yaml file")
        return cls(wire.Picture(content_hash(content, description), lower, description), content)

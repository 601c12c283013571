"""The parts of PNG, JPEG and WebP files: which way up the picture is, and a copy of it that libobs decodes as it lies.

Whether libobs's decoder follows EXIF, and whether it can read an animated picture, depends on its version and on the
kind of file. From the copy, which has neither, every version gives the same pixels: the first picture, not turned.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import struct
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Iterator

from animator_core.ipc.character_names import system_path

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
_EXIF_TAG_ORIENTATION, _SHORT = 0x0112, 3
_LARGEST_EXIF = 1 << 20
_BLOCK = 1 << 20
_WEBP_FRAME_HEADER = 16
_WEBP_HAS_ALPHA = 0x10


@dataclass(frozen=True)
class PictureParts:
    """How a file's picture lies, and what a plain copy of it is made of.

    orientation: EXIF's, 1 (upright) to 8. canvas: where the copy's picture is in the whole one: x, y, and the whole
    one's width and height; None where it is all of it. around: the bytes of a pixel beside it there. head: what the
    copy begins with. kept: pairs of offsets in the file, from and to: what follows.
    """

    orientation: int = 1
    is_animated: bool = False
    canvas: tuple[int, int, int, int] | None = None
    around: bytes = bytes(4)
    head: bytes = b""
    kept: tuple[tuple[int, int], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the file itself is as good as its copy."""
        return self.orientation == 1 and not self.is_animated


def read_parts(path: str) -> PictureParts:
    """Return the parts of a picture file; one that is damaged or of another kind is plain. Raises OSError."""
    with open(system_path(path), "rb") as file:
        head = file.read(16)
        try:
            if head.startswith(_PNG):
                return _png_parts(file)
            if head.startswith(_JPEG):
                return _jpeg_parts(file)
            if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
                return _webp_parts(file)
        except (struct.error, IndexError):
            return PictureParts()
    return PictureParts()


def write_copy(path: str, parts: PictureParts, target: BinaryIO) -> None:
    """Write the plain copy of a picture file; raises OSError."""
    with open(system_path(path), "rb") as file:
        target.write(parts.head)
        for start, end in parts.kept:
            file.seek(start)
            while start < end:
                block = file.read(min(_BLOCK, end - start))
                if not block:
                    break
                target.write(block)
                start += len(block)


def seen(pixels: memoryview, width: int, pixel_bytes: int, parts: PictureParts) -> tuple[bytes, int, int]:
    """Return the decoded pixels of a copy as the whole picture is to be seen, with its width and height.

    pixels: rows of ``width`` pixels of 1, 2, 4 or 8 bytes, from top to bottom, nothing between them.
    """
    if parts.canvas is not None:
        pixels, width = _on_canvas(pixels, width, parts), parts.canvas[2]
    return turned(pixels, width, pixel_bytes, parts.orientation)


def _on_canvas(pixels: memoryview, width: int, parts: PictureParts) -> memoryview:
    assert parts.canvas is not None
    x, y, whole_width, whole_height = parts.canvas
    content = bytearray(parts.around * (whole_width * whole_height))
    line, whole = pixels.cast("B").cast("I"), memoryview(content).cast("I")
    for row in range(min(len(line) // width, whole_height - y)):
        at = (y + row) * whole_width + x
        used = min(width, whole_width - x)
        whole[at : at + used] = line[row * width : row * width + used]
    return memoryview(content)


def turned(pixels: memoryview, width: int, pixel_bytes: int, orientation: int) -> tuple[bytes, int, int]:
    """Return pixels as EXIF says they are to be seen, with their new width and height; see `seen`."""
    item: Any = {1: "B", 2: "H", 4: "I", 8: "Q"}[pixel_bytes]
    line = pixels.cast("B").cast(item)
    height = len(line) // width
    rows = [line[start : start + width] for start in range(0, width * height, width)]
    if orientation >= 5:
        rows = [line[column::width] for column in range(width)]
        width, height = height, width
    if orientation in (3, 4, 7, 8):
        rows.reverse()
    step = -1 if orientation in (2, 3, 6, 7) else 1
    return b"".join(row[::step].tobytes() for row in rows), width, height


def _png_parts(file: BinaryIO) -> PictureParts:
    parts, kept, start = PictureParts(), [(0, len(_PNG))], len(_PNG)
    for kind, body, end in _png_chunks(file):
        if kind == b"eXIf":
            parts = replace(parts, orientation=_orientation(_content(file, body, end - 4)))
        elif kind in _PNG_ANIMATION:
            parts = replace(parts, is_animated=True)
        else:
            kept.append((start, end))
        start = end
    return replace(parts, kept=tuple(kept))


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's kind, where its content begins, and where the chunk ends."""
    start = len(_PNG)
    while True:
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        (length,) = struct.unpack(">I", head[:4])
        yield head[4:], start + 8, start + 12 + length
        start += 12 + length


def _jpeg_parts(file: BinaryIO) -> PictureParts:
    orientation, kept, start = 1, [(0, 2)], 2
    while True:
        file.seek(start)
        head = file.read(10)
        if len(head) < 4 or head[0] != 0xFF:
            return PictureParts()
        if head[1] == 0xFF:
            start += 1
            continue
        end = start + 2 + struct.unpack(">H", head[2:4])[0]
        if head[1] == 0xDA:  # the pixels: nothing of ours comes after them
            break
        if head[1] == 0xE1 and head[4:10] == b"Exif\0\0":
            orientation = _orientation(_content(file, start + 10, end))
        else:
            kept.append((start, end))
        start = end
    kept.append((start, file.seek(0, 2)))
    return PictureParts(orientation, kept=tuple(kept))


def _webp_parts(file: BinaryIO) -> PictureParts:
    orientation, kept, alpha, canvas, first = 1, [], 0, b"", b""
    for kind, body, end in _riff_chunks(file, 12, file.seek(0, 2)):
        if kind == b"EXIF":
            orientation = _orientation(_content(file, body, end))
        elif kind == b"VP8X":
            head = _content(file, body, body + 10)
            alpha, canvas = head[0] & _WEBP_HAS_ALPHA, head[4:10]
        elif kind == b"ANMF" and not first:
            first = _content(file, body, body + _WEBP_FRAME_HEADER)
            inside = _riff_chunks(file, body + _WEBP_FRAME_HEADER, end)
            kept = [(start - 8, stop) for name, start, stop in inside if name in (b"ALPH", b"VP8 ", b"VP8L")]
        elif kind in (b"ALPH", b"VP8 ", b"VP8L") and not first:
            kept.append((body - 8, end))
    size = first[6:12] or canvas
    extended = b"VP8X" + struct.pack("<II", 10, alpha) + size if size else b""
    length = 4 + len(extended) + sum(end - start for start, end in kept)
    head = b"RIFF" + struct.pack("<I", length) + b"WEBP" + extended
    place, around = None, bytes(4)
    if first and first[:12] != bytes(6) + canvas:
        # Encoders leave out transparent edges.
        around = bytes(4) if alpha else b"\0\0\0\xff"
        place = (2 * _number(first, 0), 2 * _number(first, 3), _number(canvas, 0) + 1, _number(canvas, 3) + 1)
    return PictureParts(orientation, bool(first), place, around, head, tuple(kept))


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _riff_chunks(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= stop:
        file.seek(start)
        kind, length = struct.unpack("<4sI", file.read(8))
        end = start + 8 + length + length % 2
        yield kind, start + 8, min(end, stop)
        start = end


def _content(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(min(end - start, _LARGEST_EXIF))


def _orientation(exif: bytes) -> int:
    """Return the orientation in an EXIF block, 1 where it says none."""
    exif = exif[6:] if exif.startswith(b"Exif\0\0") else exif
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    (start,) = struct.unpack(order + "I", exif[4:8])
    (count,) = struct.unpack(order + "H", exif[start : start + 2])
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack(order + "HHIH", exif[at : at + 10])
        if tag == _EXIF_TAG_ORIENTATION and kind == _SHORT and 1 <= value <= 8:
            return int(value)
    return 1

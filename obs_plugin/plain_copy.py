"""Plain copies of PNG, JPEG and WebP files: the first frame, without EXIF and animation.

libobs's decoder follows EXIF and reads animated pictures in some versions and for some kinds of file only. Every
version decodes a plain copy to the same pixels, which are turned upright afterwards.
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
class PlainCopy:
    """How to copy a picture file, and how the copy's pixels become the picture.

    orientation: EXIF's, 1 (upright) to 8. canvas: x and y of the frame on the canvas, and the canvas's width and
    height; None if the frame fills it. background: a pixel of the canvas beside the frame. head: the copy's first
    bytes. kept: (start, end) of each range of the file that follows.
    """

    orientation: int = 1
    is_animated: bool = False
    canvas: tuple[int, int, int, int] | None = None
    background: bytes = bytes(4)
    head: bytes = b""
    kept: tuple[tuple[int, int], ...] = ()

    @property
    def is_needed(self) -> bool:
        """Whether libobs might decode the file itself to other pixels."""
        return self.orientation != 1 or self.is_animated

    def write(self, path: str, target: BinaryIO) -> None:
        """Write the copy of the picture file at ``path``; raises OSError."""
        with open(system_path(path), "rb") as file:
            target.write(self.head)
            for start, end in self.kept:
                file.seek(start)
                while start < end:
                    block = file.read(min(_BLOCK, end - start))
                    if not block:
                        break
                    target.write(block)
                    start += len(block)

    def upright(self, pixels: memoryview, width: int, pixel_bytes: int) -> tuple[bytes, int, int]:
        """Return the decoded copy on its canvas and upright, with width and height.

        pixels: rows of ``width`` pixels of 1, 2, 4 or 8 bytes, from top to bottom, without padding.
        """
        if self.canvas is not None:
            pixels, width = self._on_canvas(pixels, width, self.canvas), self.canvas[2]
        return turn(pixels, width, pixel_bytes, orientation=self.orientation)

    def _on_canvas(self, pixels: memoryview, width: int, canvas: tuple[int, int, int, int]) -> memoryview:
        x, y, canvas_width, canvas_height = canvas
        content = bytearray(self.background * (canvas_width * canvas_height))
        frame, whole = pixels.cast("B").cast("I"), memoryview(content).cast("I")
        used = min(width, canvas_width - x)
        for row in range(min(len(frame) // width, canvas_height - y)):
            at = (y + row) * canvas_width + x
            whole[at : at + used] = frame[row * width : row * width + used]
        return memoryview(content)


def read_plain_copy(path: str) -> PlainCopy:
    """Return how to copy a picture file; not at all if it is damaged or of another kind. Raises OSError."""
    with open(system_path(path), "rb") as file:
        head = file.read(16)
        try:
            if head.startswith(_PNG):
                return _read_png(file)
            if head.startswith(_JPEG):
                return _read_jpeg(file)
            if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
                return _read_webp(file)
        except (struct.error, IndexError):
            return PlainCopy()
    return PlainCopy()


def turn(pixels: memoryview, width: int, pixel_bytes: int, *, orientation: int) -> tuple[bytes, int, int]:
    """Return pixels of an EXIF orientation turned upright, with their new width and height; see `PlainCopy.upright`."""
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


def _read_png(file: BinaryIO) -> PlainCopy:
    copy, kept, start = PlainCopy(), [(0, len(_PNG))], len(_PNG)
    for kind, body, end in _png_chunks(file):
        if kind == b"eXIf":
            copy = replace(copy, orientation=_orientation(_content(file, body, end - 4)))
        elif kind in _PNG_ANIMATION:
            copy = replace(copy, is_animated=True)
        else:
            kept.append((start, end))
        start = end
    return replace(copy, kept=tuple(kept))


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk, the offset of its content, and the offset of its end."""
    start = len(_PNG)
    while True:
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        (length,) = struct.unpack(">I", head[:4])
        yield head[4:], start + 8, start + 12 + length
        start += 12 + length


def _read_jpeg(file: BinaryIO) -> PlainCopy:
    orientation, kept, start = 1, [(0, 2)], 2
    while True:
        file.seek(start)
        head = file.read(10)
        if len(head) < 4 or head[0] != 0xFF:
            return PlainCopy()
        if head[1] == 0xFF:
            start += 1
            continue
        end = start + 2 + struct.unpack(">H", head[2:4])[0]
        if head[1] == 0xDA:  # start of scan: the pixels, with no EXIF after them
            break
        if head[1] == 0xE1 and head[4:10] == b"Exif\0\0":
            orientation = _orientation(_content(file, start + 10, end))
        else:
            kept.append((start, end))
        start = end
    kept.append((start, file.seek(0, 2)))
    return PlainCopy(orientation, kept=tuple(kept))


def _read_webp(file: BinaryIO) -> PlainCopy:
    orientation, kept, alpha, canvas_size, frame = 1, [], 0, b"", b""
    for kind, body, end in _riff_chunks(file, 12, file.seek(0, 2)):
        if kind == b"EXIF":
            orientation = _orientation(_content(file, body, end))
        elif kind == b"VP8X":
            head = _content(file, body, body + 10)
            alpha, canvas_size = head[0] & _WEBP_HAS_ALPHA, head[4:10]
        elif kind == b"ANMF" and not frame:
            frame = _content(file, body, body + _WEBP_FRAME_HEADER)
            inside = _riff_chunks(file, body + _WEBP_FRAME_HEADER, end)
            kept = [(start - 8, stop) for name, start, stop in inside if name in (b"ALPH", b"VP8 ", b"VP8L")]
        elif kind in (b"ALPH", b"VP8 ", b"VP8L") and not frame:
            kept.append((body - 8, end))
    size = frame[6:12] or canvas_size
    extended = b"VP8X" + struct.pack("<II", 10, alpha) + size if size else b""
    length = 4 + len(extended) + sum(end - start for start, end in kept)
    head = b"RIFF" + struct.pack("<I", length) + b"WEBP" + extended
    canvas, background = None, bytes(4)
    if frame and frame[:12] != bytes(6) + canvas_size:
        # Encoders leave out transparent edges.
        background = bytes(4) if alpha else b"\0\0\0\xff"
        x, y = 2 * _number(frame, 0), 2 * _number(frame, 3)
        canvas = (x, y, _number(canvas_size, 0) + 1, _number(canvas_size, 3) + 1)
    return PlainCopy(
        orientation, is_animated=bool(frame), canvas=canvas, background=background, head=head, kept=tuple(kept)
    )


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def _riff_chunks(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the same as `_png_chunks`, between two offsets."""
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
    """Return the orientation in an EXIF block, 1 if it has none."""
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

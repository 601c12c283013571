"""A page of thumbnails of the character library, for the browser: one HTML file and its pictures, without a network."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from animator_core.atomic_file import written_atomically
from animator_core.characters.picture import fit_within, load_picture
from animator_core.errors import CharacterError
from animator_core.ipc.protocol import CharacterEntry

_SIDE = 320
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Characters</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<style>
body {{ font-family: sans-serif; background: #1e1f24; color: #e6e6e6; margin: 2em; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 1.2em; }}
figure {{ margin: 0; padding: 0.8em; background: #2a2c33; border-radius: 8px; text-align: center; }}
img {{ max-width: 100%; height: 200px; object-fit: contain; }}
figcaption {{ margin-top: 0.6em; }}
small {{ color: #a9abb3; overflow-wrap: anywhere; }}
.fault {{ color: #ffb36b; }}
</style></head><body><h1>{title}</h1><main>
{figures}
</main></body></html>
"""


def write_page(
    entries: Sequence[CharacterEntry], folder: Path, *, expressions: dict[str, dict[str, str]] | None = None
) -> Path:
    """Write ``index.html`` and the thumbnails into a folder and return its path; unchanged pictures are kept.

    expressions: see `CharacterLibrary.expressions`. Raises CharacterError if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figures = [_figure(entry, folder, (expressions or {}).get(entry.file, {})) for entry in entries]
        used = {name for _, name in figures}
        for path in folder.glob("*.png"):
            if path.name not in used:
                path.unlink()
        page = folder / "index.html"
        content = _PAGE.format(title=f"{len(entries)} characters", figures="\n".join(text for text, _ in figures))
        with written_atomically(page) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
    except OSError as exc:
        raise CharacterError(f"cannot write into {folder}: {exc.strerror or exc}", "make it writable") from exc
    return page


def _figure(entry: CharacterEntry, folder: Path, expressions: dict[str, str]) -> tuple[str, str]:
    """Return the HTML of a character, and the name of its thumbnail, "" without one."""
    fault, name = "", ""
    try:
        name = _thumbnail(Path(entry.path), folder)
    except CharacterError as exc:
        fault = str(exc)
    picture = f'<img src="{name}" alt="">' if name else ""
    lines = [f"<small>{html.escape(entry.file)}</small>"]
    lines += [f"<small>{html.escape(', '.join(expressions))}</small>"] if expressions else []
    lines += [f'<small class="fault">{html.escape(fault)}</small>'] if fault else []
    caption = f"<b>{html.escape(entry.display_name)}</b><br>{'<br>'.join(lines)}"
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>", name


def _thumbnail(path: Path, folder: Path) -> str:
    """Return the name of a picture's thumbnail, made unless it is there."""
    try:
        status = path.stat()
    except OSError as exc:
        raise CharacterError(f"{path.name} cannot be read: {exc.strerror}", "make it readable") from exc
    key = f"{path}|{status.st_mtime_ns}|{status.st_size}|{_SIDE}"
    name = f"{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.png"
    target = folder / name
    if not target.exists():
        small = fit_within(load_picture(path), (_SIDE, _SIDE))
        with written_atomically(target) as unfinished:
            Image.fromarray(np.ascontiguousarray(small)).save(unfinished, format="PNG")
    return name

"""Output on the terminal that several commands share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from animator_core.characters.character import Character
    from animator_core.rendering.contract import Renderer


def tell_note(renderer: Renderer) -> None:
    """Print the renderer's note, such as the reason for a fallback, to standard error."""
    if renderer.note:
        print(f"note: {renderer.note}", file=sys.stderr, flush=True)


def tell_warnings(character: Character) -> None:
    """Print what will look wrong of a character, to standard error."""
    for warning in character.warnings:
        print(f"warning: {character.name}: {warning}", file=sys.stderr, flush=True)


def settled(renderer: Renderer, character: Character) -> Renderer:
    """Return the renderer that draws the character that is set, see `Renderer.settled`; shows the progress."""
    with tqdm(total=100, unit="%", desc=f"motion basis of {character.name}", delay=0.5, leave=False) as bar:

        def report(progress: float) -> None:
            bar.update(round(progress * 100) - bar.n)

        return renderer.settled(report)


def progress_interval() -> float:
    """Return a progress bar's interval in seconds: longer in a log file, in which each update is a line."""
    return 0.1 if sys.stderr.isatty() else 5.0

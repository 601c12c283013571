"""A clip of a person, made of the sample photograph, so that a clone alone can be driven by a face."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from animator_core.characters.picture import load_picture
from animator_core.clips.video import VideoWriter, choose_encoding
from animator_core.config import PROJECT_ROOT

PERSON = PROJECT_ROOT / "assets" / "characters" / "astronaut.png"


def write_person(path: Path, frames: int, step: int = 40, fps: int = 25) -> Path:
    """Write a clip in which the person goes to the right by ``step`` pixels a frame, and back in the second half."""
    rgba = load_picture(PERSON)
    height, width = (side // 2 * 2 for side in rgba.shape[:2])
    person = np.where(rgba[..., 3:] > 128, rgba[..., :3], 120)[:height, :width]
    with VideoWriter(path, choose_encoding(path, False), Fraction(fps), time_base=Fraction(1, fps)) as writer:
        for number in range(frames):
            place = step * (number if number <= frames // 2 else frames - number)
            writer.write(np.ascontiguousarray(np.roll(person, place, axis=1)), Fraction(number, fps))
    return path

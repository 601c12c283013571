"""Draws the label "animated" of each language: ``python tests/obs/label_pictures.py``, after adding a word here."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FOLDER = Path(__file__).resolve().parents[2] / "obs_plugin" / "locale"
WORDS = {"en-US": "animated", "de-DE": "animiert"}
HEIGHT = 98
"""Pixels; a frame of 2160 rows shows the label one to one."""
_OVERSAMPLING = 4


def draw(word: str) -> Image.Image:
    """Return a label: white on dark, readable on every picture."""
    height = HEIGHT * _OVERSAMPLING
    font = ImageFont.truetype("DejaVuSans-Bold.ttf", round(0.52 * height))
    left, _, right, _ = font.getbbox(word)
    width = round((right - left + 0.9 * height) / _OVERSAMPLING) * _OVERSAMPLING
    label = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(label)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), radius=height / 2, fill=(16, 16, 20, 235))
    pen.text((width / 2, 0.69 * height), word, font=font, fill=(255, 255, 255, 255), anchor="ms")
    return label.resize((width // _OVERSAMPLING, HEIGHT), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    for language, word in WORDS.items():
        draw(word).save(FOLDER / f"{language}.label.png", optimize=True)

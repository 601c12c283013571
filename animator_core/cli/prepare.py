"""``prepare``: look at characters before the stream, and do then what would take time in it."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from animator_core import assembly
from animator_core.characters.character import Character
from animator_core.cli import parts
from animator_core.config import load_config
from animator_core.errors import AnimatorError, CharacterError
from animator_core.motion.driving import DrivingMotion
from animator_core.protocol import RENDERERS
from animator_core.render.contract import Renderer

SMALL_FACE_PIXELS = 120
_WARM_UP_FRAMES = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="pictures (default: the whole library)")
    parser.add_argument("--renderer", choices=RENDERERS, help="what will animate them")
    parts.add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Prepare each character and print a line each; 1 where any failed."""
    config = load_config(options.config)
    library = assembly.make_library(config)
    names = options.files or [entry.file for entry in library.list()]
    if not names:
        raise CharacterError(f"there is no picture in {library.directory}; put a PNG, JPEG or WebP of a face there")
    failures = 0
    with assembly.made_renderer(options.renderer, config) as renderer:
        parts.tell_note(renderer)
        for name in names:
            try:
                character = assembly.load_character(name, config)
                _warm_up(renderer, character)
            except AnimatorError as exc:
                failures += 1
                print(f"FAILED   {name}: {exc}", file=sys.stderr, flush=True)
                continue
            print(f"prepared {_describe(character)}", flush=True)
            for warning in warnings_for(character):
                print(f"         note: {warning}", flush=True)
    if failures:
        print(f"{failures} of {len(names)} characters cannot be used", file=sys.stderr)
    return 1 if failures else 0


def _warm_up(renderer: Renderer, character: Character) -> None:
    """Have everything computed and compiled that the first frames would wait for."""
    renderer.prepare(character)
    renderer.set_character(character)
    for _ in range(_WARM_UP_FRAMES):
        renderer.render(DrivingMotion())


def _describe(character: Character) -> str:
    height, width = character.picture.shape[:2]
    alpha = "transparent background" if character.has_alpha else "opaque"
    return f"{character.name} ({character.display_name}): {width}x{height}, {alpha}, face {_face_height(character)} px"


def _face_height(character: Character) -> int:
    return round(float(np.ptp(character.landmarks[:, 1])))


def warnings_for(character: Character) -> list[str]:
    """Return what could be better about a character that can be used, each with the remedy."""
    warnings = []
    height, width = character.picture.shape[:2]
    face = _face_height(character)
    if face < SMALL_FACE_PIXELS:
        warnings.append(
            f"the face is only {face} px tall and will look soft; "
            f"use a picture in which it is {SMALL_FACE_PIXELS} or more"
        )
    low, high = character.landmarks[:, :2].min(axis=0), character.landmarks[:, :2].max(axis=0)
    if (low < 0).any() or high[0] > width or high[1] > height:
        warnings.append("the face reaches over the picture's edge; use a picture that shows the whole head")
    elif min(low[1], low[0], width - high[0]) < face * 0.1:
        warnings.append("there is little room around the face; a picture with hair and shoulders moves better")
    return warnings

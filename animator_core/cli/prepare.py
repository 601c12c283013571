"""``prepare``: checks characters and fills the caches before the stream."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from animator_core import assembly
from animator_core.characters.character import Character
from animator_core.characters.face_quality import face_height
from animator_core.cli import arguments, terminal
from animator_core.cli.anime_fit import AnimeCheck
from animator_core.cli.picker.asking import pick_face, pick_head
from animator_core.config import Config, load_config
from animator_core.errors import AnimatorError, CharacterError
from animator_core.ipc.character_names import list_other_pictures
from animator_core.ipc.protocol import RENDERERS
from animator_core.rendering.contract import Renderer

_WARM_UP_FRAMES = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="pictures (default: the whole library)")
    parser.add_argument("--renderer", choices=RENDERERS, help="the renderer (default: ai_model.type in the settings)")
    parser.add_argument(
        "--pick",
        metavar="FILE",
        help="mark the face of this picture in a window, for drawings that no detector recognises, with --renderer "
        "anime the head, and see how it moves; writes the yaml file beside it",
    )
    parser.add_argument(
        "--without-basis",
        action="store_true",
        help="leave the motion bases of anime characters, which take minutes, to the first stream",
    )
    arguments.add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Prepare each character and print a line for it; return 1 if any failed."""
    config = load_config(options.config)
    library = assembly.make_library(config)
    names = list(options.files)
    if options.pick is not None:
        path = assembly.picture_path(options.pick, library)
        pick = pick_head if (options.renderer or config.ai_model.type) == "anime" else pick_face
        if not pick(path, config):
            print("nothing was changed", flush=True)
            return 1
        names = [str(path), *names]
    if not names:
        names = [entry.file for entry in library.list()]
        _tell_other_pictures(library.directory)
    if not names:
        raise CharacterError(f"there is no picture in {library.directory}", "put a PNG, JPEG or WebP of a face there")
    return prepare_all(names, config, options.renderer, without_basis=options.without_basis)


def prepare_all(
    names: Sequence[str], config: Config, renderer_name: str | None = None, *, without_basis: bool = False
) -> int:
    """Prepare characters, by name or picture file, and print a line for each; return 1 if any failed."""
    failures, anime = 0, AnimeCheck(config, renderer_name)
    with assembly.made_renderer(renderer_name, config) as renderer:
        terminal.tell_note(renderer)
        for name in names:
            character = None
            try:
                character = assembly.load_character(name, config)
                _warm_up(renderer, character)
                if not without_basis:
                    terminal.settled(renderer, character)
                print(f"prepared {_describe(character)}", flush=True)
                for warning in character.warnings:
                    print(f"         warning: {warning}", flush=True)
            except AnimatorError as exc:
                failures += 1
                print(f"FAILED   {name}: {exc}", file=sys.stderr, flush=True)
            if character is not None and not without_basis:
                anime.tell(character)
    if failures:
        print(f"{failures} of {len(names)} characters cannot be used", file=sys.stderr)
    return 1 if failures else 0


def _tell_other_pictures(folder: Path) -> None:
    others = list_other_pictures(folder)
    if others:
        text = f"{', '.join(others)} in {folder} cannot be used; save as PNG, JPEG or WebP"
        print(f"note: {text}", file=sys.stderr, flush=True)


def _warm_up(renderer: Renderer, character: Character) -> None:
    """Do the computation and compilation that the first frames would wait for."""
    renderer.prepare(character)
    renderer.set_character(character)
    for _ in range(_WARM_UP_FRAMES):
        renderer.warm_up()


def _describe(character: Character) -> str:
    height, width = character.picture.shape[:2]
    alpha = "transparent background" if character.has_alpha else "opaque"
    face = "no face seen" if character.landmarks is None else f"face {face_height(character.landmarks)} px"
    return f"{character.name} ({character.display_name}): {width}x{height}, {alpha}, {face}"

"""``cutout``: removes the background of a picture and keeps the result as a file beside it."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from animator_core import assembly
from animator_core.characters.adding import write_cutout
from animator_core.characters.picture import MAX_SIDE
from animator_core.cli import arguments
from animator_core.config import load_config
from animator_core.cutout import cut_out

_WHOLE = (MAX_SIDE, MAX_SIDE)
"""The picture is not reduced as it is for animation."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("picture", metavar="PICTURE", help="a picture file, or a name from the library")
    parser.add_argument(
        "--output", type=Path, metavar="OUT.png", help="the new file (default: PICTURE-cutout.png beside it)"
    )
    arguments.add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Write the cut-out."""
    config = load_config(options.config)
    whole = dataclasses.replace(config, character=dataclasses.replace(config.character, target_size=_WHOLE))
    library = assembly.make_library(whole)
    path = assembly.picture_path(options.picture, library)
    written = write_cutout(path, cut_out(library.load_file(path)), options.output)
    print(f"wrote {written}")
    return 0

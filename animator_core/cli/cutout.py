"""``cutout``: removes the background of a picture and keeps the result as a file beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from animator_core import assembly
from animator_core.characters.adding import write_cutout
from animator_core.cli import arguments
from animator_core.config import load_config
from animator_core.cutout import cut_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("picture", metavar="PICTURE", help="a picture file, or a name from the library")
    parser.add_argument(
        "--output", type=Path, metavar="OUT.png", help="the new file (default: PICTURE-cutout.png beside it)"
    )
    arguments.add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Write the cut-out."""
    library = assembly.make_library(load_config(options.config))
    path = assembly.picture_path(options.picture, library)
    written = write_cutout(path, cut_out(library.load_whole(path)), options.output)
    print(f"wrote {written}")
    return 0

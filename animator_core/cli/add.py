"""``add``: copies a picture into the character library, checks its face and prepares it."""

from __future__ import annotations

import argparse
from pathlib import Path

from animator_core import assembly
from animator_core.characters.adding import add_picture
from animator_core.cli import arguments, prepare
from animator_core.config import load_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a PNG, JPEG or WebP picture with one face")
    parser.add_argument("--name", default="", metavar="NAME", help="the character's name (default: the file's)")
    parser.add_argument("--without-preparing", action="store_true", help="copy only")
    arguments.add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Add the picture; the exit status is 1 if it cannot be animated."""
    config = load_config(options.config)
    library = assembly.make_library(config)
    name = add_picture(options.picture, library.directory, options.name)
    print(f"added {library.path(name)}", flush=True)
    return 0 if options.without_preparing else prepare.prepare_all([name], config)

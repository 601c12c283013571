"""``characters``: lists the library, in the terminal or as a page of thumbnails."""

from __future__ import annotations

import argparse
import webbrowser

from animator_core import assembly
from animator_core.characters.thumbnails import write_page
from animator_core.cli import arguments
from animator_core.config import load_config
from animator_core.errors import CharacterError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--sheet", action="store_true", help="write a page of thumbnails into the cache and open it")
    parser.add_argument("--no-open", action="store_true", help="with --sheet: only write the page and print its path")
    arguments.add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """List the characters."""
    config = load_config(options.config)
    library = assembly.make_library(config)
    entries, expressions = library.list(), library.expressions()
    if not entries:
        raise CharacterError(f"there is no picture in {library.directory}", "add one with `add PICTURE`")
    if options.sheet:
        page = write_page(entries, config.performance.cache_dir / "thumbnails", expressions=expressions)
        print(page, flush=True)
        if not options.no_open:
            webbrowser.open(page.as_uri())
        return 0
    for entry in entries:
        faces = f" ({', '.join(expressions[entry.file])})" if entry.file in expressions else ""
        print(f"{entry.file}: {entry.display_name}{faces}")
    return 0

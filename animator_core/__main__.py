"""``python -m animator_core``: dispatches the commands and reports their errors."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence

import animator_core
from animator_core.errors import AnimatorError, load_remedy
from animator_core.installation.console import print_in_any_encoding
from animator_core.ipc.frame_ring import RingError

COMMANDS = {
    "animate": "write a video of a character driven by a video or a recorded motion",
    "batch": "animate many clips that a manifest lists",
    "run": "animate a character live without OBS, in a window or as a virtual camera",
    "host": "animate for OBS on other computers",
    "pair": "have a host on another computer animate for OBS on this one",
    "add": "add a picture to the characters, check its face and prepare it",
    "characters": "list the characters, on a page of thumbnails or in the terminal",
    "cutout": "remove the background of a picture and keep the result beside it",
    "prepare": "check characters and fill the caches before the stream",
    "emote": "list the emotes, and record your own",
    "doctor": "check the installation and print remedies",
    "benchmark": "measure the stages' times on this machine",
}
WORKER = "worker"
EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_TERMINATED = 1, 130, 143  # wrong usage is argparse's 2


def build_parser(called: str = "") -> argparse.ArgumentParser:
    """Return the parser of all commands, with the arguments of the called one.

    The other commands' modules are not imported, so that doctor runs even if their packages are missing.
    """
    parser = argparse.ArgumentParser(prog="python -m animator_core", description="Animate a picture with your face.")
    parser.add_argument("--version", action="version", version=animator_core.__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name == called:
            importlib.import_module(f"animator_core.cli.{name}").add_arguments(command)
    commands.add_parser(WORKER, help="serve the OBS filters (started by the OBS script, not by you)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    # NumPy reads it while it is imported. Its products are small here: other threads of a busy machine come too late.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        if arguments[:1] == [WORKER]:
            # The worker parses its own arguments, and starts without importing the other commands.
            from animator_core.worker.main import main as worker_main

            return int(worker_main(arguments[1:]) or 0)
        options = build_parser(arguments[0] if arguments else "").parse_args(arguments)
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
        return int(importlib.import_module(f"animator_core.cli.{options.command}").run(options))
    except (AnimatorError, RingError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return EXIT_FAILURE
    except ImportError as exc:
        print(f"error: a package is missing or broken ({exc}); {load_remedy(str(exc))}", file=sys.stderr)
        return EXIT_FAILURE
    except BrokenPipeError:
        # The reader of the output is gone (`doctor | head`); Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILURE
    except OSError as exc:
        if exc.errno != errno.ENOSPC or exc.filename is not None:
            raise
        # Standard output is a file on a full disk; Python would write the rest again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("error: the disk of the output is full; free some space", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _main_in_terminal() -> int:
    """Run one command with native libraries' log lines filtered, except for the worker's log."""
    if sys.argv[1:2] == [WORKER]:
        print_in_any_encoding("utf-8")  # as the OBS script reads the log
        return main()
    print_in_any_encoding()
    from animator_core.cli.stderr_filter import filtered_native_stderr

    # A terminated command removes its unfinished files.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(EXIT_TERMINATED))
    with filtered_native_stderr():
        return main()


if __name__ == "__main__":
    sys.exit(_main_in_terminal())

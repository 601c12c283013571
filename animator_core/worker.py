"""The worker process: serves the filters of one OBS, and ends with it."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from animator_core.config import Config, load_config
from animator_core.errors import ConfigError
from animator_core.frame_ring import remove_stale_rings
from animator_core.protocol import WorkerProblem
from animator_core.serving.channel import claim_standard_streams
from animator_core.serving.manners import ParentWatch, limit_opencv_threads, limit_threads, lower_priority

logger = logging.getLogger(__name__)

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve until the input ends, a `Shutdown` comes or the parent is gone, then end the process."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    channel = claim_standard_streams()
    parent = ParentWatch(options.parent_pid)
    threads = limit_threads()
    lower_priority()
    remove_stale_rings()
    config, problem = _load_config(options.config)
    if problem is not None:
        channel.send(problem)
    limit_opencv_threads(threads)
    # These import the number libraries, which read the limits of their threads once.
    from animator_core.serving.service import FilterService
    from animator_core.serving.wiring import build_parts

    service = FilterService(channel, build_parts(config), parent)
    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: service.leave())
    service.run()
    logging.shutdown()
    # Threads and destructors of the libraries must neither delay the end nor spoil its exit status.
    os._exit(0)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m animator_core worker", description=__doc__)
    parser.add_argument("--parent-pid", type=int, metavar="N", help="end when this process does")
    parser.add_argument("--config", type=Path, metavar="PATH", help="settings (default: assets/config.yaml)")
    return parser.parse_args(arguments)


def _load_config(path: Path | None) -> tuple[Config, WorkerProblem | None]:
    """Return the settings; a stream shall not end over a typing error in a file, so then the defaults, and a word."""
    try:
        return load_config(path), None
    except ConfigError as exc:
        logger.error("%s", exc)
        message, _, remedy = str(exc).partition("; ")
        return Config(), WorkerProblem(f"the defaults are used: {message}", remedy)

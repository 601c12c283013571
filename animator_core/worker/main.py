"""Entry of the worker process, which serves the filters of one OBS and ends with it."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from animator_core.errors import ConfigError, described
from animator_core.ipc.frame_ring import remove_stale_rings
from animator_core.ipc.protocol import WorkerProblem
from animator_core.worker.channel import MessageChannel, claim_standard_streams
from animator_core.worker.process_end import INCOMPLETE, end_process

if TYPE_CHECKING:
    from animator_core.config import Config

logger = logging.getLogger(__name__)

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Serve until the input ends, a `Shutdown` comes or the parent is gone, then end the process."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    channel = claim_standard_streams()
    remove_stale_rings()
    status = _serve(channel, options)
    logging.shutdown()
    # Threads and destructors of the libraries must neither delay the end nor spoil its exit status.
    end_process(status)


def _serve(channel: MessageChannel, options: argparse.Namespace) -> int:
    """Serve, and return the process's exit code."""
    try:
        from animator_core.worker.process import (
            ParentWatch,
            limit_opencv_threads,
            limit_threads,
            lower_priority,
            use_fine_timers,
        )

        parent = ParentWatch(options.parent_pid)
        # The number libraries read the limits of their threads once, while they are imported.
        limit_opencv_threads(limit_threads())
        lower_priority()
        use_fine_timers()
        from animator_core.assembly import make_services
        from animator_core.worker.role import of_a_host, session_maker
        from animator_core.worker.service import FilterService

        config, problem = _load_config(options.config)
        if options.for_host is not None:
            config = of_a_host(config, options.for_host)
        services = make_services(config)
        make_session, remote_problem = session_maker(config)
    except Exception as exc:
        # Packages that lack a library or do not fit another one fail in any way.
        logger.exception("the installation is incomplete")
        channel.send(WorkerProblem(f"the installation is incomplete ({described(exc)})", "run install.py again"))
        return INCOMPLETE
    for each in filter(None, (problem, remote_problem)):
        channel.send(each)
    service = FilterService(channel, services, parent, make_session=make_session)
    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: service.leave())
    return service.run()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m animator_core worker", description=__doc__)
    parser.add_argument("--parent-pid", type=int, metavar="N", help="end when this process does")
    parser.add_argument("--config", type=Path, metavar="PATH", help="settings (default: assets/config.yaml)")
    parser.add_argument(
        "--for-host", type=Path, metavar="FOLDER", help="serve a host, with the characters in FOLDER (started by it)"
    )
    return parser.parse_args(arguments)


def _load_config(path: Path | None) -> tuple[Config, WorkerProblem | None]:
    """Return the settings; a stream shall not end over a typing error in a file, so then the defaults, and a word."""
    from animator_core.config import Config, load_config

    try:
        return load_config(path), None
    except ConfigError as exc:
        logger.error("%s", exc)
        return Config(), WorkerProblem(f"the defaults are used: {exc.message}", exc.remedy)

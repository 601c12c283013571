"""``host``: animates for other computers on this one's graphics cards, or on its processor."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from animator_core.arrays import UInt8Array
from animator_core.assembly import make_library, make_tracker
from animator_core.cli import arguments
from animator_core.config import Config, load_config
from animator_core.errors import AnimatorError
from animator_core.ipc.frame_ring import now_ns
from animator_core.remote.installed import require_installed

if TYPE_CHECKING:
    from animator_core.remote.host import Host
    from animator_core.remote.host_worker import HostWorker
    from animator_core.remote.identity import HostIdentity
    from animator_core.remote.pictures import PictureStore

_READY_SECONDS = 180.0
_TELL_SECONDS = 1.0
_MOST_TRIED = 20
_ALL_ADDRESSES = ("0.0.0.0", "::")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--listen",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="this computer's address to take connections at, 0.0.0.0 for all (default: 127.0.0.1, itself only)",
    )
    parser.add_argument("--port", type=arguments.positive_int, metavar="N", help="default: 7907")
    parser.add_argument(
        "--gpus", default="all", metavar="LIST", help="numbers of NVIDIA cards with commas, all or none (default: all)"
    )
    parser.add_argument(
        "--workers", type=arguments.positive_int, metavar="N", help="without a card, so many (default: one per 4 cores)"
    )
    parser.add_argument("--forget", action="store_true", help="forget all paired computers: make a new certificate")
    arguments.add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    require_installed()
    from animator_core.remote.identity import host_identity, user_folder

    config = load_config(options.config)
    identity = host_identity(user_folder() / "host", is_new=options.forget)
    logging.getLogger("animator_core.remote").setLevel(logging.INFO)
    # It logs a traceback for everything that connects and is no WebSocket.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    asyncio.run(_serve(options, config, identity))
    return 0


async def _serve(options: argparse.Namespace, config: Config, identity: HostIdentity) -> None:
    from animator_core.remote.host import Host
    from animator_core.remote.pictures import PictureStore
    from animator_core.remote.places import WorkerFiles, cards, chosen_cards, places
    from animator_core.remote.wire import DEFAULT_PORT

    folder = config.performance.cache_dir / "host"
    store = PictureStore(folder / "pictures")
    names = cards()
    files = WorkerFiles(store.folder, folder, options.config)
    host = Host(identity, store, places(chosen_cards(options.gpus, names), names, workers=options.workers, files=files))
    host.start_workers()
    try:
        await _measure(host, store, config)
        port = options.port or DEFAULT_PORT
        try:
            port = await host.listen(options.listen, port)
        except OSError as exc:
            raise AnimatorError(
                f"nothing can listen at {options.listen}, port {port} ({exc.strerror})",
                "end the other host, or choose another --port; --listen takes an address of this computer",
            ) from exc
        _introduce(host, options.listen, port=port, fingerprint=identity.fingerprint)
        await _tell_until_the_end(host)
    finally:
        await host.close()


async def _measure(host: Host, store: PictureStore, config: Config) -> None:
    """Measure a frame of each worker; raises AnimatorError if none animates."""
    from animator_core.remote.picture_file import PictureFile
    from animator_core.remote.trial import measure

    path, camera = _trial_character(config)
    file = PictureFile.read(path)
    store.add(file.picture, file.content)
    print(f"Measuring with {path.name} …", flush=True)

    async def measured(worker: HostWorker) -> AnimatorError | None:
        try:
            await asyncio.wait_for(worker.ready(), _READY_SECONDS)
            worker.load.milliseconds = await measure(worker, store.file_name(file.picture), camera)
        except asyncio.TimeoutError:
            return AnimatorError(f"the worker of {worker.name} does not start", "run doctor on this computer")
        except AnimatorError as exc:
            return exc
        return None

    # All at once: they share this computer also later.
    errors = [error for error in await asyncio.gather(*map(measured, host.workers)) if error is not None]
    if len(errors) == len(host.workers):
        raise errors[0]
    for error in errors:
        print(f"warning: {error}", file=sys.stderr)


def _trial_character(config: Config) -> tuple[Path, UInt8Array | None]:
    """Return a character of this computer, and it as a camera frame if the tracker sees its face."""
    from animator_core.characters.picture import load_picture
    from animator_core.remote.trial import camera_of

    library = make_library(config)
    paths = [library.path(entry.file) for entry in library.list()[:_MOST_TRIED]]
    if not paths:
        raise AnimatorError(f"there is no picture in {library.directory} to measure with", "put one there")
    with contextlib.closing(make_tracker(config)) as tracker:
        for path in paths:
            with contextlib.suppress(AnimatorError):
                camera = camera_of(load_picture(path))
                frame = np.ascontiguousarray(camera[..., :3])
                # Of a face in a new place the tracker may need a second look.
                if any(tracker.track(frame + np.uint8(look), now_ns()) is not None for look in range(2)):
                    return path, camera
    return paths[0], None


def _introduce(host: Host, address: str, *, port: int, fingerprint: str) -> None:
    from animator_core.remote.hosts import HostAddress

    for worker in host.workers:
        load = worker.load
        print(f"{worker.name}: {load.milliseconds:.1f} ms a frame, {load.capacity} sessions of 30 frames a second fit")
    where = "this computer only; --listen 0.0.0.0 lets others in" if address.startswith("127.") else "paired computers"
    print(f"Listening at {address}, port {port}, for {where}.")
    print(f"Fingerprint   {fingerprint}")
    print(f"Pairing code  {host.door.pairing_code}")
    ours = (_own_addresses() or ["ADDRESS-OF-THIS-COMPUTER"]) if address in _ALL_ADDRESSES else [address]
    named = " or ".join(str(HostAddress(each, port)) for each in ours)
    print(f"On the computer with OBS: python -m animator_core pair {named} {host.door.pairing_code}")
    print("Ctrl-C ends it.", flush=True)


def _own_addresses() -> list[str]:
    """Return this computer's IPv4 addresses in its networks."""
    found = (each for addresses in psutil.net_if_addrs().values() for each in addresses)
    return sorted(
        each.address for each in found if each.family == socket.AF_INET and not each.address.startswith("127.")
    )


async def _tell_until_the_end(host: Host) -> None:
    """Print how many sessions there are whenever that changes, until the process is asked to end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # on Windows Ctrl-C cancels this task
            loop.add_signal_handler(number, ended.set)
    told = 0
    while not ended.is_set():
        if host.session_count != told:
            told = host.session_count
            print(f"{told} of {host.capacity} sessions", flush=True)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), _TELL_SECONDS)

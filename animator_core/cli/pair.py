"""``pair``: has a host on another computer animate for OBS on this one, or no longer."""

from __future__ import annotations

import argparse
from pathlib import Path

from animator_core.config import DEFAULT_CONFIG_FILE, load_config
from animator_core.errors import AnimatorError
from animator_core.remote.installed import require_installed
from animator_core.remote.settings_file import write_remote


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "address", nargs="?", metavar="ADDRESS", help="the host's name or IP address, with :PORT if it is another"
    )
    parser.add_argument("code", nargs="?", metavar="CODE", help="the pairing code that the host shows")
    parser.add_argument(
        "--landmarks", action="store_true", help="track the face here: no picture of it leaves this computer"
    )
    parser.add_argument("--off", action="store_true", help="animate on this computer again")
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG_FILE,
        metavar="PATH",
        help="settings to change (default: assets/config.yaml)",
    )


def run(options: argparse.Namespace) -> int:
    """Pair, and write the section ``remote`` of the settings."""
    if options.off:
        write_remote(options.config, {"address": "", "fingerprint": ""})
        print("This computer animates again, after a restart of OBS.")
        return 0
    if not options.address or not options.code:
        raise AnimatorError("address or code is missing", "write: pair ADDRESS CODE, as the host shows it")
    require_installed()
    from animator_core.remote.hosts import pair, parse_address

    load_config(options.config)
    address = parse_address(options.address)
    fingerprint = pair(address, options.code)
    send = "landmarks" if options.landmarks else "frames"
    write_remote(options.config, {"address": str(address), "fingerprint": fingerprint, "send": send})
    print(f'Paired with {address}. Restart OBS: its status line then ends with "remote {address}".')
    return 0

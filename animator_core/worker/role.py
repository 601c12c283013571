"""Whether a worker animates on its own computer, through a host on another one, or for a host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from animator_core.config import Config, RemoteConfig, VmcConfig
from animator_core.errors import AnimatorError
from animator_core.ipc.protocol import OpenFilter, WorkerProblem

if TYPE_CHECKING:
    from animator_core.animation.services import Services
    from animator_core.worker.session import FilterSession


def of_a_host(config: Config, folder: Path) -> Config:
    """Return the settings of a worker that a host started; the characters come into ``folder``, faces by the host."""
    character = replace(config.character, images_path=folder, current_character="", preload_all=False)
    return replace(config, character=character, remote=RemoteConfig(), vmc=VmcConfig())


def session_maker(config: Config) -> tuple[Callable[[OpenFilter, Services], FilterSession], WorkerProblem | None]:
    """Return the class that opens filters, and why it is not the configured one, if so."""
    from animator_core.worker.session import FilterSession

    if not config.remote.address:
        return FilterSession, None
    here = "so this computer animates"
    try:
        from animator_core.remote.hosts import parse_address, token_of
        from animator_core.worker.bridged_session import BridgedSession

        parse_address(config.remote.address)
        token_of(config.remote.fingerprint)
    except ModuleNotFoundError as exc:
        return FilterSession, WorkerProblem(
            f"the package {exc.name} for the host {config.remote.address} is missing, {here}",
            "run install.py with the option for a second PC, see docs/SECOND_PC.md",
        )
    except AnimatorError as exc:
        return FilterSession, WorkerProblem(f"remote.address: {exc.message}, {here}", exc.remedy)
    return BridgedSession, None

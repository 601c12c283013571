"""Command-line arguments that several commands share."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from animator_core.config import Config
from animator_core.errors import ConfigError
from animator_core.ipc.protocol import RENDERERS
from animator_core.motion.options import MotionOptions


def positive_int(text: str) -> int:
    """Return an integer of 1 or more; raises ValueError or ArgumentTypeError, argparse's usage errors."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="PATH", help="settings (default: assets/config.yaml)")


def add_character_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --character, --renderer and --config."""
    parser.add_argument("--character", metavar="FILE", help="a picture file, or a name from the library")
    parser.add_argument("--renderer", choices=RENDERERS, help="the renderer (default: ai_model.type in the settings)")
    add_config_argument(parser)


def add_option_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --option."""
    names = ", ".join(field.name for field in dataclasses.fields(MotionOptions))
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"override a setting of the section liveportrait; repeatable; names: {names}",
    )


def with_options(config: Config, texts: Sequence[str]) -> Config:
    """Return the settings with --option's overrides; raises ConfigError for unknown names and invalid values."""
    given: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--option {text} is not of the form NAME=VALUE", "use for example --option region=eyes")
        given[name.strip()] = _value(value.strip())
    try:
        return config.with_options(given)
    except ConfigError as exc:
        raise exc.about("--option") from exc


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text

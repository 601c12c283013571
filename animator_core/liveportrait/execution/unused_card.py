"""Why an NVIDIA card that is there is not used, and what to do about it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from animator_core.errors import first_line
from animator_core.installation.graphics_card import Card, find_card
from animator_core.installation.torch_build import detect_gpu

_HIDES_CARDS = "CUDA_VISIBLE_DEVICES"
_RENEW = "update NVIDIA's driver, restart the computer"
_TOO_OLD, _NO_CARD = "driver on your system is too old", "No CUDA GPUs are available"
"""In PyTorch's errors."""


@dataclass(frozen=True)
class UnusedCard:
    """An NVIDIA card on which nothing runs: its name, the cause as a clause, the remedy as a clause."""

    name: str
    cause: str
    remedy: str


def unused_card() -> UnusedCard | None:
    """Return the NVIDIA card of this machine if PyTorch finds no CUDA, None if it does or if there is no card."""
    if torch.cuda.is_available():
        return None
    card = find_card()
    return None if card is None else UnusedCard(card.name, *_cause_and_remedy(card))


def _cause_and_remedy(card: Card) -> tuple[str, str]:
    if not card.has_driver:
        return "its driver is not installed", "install NVIDIA's driver, restart the computer, run install.py again"
    driver = f"its driver {card.driver}" if card.driver else "its driver"
    if torch.version.cuda is None and detect_gpu() is None:
        # What install.py does not see it would give the same build again.
        return f"{driver} is too old or does not answer", f"{_RENEW}, run install.py again"
    if torch.version.cuda is None:
        return (
            f"PyTorch {torch.__version__} is not a build for NVIDIA cards",
            "run install.py again with a network, which gets the one that is",
        )
    problem = _problem()
    if _TOO_OLD in problem:
        return f"{driver} is too old for CUDA {torch.version.cuda}", _RENEW
    if _NO_CARD in problem and _HIDES_CARDS in os.environ:
        return f"the environment variable {_HIDES_CARDS} hides it", "remove the variable and start OBS again"
    return problem, "restart the computer, or install NVIDIA's driver anew"


def _problem() -> str:
    """Return PyTorch's own words on why there is no CUDA."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as exc:
        return first_line(exc, 160)
    return "PyTorch does not see it"

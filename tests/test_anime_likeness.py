"""The motion basis of a drawn character against the real networks; skipped if their weights cannot be had."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from anime_basis import coarse_basis
from anime_wheel import weights_folder

from animator_core.anime import parameters
from animator_core.anime.continuation import continued
from animator_core.anime.execution import accelerated
from animator_core.anime.live_networks import NetworkPlayer
from animator_core.anime.network_picture import CENTER, linear_light, sampled
from animator_core.anime.networks.weights import load_networks
from animator_core.anime.placing import Fit, find_place
from animator_core.anime.player import BasisPlayer
from animator_core.characters.head_place import HeadPlace
from animator_core.characters.library import CharacterLibrary
from animator_core.config import PROJECT_ROOT
from animator_core.rendering.srgb import encode_srgb

pytestmark = pytest.mark.slow
HEAD = slice(20, 260), slice(120, 400)
"""Head and shoulders in the networks' picture."""


class Players:
    """Mira by the networks and by her basis, both at the networks' size."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        networks = load_networks(weights_folder(), PROJECT_ROOT / "cache" / "test-bases")
        networks = accelerated(networks)
        library = CharacterLibrary(PROJECT_ROOT / "assets" / "characters")
        self.fit: Fit = find_place(library.load("mira_anime.png"), networks)
        basis = coarse_basis(networks, self.fit)
        # Of the networks' size, so that only the basis makes a difference.
        small, place = _at_networks_size(self.fit)
        self.networks = NetworkPlayer(networks, small, place)
        self.basis = BasisPlayer(basis, small, place)

    def both(self, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tuple(_over_grey(player.draw(pose)[HEAD]) for player in (self.networks, self.basis))  # type: ignore[return-value]


def _at_networks_size(fit: Fit) -> tuple[np.ndarray, HeadPlace]:
    picture, place = continued(fit.picture, fit.place)
    linear = sampled(linear_light(picture), place)
    alpha = np.maximum(linear[3], 1e-6)
    straight = np.concatenate([encode_srgb(np.clip(linear[:3] / alpha, 0, 1)), linear[3:]])
    return np.rint(np.ascontiguousarray(straight.transpose(1, 2, 0)) * 255).astype(np.uint8), HeadPlace(CENTER, 1.0)


def _over_grey(frame: np.ndarray) -> np.ndarray:
    values = frame.astype(np.float32)
    return values[..., :3] + (1 - values[..., 3:] / 255) * 128


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(one - other).mean(), 1e-9)))


@pytest.fixture(scope="module")
def players() -> Players:
    return Players()


@pytest.mark.parametrize(
    "pose",
    [
        {},
        {"head_y": 1.0},
        {"head_x": -1.0},
        {"neck_z": 1.0},
        {"head_x": 1.0, "head_y": -1.0},
    ],
)
def test_at_its_nodes_the_basis_draws_what_the_networks_draw(pose: dict[str, float], players: Players) -> None:
    networks, basis = players.both(parameters.pose(pose))
    assert psnr(networks, basis) >= 36, psnr(networks, basis)


@pytest.mark.parametrize("seed", range(4))
def test_between_its_nodes_the_basis_stays_close_to_the_networks(seed: int, players: Players) -> None:
    rng = np.random.default_rng(seed)
    pose = parameters.pose(
        {
            "head_x": rng.uniform(-0.5, 0.5),
            "head_y": rng.uniform(-0.5, 0.5),
            "neck_z": rng.uniform(-0.5, 0.5),
            "breathing": rng.uniform(0, 1),
            "eye_wink_left": rng.uniform(0, 1),
            "eye_wink_right": rng.uniform(0, 1),
            "mouth_aaa": rng.uniform(0, 1),
            "iris_rotation_x": rng.uniform(-0.5, 0.5),
            "eyebrow_raised_left": rng.uniform(0, 1),
            "eyebrow_raised_right": rng.uniform(0, 1),
        }
    )
    networks, basis = players.both(pose)
    assert psnr(networks, basis) >= 30, psnr(networks, basis)


def change(players: Players, pose: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return what a pose changes, by the networks and by the basis, each less its own still picture, in luminance."""
    still, moved = players.both(parameters.pose()), players.both(parameters.pose(pose))
    networks, basis = ((after - before).mean(-1) for before, after in zip(still, moved))
    # The networks change the rest of the picture by a few levels.
    return np.where(np.abs(networks) > 8, networks, 0), np.where(np.abs(basis) > 8, basis, 0)


@pytest.mark.parametrize(
    "pose",
    [
        {"eye_wink_left": 1.0},
        {"eye_wink_right": 1.0},
        {"eye_happy_wink_left": 1.0, "eye_happy_wink_right": 1.0},
        {"mouth_aaa": 1.0},
        {"mouth_iii": 0.6},
        {"iris_rotation_x": 1.0},
        {"iris_rotation_x": -1.0},
        {"iris_rotation_y": 1.0},
        {"eyebrow_raised_left": 1.0, "eyebrow_raised_right": 1.0},
        {"eyebrow_lowered_left": 1.0, "eyebrow_lowered_right": 1.0},
    ],
)
def test_expressions_change_what_they_change_in_the_networks(pose: dict[str, float], players: Players) -> None:
    networks, basis = change(players, pose)
    assert np.abs(networks).max() > 20, "the networks do nothing themselves"
    similarity = (networks * basis).sum() / np.sqrt(np.square(networks).sum() * np.square(basis).sum())
    assert similarity > 0.8, similarity
    assert 0.6 < np.abs(basis).sum() / np.abs(networks).sum() < 1.5

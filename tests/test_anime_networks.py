"""Talking Head Anime 3: our networks give what the published package gives, on its real weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from anime_wheel import published_poser, weights_folder

from animator_core.anime import parameters
from animator_core.anime.networks.chain import BROWS, FACE, AnimeNetworks
from animator_core.anime.networks.weights import NAMES, load_networks
from animator_core.errors import WeightsError

TOLERANCE = 2e-4
"""1e-4 of the full scale, -1 to 1."""


@pytest.fixture(scope="module")
def networks() -> AnimeNetworks:
    return load_networks(weights_folder())


def random_pose(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    signed = [parameters.INDEX[name] for name in parameters.SIGNED]
    pose = torch.rand(1, len(parameters.NAMES), generator=generator)
    pose[:, signed] = 2 * pose[:, signed] - 1
    return pose


def picture(seed: int = 0) -> torch.Tensor:
    """Return a smooth premultiplied picture that is transparent outside a disk, (1, 4, 512, 512)."""
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(1, 4, 16, 16, generator=generator)
    smooth = torch.nn.functional.interpolate(rough, size=(512, 512), mode="bicubic").clamp(0, 1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 512), torch.linspace(-1, 1, 512), indexing="ij")
    alpha = (x.square() + y.square() < 0.8).float()
    colour = smooth[:, :3] * alpha
    return torch.cat((colour, alpha[None, None]), dim=1) * 2 - 1


def test_the_parameters_are_the_published_ones_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = published_poser(monkeypatch).get_pose_parameter_groups()
    published = [(name, group.get_range()) for group in groups for name in group.get_parameter_names()]
    expected = [(name, (-1.0 if name in parameters.SIGNED else 0.0, 1.0)) for name in parameters.NAMES]
    assert published == expected


@pytest.mark.slow
def test_every_network_and_the_chain_match_the_published_ones(
    monkeypatch: pytest.MonkeyPatch, networks: AnimeNetworks
) -> None:
    poser = published_poser(monkeypatch)
    character = picture()
    with torch.inference_mode():
        layers = networks.decompose(character)
        for seed in range(20):
            pose = random_pose(seed)
            # From 0 the editor, from 5 the rotator, from 8 the face, from 15 the brows, from 23 the layers.
            published = poser.get_posing_outputs(character, pose)
            face = networks.move_brows(character, layers, pose)
            change = networks.change_face(face, pose)
            whole = networks.with_expression(character, layers, pose)
            body = networks.change_body(whole, pose)
            pairs = {
                "brows": (layers.brows, published[23]),
                "background": (layers.background, published[26]),
                "moved brows": (face[:, :, 32:160, 32:160], published[17]),
                "eye share": (change.eye_share, published[9]),
                "eye colour": (change.eye_colour, published[10]),
                "mouth share": (change.mouth_share, published[12]),
                "face": (whole[:, :, FACE[0], FACE[1]], published[8]),
                "flow": (body.flow, published[4]),
                "share": (body.share, published[1]),
                "colour": (body.colour, published[2]),
                "picture": (networks(character, layers, pose), published[0]),
            }
            for name, (ours, theirs) in pairs.items():
                assert ours.shape == theirs.shape, name
                assert float((ours - theirs).abs().max()) <= TOLERANCE, f"{name}, pose {seed}"


def test_a_neutral_face_is_left_as_it_is_outside_of_what_the_networks_see(networks: AnimeNetworks) -> None:
    character = picture()
    with torch.inference_mode():
        whole = networks.with_expression(character, networks.decompose(character), random_pose(1))
    outside = torch.ones(512, 512, dtype=torch.bool)
    outside[FACE[0], FACE[1]] = False
    assert torch.equal(whole[:, :, outside], character[:, :, outside])
    assert (BROWS[0].start, BROWS[1].start) == (FACE[0].start + 32, FACE[1].start + 32)


def test_the_converted_file_gives_the_same_networks_and_another_checkpoint_another_file(
    tmp_path: Path, networks: AnimeNetworks
) -> None:
    weights, cache = tmp_path / "weights", tmp_path / "cache"
    shutil.copytree(weights_folder(), weights)
    load_networks(weights, cache)
    folder = cache / "anime-weights"
    kept = list(folder.iterdir())
    assert [path.suffix for path in kept] == [".safetensors"]
    again = load_networks(weights, cache).state_dict()
    assert all(torch.equal(again[name], value) for name, value in networks.state_dict().items())
    kept[0].write_bytes(b"damaged")
    assert all(torch.equal(value, again[name]) for name, value in load_networks(weights, cache).state_dict().items())
    (weights / f"{NAMES[0]}.pt").touch()
    load_networks(weights, cache)
    assert [path for path in folder.iterdir() if path != kept[0]], "the old file went, a new one came"
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("fault", ["missing", "truncated", "text", "other network", "not numbers"])
def test_a_checkpoint_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path, fault: str) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(weights_folder(), weights)
    path = weights / "editor.pt"
    if fault == "missing":
        path.unlink()
    elif fault == "truncated":
        path.write_bytes(path.read_bytes()[:100_000])
    elif fault == "text":
        path.write_text("no checkpoint")
    elif fault == "other network":
        shutil.copy(weights / "face_morpher.pt", path)
    else:
        content = torch.load(path, weights_only=True)
        torch.save({**content, "alpha_creator.0.bias": torch.full((4,), float("nan"))}, path)
    with pytest.raises(WeightsError) as caught:
        load_networks(weights)
    assert "install.py" in caught.value.remedy
    assert str(weights) in caught.value.message

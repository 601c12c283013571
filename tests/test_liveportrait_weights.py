"""Reading LivePortrait's checkpoints: rejected files and their errors, folding, and the folded file."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from golden.golden_rule import input_noise
from liveportrait_weights import STITCHING_PARTS, golden_state, write_stitching
from safetensors.torch import save_file

from animator_core.errors import WeightsError
from animator_core.liveportrait.networks import build
from animator_core.liveportrait.networks.build import load_folded, load_networks, load_unfolded
from animator_core.liveportrait.networks.layers import fold
from animator_core.liveportrait.networks.weights import CHECKPOINTS, find_checkpoints

EXTRACTOR = "appearance_feature_extractor"
KEY = "second.weight"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return golden_state(EXTRACTOR)


@pytest.fixture
def checkpoint(tmp_path, state):
    """Write a checkpoint of the appearance extractor with some keys changed, or left out by None."""

    def write(**changes) -> Path:
        path = tmp_path / f"{EXTRACTOR}.pth"
        changed = {**state, **{key.replace("__", "."): value for key, value in changes.items()}}
        torch.save({key: value for key, value in changed.items() if value is not None}, path)
        return path

    return write


@pytest.fixture
def weights_dir(tmp_path, checkpoint):
    """All five files; only those of the small networks have content."""
    checkpoint()
    for name in ("motion_extractor", "warping_module", "spade_generator"):
        (tmp_path / f"{name}.pth").touch()
    write_stitching(tmp_path / "stitching_retargeting_module.pth")
    return tmp_path


@pytest.fixture
def small_networks(monkeypatch):
    """Load only the small networks."""
    small = {name: build.NETWORKS[name] for name in (EXTRACTOR, *STITCHING_PARTS)}
    monkeypatch.setattr(build, "NETWORKS", small)


def refusal(path: Path, network: str = EXTRACTOR) -> str:
    """Return the error's text, which must name the file and the remedy."""
    with pytest.raises(WeightsError) as caught:
        load_unfolded(network, path)
    assert str(path) in str(caught.value)
    assert "run install.py again" in str(caught.value)
    return str(caught.value)


def assert_same_state(one: torch.nn.Module, other: torch.nn.Module) -> None:
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"appearance_feature_extractor\.pth; run install\.py"):
        load_networks(tmp_path)


def test_the_published_folders_are_searched_too(weights_dir):
    for folder, names in (
        ("base_models", list(CHECKPOINTS)[:4]),
        ("retargeting_models", ["stitching_retargeting_module"]),
    ):
        (weights_dir / folder).mkdir()
        for name in names:
            (weights_dir / f"{name}.pth").rename(weights_dir / folder / f"{name}.pth")
    assert find_checkpoints(weights_dir)["spade_generator"].parent.name == "base_models"


@pytest.mark.parametrize("kept", [0, 1, 1000, 100_000, -100])
def test_a_truncated_file_is_refused(checkpoint, kept):
    path = checkpoint()
    path.write_bytes(path.read_bytes()[:kept])
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("content", [b"<html>404 Not Found</html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_web_page_or_a_pointer_instead_of_weights_is_refused(tmp_path, content):
    path = tmp_path / f"{EXTRACTOR}.pth"
    path.write_bytes(content)
    assert "damaged or no checkpoint" in refusal(path)


def test_a_truncated_safetensors_file_is_refused(tmp_path, state):
    path = tmp_path / f"{EXTRACTOR}.safetensors"
    save_file(state, path)
    path.write_bytes(path.read_bytes()[:-1000])
    refusal(path)


def test_another_models_weights_are_refused(checkpoint):
    message = refusal(checkpoint(), "warping_module")
    assert "these are not warping_module's weights" in message
    assert "dense_motion_network" in message


def test_another_file_as_the_stitching_module_is_refused(checkpoint):
    assert "retarget_shoulder is missing" in refusal(checkpoint(), "stitching")


def test_a_wrong_shape_is_named(checkpoint):
    message = refusal(checkpoint(second__weight=torch.zeros(512, 256, 3, 3)))
    assert f"key {KEY} has the shape (512, 256, 3, 3)" in message
    assert "(512, 256, 1, 1)" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_no_numbers_are_refused(checkpoint, state, value):
    spoilt = state[KEY].clone()
    spoilt[3, 5] = value
    assert f"key {KEY} has values that are not numbers" in refusal(checkpoint(second__weight=spoilt))


def test_a_missing_key_is_named(checkpoint):
    assert f"key {KEY} is missing" in refusal(checkpoint(second__weight=None))


def test_an_unknown_key_is_named(checkpoint):
    assert "key third.weight is unknown" in refusal(checkpoint(third__weight=torch.zeros(1)))


@pytest.mark.parametrize("value", [3.5, "text", torch.zeros(512, 256, 1, 1, dtype=torch.int32), [torch.zeros(1)]])
def test_a_value_that_is_no_float_tensor_is_refused(checkpoint, value):
    assert f"key {KEY}" in refusal(checkpoint(second__weight=value))


def test_a_file_that_holds_no_dict_is_refused(tmp_path):
    path = tmp_path / f"{EXTRACTOR}.pth"
    torch.save([torch.zeros(1)], path)
    assert "holds a list" in refusal(path)


@pytest.mark.parametrize("how", ["zip", "plain"])
def test_no_code_in_a_checkpoint_is_run(tmp_path, how):
    path, trace = tmp_path / f"{EXTRACTOR}.pth", tmp_path / "trace"

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(trace),)

    if how == "zip":
        torch.save({KEY: Malicious()}, path)
    else:
        path.write_bytes(pickle.dumps({KEY: Malicious()}))
    refusal(path)
    assert not trace.exists()


def test_a_negative_variance_is_refused(weights_dir, checkpoint, state, small_networks):
    checkpoint(first__norm__running_var=-state["first.norm.running_var"])
    with pytest.raises(WeightsError, match=r"appearance_feature_extractor\.pth.*first\.conv"):
        load_folded(weights_dir)


def test_safetensors_give_the_same_networks(tmp_path, checkpoint, state):
    flat = {
        f"{part}_module.{key}": value
        for network, part in STITCHING_PARTS.items()
        for key, value in golden_state(network).items()
    }
    save_file(flat, tmp_path / "flat.safetensors")
    write_stitching(tmp_path / "nested.pth")
    for network in STITCHING_PARTS:
        assert_same_state(
            load_unfolded(network, tmp_path / "flat.safetensors"), load_unfolded(network, tmp_path / "nested.pth")
        )
    save_file(state, tmp_path / "plain.safetensors")
    assert_same_state(load_unfolded(EXTRACTOR, tmp_path / "plain.safetensors"), load_unfolded(EXTRACTOR, checkpoint()))


def test_half_precision_and_missing_counters_are_accepted(tmp_path, state):
    path = tmp_path / f"{EXTRACTOR}.safetensors"
    kept = {key: value.half() for key, value in state.items() if not key.endswith("num_batches_tracked")}
    save_file(kept, path)
    loaded = load_unfolded(EXTRACTOR, path).state_dict()[KEY]
    assert loaded.dtype == torch.float32
    assert torch.equal(loaded, state[KEY].half().float())


SMALL_INPUTS = {
    EXTRACTOR: [(2, 3, 64, 64)],
    "warping_module": [(2, 32, 16, 32, 32), (2, 21, 3), (2, 21, 3)],
    "spade_generator": [(2, 256, 16, 16)],
}


@pytest.mark.parametrize("network", SMALL_INPUTS)
def test_a_folded_network_matches_the_unfolded_one(golden_weights_dir, network):
    inputs = [torch.from_numpy(input_noise(f"fold.{shape}", shape, 0.3)) for shape in SMALL_INPUTS[network]]
    module = load_unfolded(network, golden_weights_dir / f"{network}.pth").eval()
    with torch.inference_mode():
        before = module(*inputs)
        keys = len(module.state_dict())
        fold(module)
        after = module(*inputs)
    before, after = (getattr(result, "warped", result) for result in (before, after))
    assert len(module.state_dict()) < keys
    assert (after - before).std() <= 1e-5 * before.std()


def test_a_batch_equals_its_members(golden_networks):
    image, warped = (
        torch.from_numpy(input_noise(f"batch.{name}", SMALL_INPUTS[name][0], 0.3))
        for name in (EXTRACTOR, "spade_generator")
    )
    for network, batch in ((golden_networks.extract_appearance, image), (golden_networks.generate, warped)):
        second = network(batch[1:])
        assert (network(batch)[1:] - second).std() <= 1e-5 * second.std()


def test_loaded_networks_need_no_gradients(golden_networks):
    for network in build.NETWORKS:
        module = getattr(golden_networks, network)
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_the_pose_in_float32(golden_networks, golden_weights_dir, golden_cache_dir, dtype):
    networks = load_networks(golden_weights_dir, dtype=dtype, cache_dir=golden_cache_dir)
    assert networks.spade_generator.head.weight.dtype == dtype
    assert networks.stitching.mlp[0].weight.dtype == torch.float32
    image = torch.from_numpy(input_noise("half.image", (1, 3, 64, 64), 0.2)) + 0.5
    exact, rough = golden_networks.extract_motion(image), networks.extract_motion(image)
    assert rough.pitch.dtype == rough.expression.dtype == torch.float32
    assert (rough.pitch - exact.pitch).abs() < 0.1
    assert (rough.expression - exact.expression).abs().max() < 1e-3


def test_coordinates_stay_float32_in_half_precision():
    warping = build.build_empty("warping_module").half().eval()
    result = warping(
        torch.empty(1, 32, 16, 32, 32, dtype=torch.float16, device="meta"),
        torch.empty(1, 21, 3, device="meta"),
        torch.empty(1, 21, 3, device="meta"),
    )
    assert result.deformation.dtype == torch.float32
    assert result.warped.dtype == torch.float16


class TestConvertedFile:
    def test_the_second_start_reads_only_the_converted_file(self, weights_dir, small_networks, monkeypatch):
        cache = weights_dir / "cache"
        version, first = load_folded(weights_dir, cache)
        monkeypatch.setattr(build, "read_checkpoint", pytest.fail)
        again, second = load_folded(weights_dir, cache)
        assert again == version
        for name, module in first.items():
            assert_same_state(module, second[name])

    def test_nothing_is_kept_without_a_cache_folder(self, weights_dir, small_networks):
        before = sorted(weights_dir.rglob("*"))
        load_folded(weights_dir)
        assert sorted(weights_dir.rglob("*")) == before

    @pytest.mark.parametrize("kept", [0, 100, 5000, -7])
    def test_a_damaged_one_is_made_again(self, weights_dir, small_networks, kept):
        cache = weights_dir / "cache"
        version, first = load_folded(weights_dir, cache)
        (path,) = (cache / "weights").iterdir()
        whole = path.read_bytes()
        path.write_bytes(whole[:kept])
        again, second = load_folded(weights_dir, cache)
        assert again == version
        assert_same_state(first[EXTRACTOR], second[EXTRACTOR])
        assert path.stat().st_size == len(whole)

    def test_one_with_values_that_are_no_numbers_is_made_again(self, weights_dir, small_networks):
        cache = weights_dir / "cache"
        _, first = load_folded(weights_dir, cache)
        (path,) = (cache / "weights").iterdir()
        content = bytearray(path.read_bytes())
        content[-4000:-3000] = b"\xff" * 1000
        path.write_bytes(content)
        _, second = load_folded(weights_dir, cache)
        assert_same_state(first[EXTRACTOR], second[EXTRACTOR])

    def test_a_changed_checkpoint_replaces_it(self, weights_dir, small_networks, checkpoint, state):
        cache = weights_dir / "cache"
        version, first = load_folded(weights_dir, cache)
        old = sorted((cache / "weights").iterdir())
        checkpoint(second__weight=state[KEY] * 2)
        other, second = load_folded(weights_dir, cache)
        assert other != version
        assert torch.equal(second[EXTRACTOR].second.weight, first[EXTRACTOR].second.weight * 2)
        (path,) = (cache / "weights").iterdir()
        assert [path] != old

    def test_copied_checkpoints_have_the_same_version(self, weights_dir, small_networks, tmp_path_factory):
        copy = tmp_path_factory.mktemp("copy") / "weights"
        shutil.copytree(weights_dir, copy)
        assert load_folded(copy)[0] == load_folded(weights_dir)[0]

    def test_a_folder_that_takes_nothing_costs_a_warning_only(self, weights_dir, small_networks, caplog):
        (weights_dir / "cache").touch()
        _, modules = load_folded(weights_dir, weights_dir / "cache")
        assert EXTRACTOR in modules
        assert "every start takes longer" in caplog.text

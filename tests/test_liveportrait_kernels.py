"""The Triton kernels equal the reference expressions; run by Triton's interpreter, which needs no GPU."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import fields, replace

import pytest
import torch
from torch import nn

from animator_core.config import PROJECT_ROOT
from animator_core.liveportrait.execution import kernel_choice
from animator_core.liveportrait.execution.kernel_choice import checked, choose_operations, difference
from animator_core.liveportrait.execution.optimized.generator import OptimizedBlock, OptimizedUpBlock
from animator_core.liveportrait.execution.optimized.operations import PLAIN, Operations, use_operations
from animator_core.liveportrait.execution.optimized.warping import OptimizedWarping
from animator_core.liveportrait.networks import networks as networks_module
from animator_core.liveportrait.networks.build import build_empty
from animator_core.liveportrait.networks.layers import SPADEResnetBlock, fold
from animator_core.liveportrait.networks.networks import Networks

pytest.importorskip("triton", reason="the package triton is not installed: there is none for this machine")
if os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("kernels are compiled here, see test_liveportrait_kernels_compiled.py", allow_module_level=True)

from animator_core.liveportrait.execution.kernels import FUSED
from animator_core.liveportrait.execution.kernels.generator import statistics

# From the interpreter of Triton 3.4 for loops whose end is an argument.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array with ndim:DeprecationWarning")

CPU = torch.device("cpu")
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
VOLUME = (3, 3, 5)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(4)


def assert_same(actual, expected, dtype: torch.dtype = torch.float32) -> None:
    assert difference(actual, expected, dtype) == ""


def laid_out(x: torch.Tensor, is_channels_last: bool) -> torch.Tensor:
    layout = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
    return x.contiguous(memory_format=layout) if is_channels_last else x


# Each kernel


def conv(channels: int, dtype: torch.dtype = torch.float32, is_channels_last: bool = True) -> nn.Conv2d:
    layout = torch.channels_last if is_channels_last else torch.contiguous_format
    return nn.Conv2d(8, channels, 3, padding=1).requires_grad_(False).to(dtype, memory_format=layout)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_channels_last", [True, False])
def test_modulation_equals_the_reference(dtype, is_channels_last):
    # 70 channels and 171 places: neither fills its last program, and the statistics have two chunks.
    x = laid_out((torch.randn(2, 70, 9, 19) * 3 + 1).to(dtype), is_channels_last)
    given = (x, conv(140, dtype, is_channels_last), torch.randn(2, 8, 9, 19).to(dtype))
    actual = FUSED.modulated(*given)
    assert (actual.dtype, actual.is_contiguous(memory_format=torch.channels_last)) == (dtype, True)
    assert_same(actual, PLAIN.modulated(*given), dtype)


def test_modulation_takes_a_part_of_more_channels_as_the_generators_head_gives_it():
    head = laid_out(torch.randn(1, 50, 5, 6), True)
    given = (head[:, :20], conv(40), torch.randn(1, 8, 5, 6))
    assert not given[0].is_contiguous(memory_format=torch.channels_last)
    assert_same(FUSED.modulated(*given), PLAIN.modulated(*given))


@pytest.mark.parametrize("dtype", DTYPES)
def test_modulation_with_upsampling_equals_the_reference(dtype):
    x = laid_out(torch.randn(2, 20, 5, 7).to(dtype), True)
    hidden, shortcut_hidden = torch.randn(2, 2, 8, 10, 14).to(dtype)
    given = (x, conv(40, dtype), hidden, conv(20, dtype), shortcut_hidden)
    assert_same(FUSED.modulated_upsampled(*given), PLAIN.modulated_upsampled(*given), dtype)


def test_statistics_of_many_places_far_from_nothing_are_exact():
    # 9090 places are 72 chunks, more than are joined at once; at this mean, squares would cancel.
    x = torch.randn(2, 9, 101, 90) * 0.1 + 100
    mean, gain = statistics(x)
    var, expected = torch.var_mean(x.double(), (2, 3), correction=0)
    assert (mean - expected).abs().max() < 1e-4
    assert (gain * (var + 1e-5).sqrt() - 1).abs().max() < 1e-4


def test_large_half_precision_values_do_not_overflow():
    x = torch.randn(1, 3, 8, 8).half() * 10000
    given = (x, conv(6, torch.float16), torch.randn(1, 8, 8, 8).half())
    actual = FUSED.modulated(*given)
    assert actual.isfinite().all()
    assert_same(actual, PLAIN.modulated(*given), torch.float16)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_channels_last", [True, False])
def test_the_hourglass_input_equals_the_reference_also_outside_the_volume(dtype, is_channels_last):
    source, driving = torch.randn(1, 21, 3), torch.randn(2, 21, 3) * 1.5
    compressed = laid_out(torch.randn(1, 4, *VOLUME), is_channels_last)
    resting = at_rest(compressed)
    given = (compressed, resting, source, driving, dtype)
    actual = FUSED.hourglass_input(*given)
    assert (actual.dtype, actual.is_contiguous(memory_format=torch.channels_last_3d)) == (dtype, True)
    assert_same(actual, PLAIN.hourglass_input(*given), dtype)


def at_rest(compressed: torch.Tensor) -> torch.Tensor:
    still = torch.zeros(1, 1, 3)
    moving = PLAIN.hourglass_input(compressed, compressed[:, None], still, still, torch.float32)
    return moving[:, None, -4:]


def test_no_motion_gives_no_heat_and_the_identity():
    keypoints = torch.randn(1, 21, 3)
    compressed = torch.randn(1, 4, *VOLUME)
    resting = at_rest(compressed)
    actual = FUSED.hourglass_input(compressed, resting, keypoints, keypoints, torch.float32).unflatten(1, (22, 5))
    assert not actual[:, :, 0].any()
    assert_same(actual[:, :, 1:], resting.expand(-1, 22, -1, -1, -1, -1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_channels_last", [True, False])
def test_warping_the_features_equals_the_reference(dtype, is_channels_last):
    features = laid_out(torch.randn(1, 32, *VOLUME).to(dtype), is_channels_last)
    logits = laid_out((torch.randn(2, 22, *VOLUME) * 4).to(dtype), is_channels_last)
    given = (features, logits, torch.randn(2, 21, 3))
    actual, expected = FUSED.warped_features(*given), PLAIN.warped_features(*given)
    assert actual[2].is_contiguous(memory_format=torch.channels_last)
    # Coordinates stay in single precision for features of any type.
    assert_same(actual[:2], expected[:2])
    assert_same(actual[2], expected[2], dtype)


@pytest.mark.parametrize("edge", [1e9, 1.3, 1.0, 2 / 5, 1e-6, 0.0])
def test_sampling_at_and_outside_the_volumes_edge_equals_the_reference(edge):
    features = torch.randn(2, 5, *VOLUME)
    logits = torch.zeros(2, 22, *VOLUME)
    logits[:, 1] = 100
    shift = torch.zeros(2, 21, 3)
    shift[:, 0] = torch.tensor([[edge, -edge, 0.0], [-edge, 0.0, edge]])
    actual, expected = FUSED.warped_features(features, logits, shift), PLAIN.warped_features(features, logits, shift)
    assert_same(actual, expected)
    assert actual[2].isfinite().all()
    assert actual[2].any() == (edge < 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_channels_last", [True, False])
def test_the_picture_equals_the_reference(dtype, is_channels_last):
    x = laid_out((torch.randn(2, 12, 19, 7) * 4).to(dtype), is_channels_last)
    actual = FUSED.picture(x)
    assert (actual.dtype, actual.is_contiguous()) == (torch.float32, True)
    assert_same(actual, PLAIN.picture(x), dtype)


# The networks with them


def spade_block(in_channels: int, out_channels: int) -> SPADEResnetBlock:
    block = SPADEResnetBlock(in_channels, out_channels, 6)
    with torch.no_grad():
        for values in (*block.parameters(), *block.buffers()):
            values.normal_(std=0.3)
    fold(block)
    return block


def without_and_with_kernels(module: nn.Module, *given) -> tuple:
    with torch.inference_mode():
        plain = module(*given)
        use_operations(module, FUSED)
        return plain, module(*given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_block_of_the_generator_is_the_same_with_kernels(dtype):
    block = OptimizedBlock(spade_block(20, 20)).to(dtype)
    x, *hidden = torch.randn(2, 20, 5, 7), torch.randn(2, 128, 5, 7), torch.randn(2, 128, 5, 7)
    plain, fused = without_and_with_kernels(block, *(each.to(dtype) for each in (x, *hidden)))
    assert_same(fused, plain, dtype)


def test_an_upsampling_block_of_the_generator_is_the_same_with_kernels():
    block = OptimizedUpBlock(spade_block(20, 12), 2)
    plain, fused = without_and_with_kernels(block, torch.randn(2, 20, 5, 7), torch.randn(2, 6, 5, 7))
    assert fused.shape == (2, 12, 10, 14)
    assert_same(fused, plain)


def test_the_warp_is_the_same_with_kernels():
    folded = build_empty("warping_module")
    fold(folded)
    warping = OptimizedWarping(folded)
    # The real one needs sides of 32 at least, minutes in the interpreter.
    warping.dense_motion_network.hourglass = nn.Conv3d(110, 142, 1, device="meta")
    warping = warping.to_empty(device="cpu").eval().requires_grad_(False)
    for values in warping.parameters():
        values.normal_(std=0.01)
    source = warping.prepare(torch.randn(1, 32, 16, 3, 2), torch.randn(1, 21, 3) * 0.5)
    plain, fused = without_and_with_kernels(warping, source, torch.randn(2, 21, 3) * 0.5)
    for field in fields(plain):
        assert_same(getattr(fused, field.name), getattr(plain, field.name))


def test_a_compiler_and_an_exporter_see_the_reference_expressions(monkeypatch):
    block = OptimizedBlock(spade_block(4, 4)).requires_grad_(False)
    given = torch.randn(1, 4, 3, 3), torch.randn(1, 128, 3, 3), torch.randn(1, 128, 3, 3)
    expected = block(*given)

    def fail(*given):
        raise AssertionError("a kernel is called")

    use_operations(block, Operations(*[fail] * 5))
    with pytest.raises(AssertionError, match="a kernel is called"):
        block(*given)
    assert_same(torch.compile(block, backend="eager", fullgraph=True)(*given), expected)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    assert_same(block(*given), expected)


# The choice


@pytest.fixture
def choose():
    """`choose_operations` with an empty cache."""
    choose_operations.cache_clear()
    yield choose_operations
    choose_operations.cache_clear()


def test_kernels_that_match_are_used(caplog):
    assert checked(FUSED, CPU, torch.float16, side=2) == FUSED
    assert not caplog.records


def test_only_a_kernel_that_differs_or_fails_is_replaced_by_its_reference_and_named_once(caplog):
    def fail(*given):
        raise OSError("no C compiler\nmore")

    wrong = replace(
        FUSED,
        modulated=lambda *given: FUSED.modulated(*given) * float("nan"),
        warped_features=fail,
        picture=lambda x: FUSED.picture(x) + 0.02,
    )
    usable = checked(wrong, CPU, torch.float16, side=2)
    assert usable == replace(
        FUSED, modulated=PLAIN.modulated, warped_features=PLAIN.warped_features, picture=PLAIN.picture
    )
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "modulated: it is nan off, warped_features: no C compiler, picture: it is 0.02" in record.getMessage()
    assert record.getMessage().endswith(f"; {kernel_choice._remedy()}")


@pytest.mark.parametrize(
    ("system", "compilers", "has_headers", "remedy"),
    [
        ("linux", {"gcc"}, True, "update the graphics driver"),
        ("linux", {"clang"}, True, "update the graphics driver"),
        (
            "linux",
            {"gcc"},
            False,
            "install Python's headers (Debian, Ubuntu: python3-dev, for this Python python{}-dev)",
        ),
        ("linux", set(), True, "install a C compiler (Debian, Ubuntu: gcc)"),
        (
            "linux",
            set(),
            False,
            "install a C compiler (Debian, Ubuntu: gcc) and Python's headers (Debian, Ubuntu: python3-dev, for this "
            "Python python{}-dev)",
        ),
        ("win32", set(), False, "update the graphics driver"),
    ],
)
def test_the_missing_parts_of_a_compiler_are_named(monkeypatch, tmp_path, system, compilers, has_headers, remedy):
    if has_headers:
        (tmp_path / "Python.h").write_bytes(b"")
    monkeypatch.setattr(kernel_choice.shutil, "which", lambda name: f"/usr/bin/{name}" if name in compilers else None)
    monkeypatch.setattr(kernel_choice.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(kernel_choice.sys, "platform", system)
    monkeypatch.delenv("CC", raising=False)
    assert kernel_choice._remedy() == remedy.format(".".join(map(str, sys.version_info[:2])))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("No module named 'triton'"), "the package triton is not installed"),
        (OSError("libtriton.so: wrong ELF class\nmore"), "libtriton.so: wrong ELF class"),
    ],
)
def test_without_triton_the_reference_expressions_compute_and_the_log_says_so_once(
    choose, monkeypatch, caplog, error, said
):
    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name == "animator_core.liveportrait.execution.kernels":
                raise error

    monkeypatch.delitem(sys.modules, "animator_core.liveportrait.execution.kernels")
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    caplog.set_level(logging.INFO)
    for _ in range(2):
        assert choose(torch.device("cuda"), torch.float16) is PLAIN
    (record,) = caplog.records
    assert said in record.getMessage()


def test_on_cuda_kernels_that_match_there_are_used(choose, monkeypatch):
    asked = []
    monkeypatch.setattr(kernel_choice, "checked", lambda fused, device, dtype: asked.append((device, dtype)) or fused)
    for _ in range(2):
        assert choose(torch.device("cuda:1"), torch.float16) == FUSED
    assert asked == [(torch.device("cuda:1"), torch.float16)]


def test_the_networks_compute_with_the_chosen_operations(monkeypatch):
    block = OptimizedBlock(spade_block(4, 4))
    monkeypatch.setattr(networks_module, "choose_operations", lambda device, dtype: FUSED)
    others = [nn.Identity()] * 3
    Networks(nn.Identity(), nn.Identity(), nn.Identity(), block, *others, CPU, torch.float32, "1")
    assert block.operations is FUSED


def test_without_cuda_no_kernel_is_imported():
    code = (
        "import sys, torch, animator_core.liveportrait.model\n"
        "from animator_core.liveportrait.execution.kernel_choice import choose_operations\n"
        "choose_operations(torch.device('cpu'), torch.float32)\n"
        "assert not {name for name in sys.modules if name.endswith(('execution.kernels', 'kernels.warping'))}"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=True)

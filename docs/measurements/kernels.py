"""What lies between the convolutions of a frame, plain and as one kernel each: bytes moved, and on CUDA the time taken.

`python -m docs.measurements.kernels [--repeat 20]`

Bytes are counted from shapes, on any machine: what every operator is given and returns, views apart, and of
convolutions the pass that adds the bias; a sampling is taken to read its volume once. Times are those of CUDA graphs,
as a frame is run, with and without in turn; modulation's have the convolutions in them that make scale and shift.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from typing import Any, Callable

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from animator_core.liveportrait.execution.cuda_graph import capture_kernels
from animator_core.liveportrait.execution.kernel_choice import choose_operations
from animator_core.liveportrait.execution.optimized.generator import OptimizedGenerator
from animator_core.liveportrait.execution.optimized.operations import PLAIN, Operations, use_operations
from animator_core.liveportrait.execution.optimized.warping import OptimizedWarping
from animator_core.liveportrait.networks.build import build_empty
from animator_core.liveportrait.networks.layers import fold, to_channels_last

DTYPE = torch.float16
REST = "the rest (sums, ReLU, joining, halving)"
NAMES = [field.name for field in fields(Operations)]


class BytesMoved(TorchDispatchMode):
    """Counts the bytes that operators other than convolutions read and write, by the part that runs.

    convolved: those that convolutions give.
    """

    def __init__(self) -> None:
        super().__init__()
        self.part = REST
        self.bytes: Counter[str] = Counter()
        self.convolved: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if "convolution" in name:
            self.convolved[self.part] += size(result)
            # The bias is added to what cuDNN gives, by an operator inside of this one.
            self.bytes[self.part] += 2 * size(result) * (args[2] is not None)
        elif not func.is_view and "empty" not in name:
            self.bytes[self.part] += sum(map(size, tensors((args, result))))
        return result


class Frame:
    """A frame on no device: every operation with what it is given, and the bytes moved."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.fused: Counter[str] = Counter()
        self._counter = BytesMoved()
        warping, generator = build_empty("warping_module"), build_empty("spade_generator")
        for network in (warping, generator):
            fold(network)
        optimized_warping, optimized_generator = (
            network.eval().to(DTYPE) for network in (OptimizedWarping(warping), OptimizedGenerator(generator))
        )
        for network in (optimized_warping, optimized_generator):
            to_channels_last(network)
            use_operations(network, Operations(**{name: self._noting(name) for name in NAMES}))
        self._run(optimized_warping, optimized_generator)
        self.plain = self._counter.bytes

    # Not in inference mode, which shows operators that are made of others as one.
    @torch.no_grad()
    def _run(self, warping: OptimizedWarping, generator: OptimizedGenerator) -> None:
        keypoints = torch.empty(1, 21, 3, device="meta")
        features = torch.empty(1, 32, 16, 64, 64, device="meta", dtype=DTYPE)
        source = warping.prepare(features.contiguous(memory_format=torch.channels_last_3d), keypoints)
        with self._counter:
            generator(warping(source, keypoints).warped)

    def _noting(self, name: str) -> Callable[..., Any]:
        def operation(*given: Any, **named: Any) -> Any:
            given += tuple(named.values())
            self.calls.append((name, given))
            self._counter.part = name
            before = self._counter.convolved[name]
            result = getattr(PLAIN, name)(*given)
            self._counter.part = REST
            read = sum(map(size, tensors(given)))
            if name.startswith("modulated"):
                # x for the statistics and once more, and what is made of the hidden pictures.
                read = 2 * size(given[0]) + self._counter.convolved[name] - before
            self.fused[name] += read + sum(map(size, tensors(result)))
            return result

        return operation


def tensors(nested: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in tuples and lists of them."""
    if isinstance(nested, torch.Tensor):
        yield nested
    elif isinstance(nested, (tuple, list)):
        for each in nested:
            yield from tensors(each)


def size(tensor: torch.Tensor) -> int:
    """Return a tensor's bytes; what is repeated by its strides counts once."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def milliseconds(
    calls: list[tuple[str, tuple[Any, ...]]], ways: list[Operations], repeat: int
) -> dict[str, list[float]]:
    """Return by operation what a frame's calls of it take in each way: the median of ``repeat``, in turn."""
    found = {name: [0.0] * len(ways) for name in NAMES}
    for name, given in calls:
        made = tuple(_on_device(each) for each in given)
        replays = [capture_kernels(partial(getattr(way, name), *made))[0] for way in ways]
        times: list[list[float]] = [[] for _ in ways]
        for _ in range(repeat):
            for replay, taken in zip(replays, times):
                start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                start.record()
                replay()
                end.record()
                end.synchronize()
                taken.append(start.elapsed_time(end))
        for index, taken in enumerate(times):
            found[name][index] += statistics.median(taken)
    return found


def _on_device(given: Any) -> Any:
    if isinstance(given, nn.Module):
        made = copy.deepcopy(given).to_empty(device="cuda")
        for values in made.parameters():
            values.normal_(std=0.03)
        return made
    if not isinstance(given, torch.Tensor):
        return given
    return torch.empty_strided(given.shape, given.stride(), dtype=given.dtype, device="cuda").normal_()


@torch.no_grad()
def main(options: argparse.Namespace) -> None:
    """Print the table."""
    frame = Frame()
    print(f"| MB a frame, {DTYPE} | calls | plain | kernels | ratio |\n|---|---|---|---|---|")
    calls = Counter(name for name, _ in frame.calls)
    for name in [*NAMES, REST]:
        plain = frame.plain[name] / 1e6
        fused = frame.fused[name] / 1e6 if name in calls else plain
        print(f"| {name} | {calls.get(name, '')} | {plain:.0f} | {fused:.0f} | {plain / fused:.1f} |")
    plain, rest = sum(frame.plain.values()) / 1e6, frame.plain[REST] / 1e6
    fused = sum(frame.fused.values()) / 1e6 + rest
    print(f"| all but the convolutions | | {plain:.0f} | {fused:.0f} | {plain / fused:.1f} |\n")
    if not torch.cuda.is_available():
        print("No CUDA device here, so nothing was timed.")
        return
    operations = choose_operations(torch.device("cuda"), DTYPE)
    print(f"| ms a frame on {torch.cuda.get_device_name()} | plain | kernels | ratio |\n|---|---|---|---|")
    for name, (plain, fused) in milliseconds(frame.calls, [PLAIN, operations], options.repeat).items():
        remark = " (plain too: see the log)" if getattr(operations, name) is getattr(PLAIN, name) else ""
        print(f"| {name} | {plain:.3f} | {fused:.3f}{remark} | {plain / fused:.2f} |")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeat", type=int, default=20, help="how often each time is taken; the median counts")
    main(arguments.parse_args())

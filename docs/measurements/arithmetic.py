"""Counts what one frame costs: products and sums of every part, as published and as run; takes seconds anywhere.

`python -m docs.measurements.arithmetic`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from animator_core.liveportrait.execution.optimized.generator import OptimizedGenerator
from animator_core.liveportrait.execution.optimized.warping import OptimizedWarping
from animator_core.liveportrait.networks.build import build_empty
from animator_core.liveportrait.networks.layers import fold

PARTS = {
    "warping: hourglass, down": ("encoder",),
    "warping: hourglass, up": ("up_blocks", "up_convs"),
    "warping: hourglass, last": ("decoder.conv", "hourglass.conv"),
    "warping: mask": ("dense_motion_network.mask",),
    "warping: occlusion map": ("dense_motion_network.occlusion",),
    "warping: after the move": ("third", "fourth"),
    "generator: first, and what the middle blocks share": ("fc", "head"),
    "generator: middle blocks": ("G_middle", "middle"),
    "generator: up_0": ("up_0",),
    "generator: up_1": ("up_1",),
    "generator: last": ("conv_img",),
}


def counted(network: nn.Module, run: Callable[[], Any]) -> dict[str, float]:
    """Return the GMAC of every leaf of ``network`` by its name while ``run`` runs."""
    names = {module: name for name, module in network.named_modules()}
    counts: dict[str, float] = {}
    totals: list[float] = []
    with FlopCounterMode(display=False) as counter:
        for module, name in names.items():
            if not list(module.children()):
                module.register_forward_pre_hook(lambda *_: totals.append(counter.get_total_flops()))

                def note(*_: Any, name: str = name) -> None:
                    counts[name] = counts.get(name, 0.0) + (counter.get_total_flops() - totals.pop()) / 2e9

                module.register_forward_hook(note)
        run()
    return counts


def part_of(name: str) -> str | None:
    """Return the row that a module belongs to."""
    if "G_middle" in name and "mlp_shared" in name:
        return "generator: first, and what the middle blocks share"
    for part, marks in PARTS.items():
        if any(f".{mark}" in f".{name}" for mark in marks):
            return part
    return None


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    keypoints = torch.empty(1, 21, 3, device="meta")
    features = torch.empty(1, 32, 16, 64, 64, device="meta")
    warped = torch.empty(1, 256, 64, 64, device="meta")
    warping, generator = build_empty("warping_module").eval(), build_empty("spade_generator").eval()
    published = {
        **counted(warping, lambda: warping(features, keypoints, keypoints)),
        **counted(generator, lambda: generator(warped)),
    }
    warping, generator = build_empty("warping_module").eval(), build_empty("spade_generator").eval()
    fold(warping)
    fold(generator)
    optimized_warping, optimized_generator = OptimizedWarping(warping), OptimizedGenerator(generator)
    source = optimized_warping.prepare(features, keypoints)
    run = {
        **counted(optimized_warping, lambda: optimized_warping(source, keypoints)),
        **counted(optimized_generator, lambda: optimized_generator(warped)),
    }
    rows: dict[str, list[float]] = {part: [0.0, 0.0] for part in PARTS}
    for column, counts in enumerate((published, run)):
        for name, count in counts.items():
            part = part_of(name)
            if part is not None:
                rows[part][column] += count
    print("| GMAC a frame | as published | as run |\n|---|---|---|")
    for part, (one, other) in rows.items():
        print(f"| {part} | {one:.1f} | {other:.1f} |")
    one, other = (sum(values[column] for values in rows.values()) for column in (0, 1))
    print(f"| all | {one:.1f} | {other:.1f} ({other / one - 1:+.0%}) |")


if __name__ == "__main__":
    main()

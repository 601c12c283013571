"""Times one frame by torch and by each provider that onnxruntime has here, in turn, and how far the pictures differ.

`python -m docs.measurements.backends [--weights FOLDER] [--repeat N]`; on a CPU the seconds are those of
the process, over all threads, whatever else runs.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from animator_core.liveportrait.execution.onnx.painter import OnnxPainter
from animator_core.liveportrait.execution.onnx.providers import CPU, PROVIDERS, load_onnxruntime
from animator_core.liveportrait.execution.painter import Painter, Painting, TorchPainter
from animator_core.liveportrait.model import PortraitModel
from docs.measurements.golden_model import parser, picture, weights_folder


def main() -> None:
    """Measure and print."""
    options = parser(__doc__).parse_args()
    with weights_folder(options.weights) as weights, tempfile.TemporaryDirectory() as cache:
        model = PortraitModel.load(weights)
        source_features = model.extract_features(picture("src0"))
        source = model.prepare_warp(source_features)
        keypoints = source_features.keypoints_source + 0.02
        painters: dict[str, Painter] = {"torch": TorchPainter(model.networks)}
        available = load_onnxruntime().get_available_providers()
        for provider in (each for each in PROVIDERS if each.registered in available):
            for is_half in (False, True) if provider.uses_fp16 or provider is CPU else (False,):
                name = f"{provider.label}, {'half' if is_half else 'single'} precision"
                started, cpu = time.perf_counter(), time.process_time()
                painters[name] = OnnxPainter.load(model.networks, Path(cache), replace(provider, uses_fp16=is_half))
                wall, cpu = time.perf_counter() - started, time.process_time() - cpu
                print(f"{name}: ready after {wall:.1f} s ({cpu:.1f} s of CPU)", flush=True)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in painters}
        paintings: dict[str, Painting] = {}
        for _ in range(options.repeat + 1):
            for name, painter in painters.items():
                started, cpu = time.perf_counter(), time.process_time()
                paintings[name] = painter.paint(source, keypoints)
                times[name].append((time.perf_counter() - started, time.process_time() - cpu))
    print(f"torch threads: {torch.get_num_threads()}; medians of {options.repeat}, the first of each left out")
    for name, taken in times.items():
        wall, cpu = (statistics.median(each) for each in zip(*taken[1:]))
        levels = 255 * (paintings[name].picture - paintings["torch"].picture).abs()
        off = f"differs by {levels.mean():.3f} levels of 255, {levels.max():.3f} at most"
        print(f"{name}: {cpu:.2f} s of CPU, {wall:.2f} s, {off}")


if __name__ == "__main__":
    main()

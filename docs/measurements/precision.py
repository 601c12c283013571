"""Half precisions against single: how far the picture is off, and what a convolution costs on this device.

`python -m docs.measurements.precision [--weights DIR] [--device cuda] [--types bfloat16 float16]`

A CPU that lacks a precision's instructions takes minutes for a frame in it. So on a CPU the error is that of networks
whose weights and every layer's results are rounded to the precision, computed in single; one convolution is timed.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.model import PortraitModel, SourceFeatures
from docs.measurements.golden_model import parser, picture, seconds, weights_folder

_STEP = 0.2
"""Share of the way from the source's keypoints to another face's: what a driver's face does."""


def main(options: argparse.Namespace) -> None:
    with weights_folder(options.weights) as folder:
        model = PortraitModel.load(folder, options.device)
        source = model.extract_features(picture("src0"))
        moved = source.keypoints_source + _STEP * (
            model.extract_features(picture("src1")).keypoints_source - source.keypoints_source
        )
        exact = _picture(model, source, moved)
        for name in options.types:
            dtype = getattr(torch, name)
            if options.device == "cpu":
                half = PortraitModel.load(folder)
                _round(half, dtype)
            else:
                half = PortraitModel.load(folder, options.device, dtype)
            error = ((_picture(half, half.extract_features(picture("src0")), moved) - exact) * 255).abs()
            mean, most = float(error.mean()), float(error.max())
            print(f"{name}: the picture is off by {mean:.2f} levels of 255 on average, {most:.1f} at most")
            cost, single = (_convolution_seconds(each, options) for each in (dtype, torch.float32))
            print(f"{name}: a convolution takes {cost / single:.2f} times as long as in float32")


def _picture(model: PortraitModel, source: SourceFeatures, keypoints: torch.Tensor) -> torch.Tensor:
    return model.paint(source, keypoints).picture.float().cpu()


def _round(model: PortraitModel, dtype: torch.dtype) -> None:
    networks = model.networks
    for network in (networks.appearance_feature_extractor, networks.warping_module, networks.spade_generator):
        for parameter in network.parameters():
            parameter.copy_(parameter.to(dtype).float())
        for module in network.modules():
            if not list(module.children()):
                module.register_forward_hook(_rounded_to(dtype))


def _rounded_to(dtype: torch.dtype):
    def hook(module: nn.Module, given: object, result: torch.Tensor) -> torch.Tensor:
        return result.to(dtype).float()

    return hook


def _convolution_seconds(dtype: torch.dtype, options: argparse.Namespace) -> float:
    """Return what one of the generator's convolutions takes: 256 channels of 64×64, 3×3."""
    values = torch.rand(1, 256, 64, 64, device=options.device, dtype=dtype)
    kernel = torch.rand(256, 256, 3, 3, device=options.device, dtype=dtype)
    return seconds(lambda: F.conv2d(values, kernel, padding=1), options.repeat, options.device)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--types", nargs="+", default=["bfloat16", "float16"], choices=("bfloat16", "float16"))
    with torch.inference_mode():
        main(arguments.parse_args())

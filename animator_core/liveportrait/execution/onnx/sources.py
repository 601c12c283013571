"""What is the character's, kept where the networks run: between two frames only keypoints go there."""

from __future__ import annotations

import weakref
from typing import Any, Callable

import numpy as np
import torch

from animator_core.liveportrait.execution.onnx.graph import INPUTS
from animator_core.liveportrait.execution.onnx.providers import Provider
from animator_core.liveportrait.execution.optimized.warping import WarpingSource

Values = dict[str, Any]
"""``OrtValue`` by the graph's input."""

MakeValue = Callable[[np.ndarray, str, int], Any]
"""Onnxruntime's way to an ``OrtValue``, in its memory of a name and of the GPU of a number."""


class KeptSources:
    """The sources' tensors as onnxruntime's values on the provider's device, each as long as its source is used."""

    def __init__(self, provider: Provider, make_value: MakeValue) -> None:
        self._memory, self._index = provider.memory, provider.index
        self._make_value = make_value
        self._kept: dict[int, tuple[weakref.ref[WarpingSource], list[Values]]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def values(self, source: WarpingSource) -> list[Values]:
        """Return the inputs that are the source's, one set for each that it is a batch of; by one thread at a time."""
        key = id(source)
        if key not in self._kept:
            values = self._made(source)
            kept = self._kept
            # A source that nothing uses any more takes its values with it.
            kept[key] = weakref.ref(source, lambda _: kept.pop(key, None)), values
        return self._kept[key][1]

    def _made(self, source: WarpingSource) -> list[Values]:
        tensors = (source.features, source.keypoints, source.compressed, source.resting)
        arrays = [to_array(each) for each in tensors]
        return [
            {name: self._value(array[min(index, len(array) - 1)][None]) for name, array in zip(INPUTS, arrays)}
            for index in range(max(len(array) for array in arrays))
        ]

    def _value(self, array: np.ndarray) -> Any:
        return self._make_value(array, self._memory, self._index)


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """Return the tensor as the graph takes it: float32, in the computer's memory, one number after the other."""
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())

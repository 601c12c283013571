"""The parts of a motion basis while it is computed: the coarse grid first, then the fine one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Callable

import numpy as np
import torch

from animator_core.anime.basis import MotionBasis, Region, region_arrays, regions_of, tensors_of
from animator_core.anime.building import EXPRESSION_COUNT, BasisBuilder, Node, Place, assemble_head, head_places
from animator_core.arrays import AnyArray, Int16Array, IntArray

COARSE, FINE = 3, 5
"""Nodes along each axis of the head."""
_REGIONS_SHARE, _BODY_SHARE = 0.1, 0.07


@dataclass
class BasisParts:
    """All that is computed so far; fields as in `MotionBasis`, None before they are there."""

    cells: IntArray | None = None
    regions: Mapping[str, Region] | None = None
    body: Int16Array | None = None
    nodes: dict[Place, Node] = field(default_factory=dict)
    _expressions_done: int = 0

    @property
    def progress(self) -> float:
        """The share of the computation that is done, 0 to 1."""
        face = 1.0 if self.regions is not None else self._expressions_done / EXPRESSION_COUNT
        done = _REGIONS_SHARE * face + _BODY_SHARE * (self.body is not None)
        return done + (1 - _REGIONS_SHARE - _BODY_SHARE) * len(self.nodes) / FINE**3

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to compute."""
        return self.is_usable and len(self.nodes) == FINE**3

    @property
    def is_usable(self) -> bool:
        """Whether the coarse basis is complete."""
        has_rest = self.regions is not None and self.body is not None
        return has_rest and all(place in self.nodes for place in head_places(COARSE))

    def advance(self, make_builder: Callable[[], BasisBuilder]) -> Iterator[None]:
        """Compute one part after the other, and yield after each."""
        builder = make_builder()
        if self.regions is None:
            self.regions = yield from self._counted(builder.regions())
        builder.begin_poses(self.regions, self.cells)
        self.cells = builder.cells
        yield
        for side in (COARSE, FINE):
            for place in head_places(side):
                if place not in self.nodes:
                    self.nodes[place] = builder.head_node(place)
                    yield
            if self.body is None:
                self.body = builder.body_nodes()
                yield

    def _counted(self, steps: Generator[None, None, dict[str, Region]]) -> Generator[None, None, dict[str, Region]]:
        self._expressions_done = 0
        while True:
            try:
                next(steps)
            except StopIteration as end:
                regions: dict[str, Region] = end.value
                return regions
            self._expressions_done += 1
            yield

    def basis(self) -> MotionBasis | None:
        """Return the finest basis that is complete, None before the coarse one is."""
        if not self.is_usable:
            return None
        assert self.cells is not None and self.regions is not None and self.body is not None
        side = FINE if len(self.nodes) == FINE**3 else COARSE
        return MotionBasis(assemble_head(self.nodes, side), self.cells, body=self.body, regions=self.regions)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the parts as tensors by name, for `tensor_file`."""
        arrays: dict[str, AnyArray] = {}
        if self.cells is not None:
            arrays["cells"] = self.cells
        if self.body is not None:
            arrays["body"] = self.body
        if self.regions is not None:
            arrays.update(region_arrays(self.regions))
        if self.nodes:
            nodes = list(self.nodes.values())
            arrays["nodes.place"] = np.array(list(self.nodes), np.float64)
            arrays["nodes.flow"] = np.stack([node.flow for node in nodes])
            arrays["nodes.count"] = np.array([len(node.tiles) for node in nodes], np.int64)
            arrays["nodes.numbers"] = np.concatenate([node.tile_numbers for node in nodes])
            arrays["nodes.tiles"] = np.concatenate([node.tiles for node in nodes])
        return tensors_of(arrays)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> BasisParts:
        """Return the parts of `tensors`; raises KeyError or ValueError for others."""
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        parts = cls(arrays.get("cells"), regions_of(arrays) or None, arrays.get("body"))
        if "nodes.place" in arrays:
            ends = np.cumsum(arrays["nodes.count"])
            numbers, tiles = (np.split(arrays[name], ends[:-1]) for name in ("nodes.numbers", "nodes.tiles"))
            for place, flow, number, tile in zip(arrays["nodes.place"], arrays["nodes.flow"], numbers, tiles):
                z, y, x = (float(value) for value in place)
                parts.nodes[z, y, x] = Node(flow, number, tile)
        return parts

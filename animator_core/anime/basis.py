"""The motion basis: all that the networks can make of one character, as flows and patches at the nodes of pose grids.

A node holds the change from the character's picture: a flow, from which the picture is sampled, and a patch, which is
laid over it: `paint + (1 - share) · sampled`. Colours are as `frame_ring.FORMAT_BGRA_PREMULTIPLIED` has them, in the
networks' pixels (512×512, the head in its box, see `network_picture`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from animator_core.anime.networks.chain import SIDE
from animator_core.arrays import AnyArray, Int16Array, IntArray, UInt8Array

FORMAT_VERSION = 6
"""Raised when the content of a file changes."""
FLOW_UNIT = 1 / 64
"""Pixels of a flow's whole numbers: finer than is seen, and up to 512 pixels."""
CELLS = SIDE // 2
"""The flow of head and body is kept at half the networks' size: it is smooth."""
TILE = 8
TILES = SIDE // TILE
GRIDS = {
    2: (-1.0, 1.0),
    3: (-1.0, 0.0, 1.0),
    5: (-1.0, -0.5, 0.0, 0.5, 1.0),
    7: tuple(-1 + step / 3 for step in range(7)),
}
"""Nodes along each of `HEAD_AXES` by their number."""
HEAD_AXES = ("neck_z", "head_y", "head_x")
BODY_NODES = (
    *(("body_y", value) for value in (-1.0, -0.5, 0.5, 1.0)),
    *(("body_z", value) for value in (-1.0, -0.5, 0.5, 1.0)),
    *(("breathing", value) for value in (0.5, 1.0)),
)
"""Of body and breath, one parameter each; all others are 0."""


@dataclass(frozen=True)
class HeadBasis:
    """The nodes of the head, in the order of neck_z, head_y, head_x, the last the fastest.

    side: nodes along each axis, a key of `GRIDS`. flow: (N, C, 2) int16, x and y in `FLOW_UNIT`, at the cells of
    `MotionBasis`. index: (N, 64, 64) int32, the number of each tile in ``tiles``, -1 for none. tiles: (T, 8, 8, 5)
    uint8, paint (BGRA) and share.
    """

    side: int
    flow: Int16Array
    index: IntArray
    tiles: UInt8Array


@dataclass(frozen=True)
class Region:
    """A part of the face: its rectangle in the networks' picture, and the nodes of its expressions.

    flow: (N, h, w, 2) int16, x and y in `FLOW_UNIT`. share: (N, h, w) uint8. paint: (N, h, w, 4) uint8 BGRA.
    """

    top: int
    left: int
    flow: Int16Array
    share: UInt8Array
    paint: UInt8Array


@dataclass(frozen=True)
class MotionBasis:
    """The basis of one character.

    cells: (C,) int32, the places of the flow's cells in the grid of 256×256, row by row. body: (10, C, 2) int16, flows
    of `BODY_NODES` less the neutral one. regions: by name: "mouth", "corners", and with "_left" and "_right" "lids",
    "iris" and "brows". The patch of the brows' node 0 is the skin below, the share of node 1 the opacity of the brow.
    """

    head: HeadBasis
    cells: IntArray
    body: Int16Array
    regions: Mapping[str, Region]

    @property
    def nbytes(self) -> int:
        """Size in memory and on disk, in bytes."""
        return sum(array.nbytes for array in to_arrays(self).values())


_HEAD = ("flow", "index", "tiles")
_REGION = ("flow", "share", "paint")
_REGIONS = ("mouth", "corners", *(f"{part}_{side}" for part in ("lids", "iris", "brows") for side in ("left", "right")))


def to_arrays(basis: MotionBasis) -> dict[str, AnyArray]:
    """Return the basis as arrays by name."""
    arrays: dict[str, AnyArray] = {f"head.{name}": getattr(basis.head, name) for name in _HEAD}
    arrays["head.side"] = np.array([basis.head.side], np.int32)
    arrays["cells"], arrays["body"] = basis.cells, basis.body
    return {**arrays, **region_arrays(basis.regions)}


def region_arrays(regions: Mapping[str, Region]) -> dict[str, AnyArray]:
    """Return regions as arrays by name."""
    arrays: dict[str, AnyArray] = {}
    for name, region in regions.items():
        arrays.update({f"{name}.{part}": getattr(region, part) for part in _REGION})
        arrays[f"{name}.corner"] = np.array([region.top, region.left], np.int32)
    return arrays


def regions_of(arrays: Mapping[str, AnyArray]) -> dict[str, Region]:
    """Return the regions of `region_arrays`; raises KeyError if a part is missing."""
    regions = {}
    for name in sorted(name[: -len(".corner")] for name in arrays if name.endswith(".corner")):
        top, left = (int(x) for x in arrays[f"{name}.corner"])
        regions[name] = Region(top, left, *(arrays[f"{name}.{part}"] for part in _REGION))
    return regions


def from_arrays(arrays: Mapping[str, AnyArray]) -> MotionBasis:
    """Return the basis from arrays as `to_arrays` gives them; raises KeyError or ValueError for others."""
    side = int(arrays["head.side"][0])
    head = HeadBasis(side, *(arrays[f"head.{name}"] for name in _HEAD))
    basis = MotionBasis(head, arrays["cells"], body=arrays["body"], regions=regions_of(arrays))
    if side not in GRIDS or not all(_parts_fit(basis)):
        raise ValueError("its parts do not fit together")
    return basis


def _parts_fit(basis: MotionBasis) -> Iterator[bool]:
    """Yield whether shapes and types are those that compiled code takes without looking."""
    head, cells = basis.head, basis.cells
    nodes, count = head.side**3, len(cells)
    yield _is(cells, np.int32, (count,)) and bool(((cells >= 0) & (cells < CELLS * CELLS)).all())
    yield _is(head.flow, np.int16, (nodes, count, 2)) and _is(basis.body, np.int16, (len(BODY_NODES), count, 2))
    yield _is(head.index, np.int32, (nodes, TILES, TILES)) and bool((head.index < len(head.tiles)).all())
    yield _is(head.tiles, np.uint8, (len(head.tiles), TILE, TILE, 5))
    yield basis.regions.keys() == set(_REGIONS)
    for region in basis.regions.values():
        shape = region.share.shape
        yield region.share.dtype == np.uint8
        yield _is(region.flow, np.int16, (*shape, 2)) and _is(region.paint, np.uint8, (*shape, 4))


def _is(array: AnyArray, dtype: type, shape: tuple[int, ...]) -> bool:
    return array.dtype == dtype and array.shape == shape


def tensors_of(arrays: Mapping[str, AnyArray]) -> dict[str, torch.Tensor]:
    """Return arrays as tensors, for `tensor_file`."""
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}

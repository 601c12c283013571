"""Made motion bases and stand-in networks, whose flows, shares and colours are known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from animator_core.anime import expression, parameters
from animator_core.anime.basis import BODY_NODES, CELLS, FLOW_UNIT, GRIDS, TILES, HeadBasis, MotionBasis, Region
from animator_core.anime.basis_parts import BasisParts
from animator_core.anime.building import BasisBuilder
from animator_core.anime.continuation import continued
from animator_core.anime.network_picture import network_picture
from animator_core.anime.networks.chain import BROWS, FACE, SIDE, AnimeNetworks, Layers
from animator_core.anime.networks.layers import sample
from animator_core.anime.placing import Fit
from animator_core.anime.store import BasisStore
from animator_core.config import PROJECT_ROOT

REGION_NODES = {
    "lids": expression.node_count(expression.LIDS),
    "iris": len(expression.IRIS_GRID) ** 2 + expression.IRIS_SMALL.steps,
    "brows": expression.node_count(expression.BROWS),
    "mouth": expression.node_count(expression.VOWELS),
    "corners": expression.node_count(expression.CORNERS),
}
PLACES = {
    "lids_right": (120, 200, 30, 40),
    "lids_left": (120, 270, 30, 40),
    "iris_right": (120, 200, 30, 40),
    "iris_left": (120, 270, 30, 40),
    "brows_right": (90, 196, 36, 64),
    "brows_left": (90, 252, 36, 64),
    "mouth": (170, 230, 24, 50),
    "corners": (170, 230, 24, 50),
}
"""Top, left, height and width; the boxes of the brows overlap."""


def whole(pixels: float) -> int:
    """Return a flow in its unit."""
    return round(pixels / FLOW_UNIT)


def region(name: str) -> Region:
    """Return a region that changes nothing."""
    top, left, height, width = PLACES[name]
    count = REGION_NODES[name.partition("_")[0]]
    return Region(
        top,
        left,
        flow=np.zeros((count, height, width, 2), np.int16),
        share=np.zeros((count, height, width), np.uint8),
        paint=np.zeros((count, height, width, 4), np.uint8),
    )


def empty_basis(side: int = 3) -> MotionBasis:
    """Return a basis in which nothing moves."""
    cells = np.arange(CELLS * CELLS, dtype=np.int32)
    head = HeadBasis(
        side,
        flow=np.zeros((side**3, len(cells), 2), np.int16),
        index=np.full((side**3, TILES, TILES), -1, np.int32),
        tiles=np.zeros((0, 8, 8, 5), np.uint8),
    )
    body = np.zeros((len(BODY_NODES), len(cells), 2), np.int16)
    return MotionBasis(head, cells, body=body, regions={name: region(name) for name in PLACES})


def head_node(z: float, y: float, x: float, *, side: int = 3) -> int:
    """Return the number of a node."""
    z_index, y_index, x_index = (GRIDS[side].index(value) for value in (z, y, x))
    return (z_index * side + y_index) * side + x_index


def with_tile(basis: MotionBasis, node: int, *, row: int, column: int, pixel: tuple[int, int, int, int, int]) -> None:
    """Lay a tile of one colour, BGRA and share, into a node; basis: of `empty_basis`, changed in place."""
    tiles = np.concatenate([basis.head.tiles, np.full((1, 8, 8, 5), pixel, np.uint8)])
    basis.head.index[node, row, column] = len(tiles) - 1
    object.__setattr__(basis, "head", replace(basis.head, tiles=tiles))


@dataclass(frozen=True)
class _FaceChange:
    flow: torch.Tensor
    mouth_share: torch.Tensor
    mouth_colour: torch.Tensor
    eye_share: torch.Tensor
    eye_colour: torch.Tensor

    def apply(self, face: torch.Tensor) -> torch.Tensor:
        flowed = sample(face, self.flow)
        below = self.mouth_share * self.mouth_colour + (1 - self.mouth_share) * flowed
        return self.eye_share * self.eye_colour + (1 - self.eye_share) * below


@dataclass(frozen=True)
class _BodyChange:
    flow: torch.Tensor
    share: torch.Tensor
    colour: torch.Tensor

    def apply(self, picture: torch.Tensor) -> torch.Tensor:
        return self.share * self.colour + (1 - self.share) * sample(picture, self.flow)


def _disk(side: int, rows: tuple[int, int], columns: tuple[int, int]) -> torch.Tensor:
    mask = torch.zeros(1, 1, side, side)
    mask[..., rows[0] : rows[1], columns[0] : columns[1]] = 1
    return mask


class SmoothNetworks(nn.Module):
    """Stands in for `AnimeNetworks`: shifts for head and body, one colour for lids and mouth; counts evaluations."""

    def __init__(self) -> None:
        super().__init__()
        self._weight = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.poses: list[np.ndarray] = []
        self.faces = 0
        side = FACE[0].stop - FACE[0].start
        # Right and left eye and mouth, as in PLACES.
        eyes = ((110, 140), (48, 88)), ((110, 140), (108, 148))
        self._lids = [_disk(side, rows, columns) for rows, columns in eyes]
        self._mouth = _disk(side, (150, 170), (76, 116))
        self.eyebrow_morphing_combiner = SimpleNamespace(
            body=lambda both, pose: pose, morphed_eyebrow_layer_grid_change=self._brow_flow
        )

    def _brow_flow(self, pose: torch.Tensor) -> torch.Tensor:
        flow = torch.zeros(1, 2, 128, 128)
        flow[:, 1] = pose.sum() * 0.01
        return flow

    def decompose(self, picture: torch.Tensor) -> Layers:
        background = picture[:, :, BROWS[0], BROWS[1]].clone()
        brows = torch.full_like(background, -1)
        for columns in (slice(20, 50), slice(78, 108)):
            brows[:, :, 30:36, columns] = torch.tensor([-0.8, -0.9, -0.9, 1.0])[None, :, None, None]
        return Layers(background, brows)

    def move_brows(self, picture: torch.Tensor, layers: Layers, pose: torch.Tensor) -> torch.Tensor:
        return picture[:, :, FACE[0], FACE[1]].clone()

    def change_face(self, face: torch.Tensor, pose: torch.Tensor) -> _FaceChange:
        self.faces += 1
        value = {name: float(pose[0, index]) for name, index in parameters.INDEX.items()}
        flow = torch.zeros(1, 2, *face.shape[2:])
        for lids in self._lids:
            flow[:, :1] += lids * value["iris_rotation_x"] * 0.02
        flow[:, 1:] += self._mouth * value["mouth_raised_corner_left"] * 0.02
        lid_names = [name for name in value if name.startswith("eye_")]
        shares = [
            lids * max(value[name] for name in lid_names if name.endswith(side))
            for lids, side in zip(self._lids, ("right", "left"))
        ]
        mouth = self._mouth * max(value[f"mouth_{vowel}"] for vowel in ("aaa", "iii", "uuu", "eee", "ooo", "delta"))
        colour = torch.full_like(face, 1.0)
        return _FaceChange(
            flow,
            mouth,
            colour * torch.tensor([1.0, -1.0, -1.0, 1.0])[None, :, None, None],
            shares[0] + shares[1],
            colour,
        )

    def change_body(self, picture: torch.Tensor, pose: torch.Tensor) -> _BodyChange:
        self.poses.append(pose[0].numpy().copy())
        value = {name: float(pose[0, index]) for name, index in parameters.INDEX.items()}
        flow = torch.zeros(1, 2, SIDE, SIDE)
        flow[:, 0] = 0.02 * value["head_y"] + 0.01 * value["body_y"]
        flow[:, 1] = 0.02 * value["head_x"] + 0.005 * value["breathing"]
        share = torch.zeros(1, 4, SIDE, SIDE)
        share[..., 300:330, 200:240] = abs(value["neck_z"])
        return _BodyChange(flow, share, torch.full_like(picture, 0.5))


def smooth_picture() -> torch.Tensor:
    """Return a picture as the networks take it: a coloured head and body."""
    picture = torch.full((1, 4, SIDE, SIDE), -1.0)
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    inside = ((rows - 128) ** 2 + (columns - 256) ** 2 < 70**2) | ((rows > 180) & ((columns - 256).abs() < 90))
    for channel in range(3):
        wave = 0.3 * torch.sin(rows / (9 + channel)) * torch.cos(columns / 11)
        picture[0, channel][inside] = wave[inside].float()
    picture[0, 3][inside] = 1
    return picture


def coarse_basis(networks: AnimeNetworks, fit: Fit) -> MotionBasis:
    """Return the coarse basis of a character by the real networks; kept in the cache folder while the code is the same.

    Takes about a minute.
    """
    code = hashlib.sha256()
    for path in sorted((PROJECT_ROOT / "animator_core" / "anime").rglob("*.py")):
        code.update(path.read_bytes())
    store = BasisStore(PROJECT_ROOT / "cache" / "test-bases")
    key = hashlib.sha256(f"{code.hexdigest()} {fit.picture.tobytes()!r} {fit.place}".encode()).hexdigest()
    basis = store.get(key)
    if basis is None:
        parts = BasisParts()
        picture = network_picture(*continued(fit.picture, fit.place))
        for _ in parts.advance(lambda: BasisBuilder(networks, picture)):
            basis = parts.basis()
            if basis is not None:
                break
        assert basis is not None
        store.put(key, basis)
    return basis

"""Draws a character by the networks themselves, frame by frame: for a GPU with time to spare, and for comparison."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from animator_core.anime.continuation import continued
from animator_core.anime.network_picture import CENTER, network_picture, shown
from animator_core.anime.networks.chain import SIDE, AnimeNetworks
from animator_core.anime.player import parameter_steps
from animator_core.arrays import FloatArray, UInt8Array
from animator_core.characters.head_place import HeadPlace
from animator_core.rendering.srgb import premultiplied_bgra


class NetworkPlayer:
    """As `player.BasisPlayer`; all comes out in the networks' resolution.

    picture: (H, W, 4) uint8 RGBA, straight alpha. place: of its head.
    """

    def __init__(self, networks: AnimeNetworks, picture: UInt8Array, place: HeadPlace) -> None:
        self.steps = parameter_steps(place)
        self._networks = networks
        self._device = next(networks.parameters()).device
        self._picture = network_picture(*continued(picture, place)).to(self._device)
        with torch.inference_mode():
            self._layers = networks.decompose(self._picture)
        self._frame = premultiplied_bgra(picture)
        height, width = picture.shape[:2]
        (x, y), scale = place.center, place.scale
        columns = ((np.arange(width) + 0.5 - x) * scale + CENTER[0] - 0.5).astype(np.float32)
        rows = ((np.arange(height) + 0.5 - y) * scale + CENTER[1] - 0.5).astype(np.float32)
        inside_x, inside_y = ((line > -0.5) & (line < SIDE - 0.5) for line in (columns, rows))
        self._columns = slice(int(np.argmax(inside_x)), width - int(np.argmax(inside_x[::-1])))
        self._rows = slice(int(np.argmax(inside_y)), height - int(np.argmax(inside_y[::-1])))
        self._x, self._y = np.meshgrid(columns[self._columns], rows[self._rows])

    @torch.inference_mode()
    def draw(self, pose: FloatArray) -> UInt8Array:
        """Return the character in a pose, (H, W, 4) uint8 BGRA, premultiplied; the next call changes it."""
        drawn = self._networks(self._picture, self._layers, torch.from_numpy(pose)[None].to(self._device))
        small = np.rint(shown(drawn) * 255).astype(np.uint8)
        enlarged = cv2.remap(small, self._x, self._y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        self._frame[self._rows, self._columns] = enlarged
        return self._frame

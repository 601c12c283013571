"""Writes rendered pictures into a ring."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.ipc.frame_ring import FORMAT_BGRA_PREMULTIPLIED, RingWriter


def publish_picture(writer: RingWriter, picture: UInt8Array, captured_ns: int) -> None:
    """Make a copy of ``picture`` the newest frame: (H, W, 4) uint8 BGRA, premultiplied; see `Renderer.draw`.

    captured_ns: capture time of the driving frame. The picture must fit into the ring.
    """
    height, width, channels = picture.shape
    slot = np.frombuffer(writer.begin(), np.uint8, picture.nbytes)
    np.copyto(slot.reshape(picture.shape), picture)
    writer.publish(
        width, height, stride=width * channels, pixel_format=FORMAT_BGRA_PREMULTIPLIED, captured_ns=captured_ns
    )

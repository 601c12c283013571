"""The driver's neutral pose as arrays and as text, to be given back to another run of the worker."""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from collections.abc import Mapping

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.atomic_file import DAMAGE, read_open_npz
from animator_core.motion.anatomy import REGION_COUNT
from animator_core.motion.face_state import NeutralPose
from animator_core.tracking.observation import LANDMARK_COUNT
from animator_core.tracking.pose import HeadPose

Arrays = Mapping[str, FloatArray]
_MAX_UNPACKED_BYTES = 1 << 20
_SHAPES = {
    "rotation": (3, 3),
    "translation": (3,),
    "scale": (),
    "shape": (LANDMARK_COUNT, 3),
    "eye_ratio": (2,),
    "gaze": (2, 2),
    "frame_width": (),
    "calm_seconds": (REGION_COUNT,),
    "is_chosen": (),
}


def neutral_of_arrays(arrays: Arrays) -> NeutralPose | None:
    """Return the neutral pose of `NeutralPose.arrays`; None if they are none."""
    if not are_sound(arrays, _SHAPES):
        return None
    pose = HeadPose(arrays["rotation"], arrays["translation"], float(arrays["scale"]))
    if pose.scale <= 0:
        return None
    return NeutralPose(
        pose=pose,
        shape=arrays["shape"],
        eye_ratio=arrays["eye_ratio"],
        gaze=arrays["gaze"],
        frame_width=int(arrays["frame_width"]),
        calm_seconds=arrays["calm_seconds"],
        is_chosen=bool(arrays["is_chosen"]),
    )


def are_sound(arrays: Arrays, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether there is a finite float32 array of each shape."""
    return all(
        name in arrays
        and arrays[name].shape == shape
        and arrays[name].dtype == np.float32
        and bool(np.isfinite(arrays[name]).all())
        for name, shape in shapes.items()
    )


def to_text(arrays: Arrays) -> str:
    """Return arrays by name as one line of ASCII, some ten kilobytes; "" for none."""
    if not arrays:
        return ""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            # Without the time of day: the same numbers give the same text.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return base64.b64encode(file.getvalue()).decode()


def from_text(text: str) -> dict[str, FloatArray]:
    """Return the arrays of such a line; none if it is damaged."""
    try:
        return read_open_npz(io.BytesIO(base64.b64decode(text, validate=True)), (), _MAX_UNPACKED_BYTES)
    except (*DAMAGE, OSError, binascii.Error):
        return {}

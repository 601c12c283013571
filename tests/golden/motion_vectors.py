"""Makes golden/motion.npz, the vectors of LivePortrait's motion and geometry, from the complete ones.

`python -m tests.golden.motion_vectors OUT.npz`, with ../shared beside the checkout. The faces that the option cases
start from are what our motion extractor sees with the golden weights; test_liveportrait_parity.py compares it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import torch

from animator_core.liveportrait.motion.crop import (
    crop_transform,
    face_square,
    reduced_to_networks,
    warp_to_crop,
)
from animator_core.liveportrait.motion.face_motion import FaceMotion, face_motion, ratio_tensors
from animator_core.liveportrait.networks.motion_extractor import MotionExtractor
from tests.golden.golden_rule import face_image, image_tensor, landmarks203, make_state_dict
from tests.golden.golden_vectors import SHARED, shapes
from tests.official_crop import face_axis

ARCHIVE = Path(__file__).with_name("motion.npz")
_GEOMETRY = (
    "bbox/out",
    "bbox/global",
    "bbox/M_o2c",
    "bbox/lmk_crop",
    "resize_to_limit/in_hw",
    "resize_to_limit/out_hw",
    "mask/template_row0_64",
    "smooth/in",
    "smooth/out_3e-7",
    "smooth/out_1e-4",
    "multiplier/out",
    "transform/in/kp",
)
_MASK_STEP = 7


def make_archive() -> dict[str, np.ndarray]:
    """Return everything that the archive holds, by name."""
    cases = json.loads((SHARED / "golden.json").read_text(encoding="utf-8"))
    networks = np.load(SHARED / "golden_nets.npz", allow_pickle=False)
    geometry = np.load(SHARED / "golden_geometry.npz", allow_pickle=False)
    made = dict(_faces(networks))
    for case in cases["option_cases"]:
        made |= {name: networks[name] for name in (f"opt/{case['id']:03d}/{part}" for part in ("x_s", "x_d"))}
    made["crop"] = np.stack([geometry[f"crop/{case['id']:03d}"] for case in cases["crop_cases"]])
    made |= {name: geometry[name] for name in geometry.files if name in _GEOMETRY or name.startswith("ratio/")}
    for source in ("src0", "src1"):
        made[f"mask/{source}"] = geometry[f"mask/{source}_s13"][::_MASK_STEP]
        made[f"image_from_crop/{source}"] = networks[f"chain/{source}/M_c2o"]
    made["cases"] = np.array(json.dumps({"options": cases["option_cases"], "crops": cases["crop_cases"]}))
    return made


@torch.inference_mode()
def _faces(networks: np.lib.npyio.NpzFile) -> Iterator[tuple[str, np.ndarray]]:
    extractor = MotionExtractor().eval()
    weights = make_state_dict("motion_extractor", shapes()["motion_extractor"])
    extractor.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})

    def seen(picture: np.ndarray, landmarks: np.ndarray) -> FaceMotion:
        return face_motion(extractor(torch.from_numpy(image_tensor(picture))), *ratio_tensors(landmarks))

    found = {}
    for name in ("src0", "src1"):
        found[f"source/{name}"] = seen(networks[f"chain/{name}/img_crop_256x256"], landmarks203(name, 400))
    if cv2.__version__.startswith("5."):
        found["source/drv2"] = seen(_source_crop("drv2"), landmarks203("drv2", 400))
    else:
        # OpenCV before 5 crops up to two levels differently from the vectors' own; nothing else depends on it.
        print(f"OpenCV {cv2.__version__}: source/drv2 is taken from {ARCHIVE.name}", file=sys.stderr)
        with np.load(ARCHIVE, allow_pickle=False) as present:
            yield from ((key, present[key]) for key in present.files if key.startswith("faces/source/drv2/"))
    for name in ("drv0", "drv1", "drv2"):
        found[f"driving/{name}"] = seen(face_image(name, 256), landmarks203(name, 256))
    for name, motion in found.items():
        yield from ((f"faces/{name}/{each.name}", getattr(motion, each.name).numpy()) for each in fields(motion))


def _source_crop(name: str) -> np.ndarray:
    """Return (256, 256, 3) uint8, what the official code crops of a 400-pixel source."""
    landmarks = landmarks203(name, 400)
    square = face_square(landmarks, face_axis(landmarks), 2.3, 0, -0.125)
    return reduced_to_networks(warp_to_crop(face_image(name, 400), crop_transform(square, 512), 512))


if __name__ == "__main__":
    output = Path(sys.argv[1])
    np.savez_compressed(output, **make_archive())
    print(hashlib.sha256(output.read_bytes()).hexdigest())

"""The rules that the golden vectors' weights, pictures and landmarks follow, the same to the bit on every machine.

Only raw PCG64 output, which NumPy keeps stable, arithmetic of IEEE 754 and exact sums: no sin, exp or matrix product.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib

import numpy as np

SEED = 20240704
SIGMA = 1.5
"""The spectral norm that each weight_orig is made to have with its weight_u and weight_v."""

# The first pattern that network/key begins with gives the standard deviation times the root of what goes in.
GAINS = [
    (r"appearance_feature_extractor/resblocks_3d\.", 1.0),
    (r"appearance_feature_extractor/", 1.6),
    (r"motion_extractor/detector\.fc_kp\.", 0.35),
    (r"motion_extractor/detector\.fc_exp\.", 0.15),
    (r"motion_extractor/detector\.fc_scale\.", 0.10),
    (r"motion_extractor/detector\.fc_t\.", 0.10),
    (r"motion_extractor/detector\.fc_(pitch|yaw|roll)\.", 1.6),
    (r"motion_extractor/", 1.2),
    (r"warping_module/dense_motion_network\.mask\.", 6.0),
    (r"warping_module/dense_motion_network\.occlusion\.", 2.0),
    (r"warping_module/", 1.6),
    (r"spade_generator/.*\.mlp_(gamma|beta)\.", 0.7),
    (r"spade_generator/conv_img\.", 0.7),
    (r"spade_generator/", 1.4),
    (r"(stitching/mlp\.6|lip/mlp\.6|eye/mlp\.10)\.", 0.05),
    (r"(stitching|lip|eye)/", 1.4),
]
# Centre and spread of the biases that are not 0.1 times noise.
BIASES = {
    "motion_extractor/detector.fc_kp.bias": (0.0, 0.25),
    "motion_extractor/detector.fc_exp.bias": (0.0, 0.02),
    "motion_extractor/detector.fc_scale.bias": (1.25, 0.0),
    "motion_extractor/detector.fc_t.bias": (0.0, 0.02),
    "stitching/mlp.6.bias": (0.0, 0.01),
    "lip/mlp.6.bias": (0.0, 0.01),
    "eye/mlp.10.bias": (0.0, 0.01),
}
# Centre x, y, size, tangent of half the roll, eyes' and mouth's opening, gaze; colours of skin, hair and background.
FACES = {
    "src0": ((0.50, 0.52, 1.00, 0.00, 1.00, 0.15, 0.00), (0.86, 0.66, 0.55), (0.20, 0.12, 0.08), (0.55, 0.65, 0.75)),
    "src1": ((0.47, 0.55, 0.90, 0.06, 0.70, 0.45, 0.10), (0.55, 0.38, 0.28), (0.08, 0.07, 0.10), (0.85, 0.80, 0.60)),
    "drv0": ((0.52, 0.50, 1.05, 0.02, 0.95, 0.05, 0.00), (0.90, 0.75, 0.65), (0.75, 0.55, 0.25), (0.20, 0.30, 0.25)),
    "drv1": ((0.56, 0.53, 1.10, -0.12, 0.25, 0.90, -0.20), (0.70, 0.85, 0.95), (0.15, 0.20, 0.60), (0.05, 0.75, 0.20)),
    "drv2": ((0.44, 0.47, 0.85, 0.15, 1.30, 0.50, 0.30), (0.80, 0.62, 0.50), (0.65, 0.25, 0.20), (0.90, 0.25, 0.45)),
}


def uniform(name: str, count: int) -> np.ndarray:
    """Return (count,) float64 in [0, 1) that belong to ``name``."""
    raw = np.random.PCG64(zlib.crc32(name.encode()) ^ SEED).random_raw(count)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return float64 noise of zero mean and unit variance."""
    return ((uniform(name, math.prod(shape)) * 2.0 - 1.0) * math.sqrt(3.0)).reshape(shape)


def make_tensor(network: str, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the weight ``key`` of a network: float32, int64 for a counter."""
    name = f"{network}/{key}"
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith(("running_mean", "grn.beta")):
        values = 0.1 * noise(name, shape)
    elif key.endswith("running_var"):
        values = 0.5 + uniform(name, shape[0])
    elif key.endswith("grn.gamma"):
        values = 0.3 * noise(name, shape)
    elif key.endswith(("weight_u", "weight_v")):
        values = _unit_vector(name, shape[0])
    elif key.endswith(".bias"):
        centre, spread = BIASES.get(name, (0.0, 0.1))
        values = centre + spread * noise(name, shape)
    elif key.endswith("weight_orig"):
        values = _spectral_weight(name, shape)
    elif len(shape) == 1:
        values = 1.0 + 0.1 * noise(name, shape)
    else:
        values = noise(name, shape) * (_gain(name) / math.sqrt(float(math.prod(shape[1:]))))
    return values.astype(np.float32)


def make_state_dict(network: str, shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Return all weights of a network; shapes: by key."""
    return {key: make_tensor(network, key, tuple(shape)) for key, shape in shapes.items()}


def state_dict_digest(state: dict[str, np.ndarray]) -> str:
    """Return the sha256 over each key and its tensor's bytes, in the order of the keys."""
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode())
        digest.update(np.ascontiguousarray(state[key]).tobytes())
    return digest.hexdigest()


def _gain(name: str) -> float:
    return next(gain for pattern, gain in GAINS if re.match(pattern, name))


def _unit_vector(name: str, count: int) -> np.ndarray:
    values = noise(name, (count,))
    return values / math.sqrt(math.fsum((values * values).tolist()))


def _spectral_weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    fan_in = math.prod(shape[1:])
    weight = (noise(name, shape) * (SIGMA * _gain(name) / math.sqrt(float(fan_in)))).reshape(shape[0], fan_in)
    stem = name[: -len("weight_orig")]
    outer = _unit_vector(stem + "weight_u", shape[0])[:, None] * _unit_vector(stem + "weight_v", fan_in)[None, :]
    sigma = math.fsum((weight * outer).ravel().tolist())
    return (weight + (SIGMA - sigma) * outer).reshape(shape)


def input_noise(key: str, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    """Return float32 noise to put into a network."""
    return (0.0 + scale * noise(f"input/{key}", shape)).astype(np.float32)


def face_image(name: str, size: int = 256) -> np.ndarray:
    """Return a face drawn of smooth bumps, (size, size, 3) uint8 RGB."""
    (centre_x, centre_y, zoom, tangent, eye, mouth, gaze), skin, hair, background = FACES[name]
    at = (np.arange(size, dtype=np.float64) + 0.5) / size
    across = np.broadcast_to(at[None, :], (size, size)) - centre_x
    down = np.broadcast_to(at[:, None], (size, size)) - centre_y
    cosine, sine = _turn(tangent)
    x, y = (cosine * across + sine * down) / zoom, (cosine * down - sine * across) / zoom
    image = np.empty((size, size, 3), np.float64)
    for channel in range(3):
        image[:, :, channel] = background[channel] * (0.75 + 0.5 * at[:, None] * at[None, :])

    def draw(mid_x: float, mid_y: float, width: float, height: float, colour: tuple[float, ...], weight: float) -> None:
        across, down = (x - mid_x) / width, (y - mid_y) / height
        squared = across * across + down * down
        bump = weight * (1.0 / (1.0 + squared * squared * squared))
        for channel in range(3):
            image[:, :, channel] = image[:, :, channel] + (colour[channel] - image[:, :, channel]) * bump

    draw(0.0, 0.62, 0.42, 0.22, (0.25, 0.30, 0.45), 1.0)
    draw(0.0, -0.06, 0.29, 0.36, hair, 1.0)
    draw(0.0, 0.03, 0.21, 0.28, skin, 1.0)
    for side in (-0.085, 0.085):
        draw(side, -0.095, 0.055, 0.012, hair, 1.0)
        draw(side, -0.040, 0.045, 0.003 + 0.020 * eye, (0.95, 0.95, 0.95), 1.0)
        draw(side + 0.02 * gaze, -0.040, 0.016, 0.002 + 0.016 * eye, (0.15, 0.25, 0.35), 1.0)
    draw(0.0, 0.045, 0.022, 0.055, (0.65, 0.45, 0.40), 0.5)
    draw(0.0, 0.155, 0.075, 0.016 + 0.040 * mouth, (0.70, 0.25, 0.28), 1.0)
    draw(0.0, 0.155, 0.055, 0.002 + 0.032 * mouth, (0.25, 0.08, 0.10), 1.0)
    image = image + (uniform(f"image/{name}", size * size * 3).reshape(size, size, 3) - 0.5) * 0.06
    return np.floor(image.clip(0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def image_tensor(image: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB as the networks take it: (1, 3, H, W) float32 in [0, 1]."""
    return np.ascontiguousarray((image.astype(np.float32) / np.float32(255.0)).transpose(2, 0, 1))[None]


def landmarks203(name: str, size: int = 256) -> np.ndarray:
    """Return the 203 landmarks of `face_image`, (203, 2) float64 pixels."""
    (centre_x, centre_y, zoom, tangent, eye, mouth, _), *_ = FACES[name]
    parts = [
        _ring(24) * (0.045, 0.003 + 0.020 * eye) + np.array((-0.085, -0.040)),
        _ring(24) * (0.045, 0.003 + 0.018 * eye) + np.array((0.085, -0.040)),
        _ring(36) * (0.075, 0.016 + 0.040 * mouth) + np.array((0.0, 0.155)),
        _ring(24) * (0.055, 0.002 + 0.032 * mouth) + np.array((0.0, 0.155)),
        _ring(95) * (0.210, 0.280) + np.array((0.0, 0.030)),
    ]
    points = np.concatenate(parts) * zoom
    cosine, sine = _turn(tangent)
    x = cosine * points[:, 0] - sine * points[:, 1] + centre_x
    y = sine * points[:, 0] + cosine * points[:, 1] + centre_y
    return np.stack((x, y), 1) * size


def landmarks_random(count: int, case: int, size: int = 480) -> np.ndarray:
    """Return a cloud of points, (count, 2) float64 pixels."""
    points = uniform(f"lmk/{count}/{case}", count * 2).reshape(count, 2)
    return points * np.array((0.4 * size, 0.5 * size)) + np.array((0.3 * size, 0.2 * size))


def _turn(tangent: float) -> tuple[float, float]:
    """Return cosine and sine of the angle whose half has that tangent."""
    return (1.0 - tangent * tangent) / (1.0 + tangent * tangent), 2.0 * tangent / (1.0 + tangent * tangent)


def _ring(count: int) -> np.ndarray:
    """Return (count, 2) points of the unit circle, from the left over the top."""
    points = np.empty((count, 2), np.float64)
    for index in range(count):
        quarter = int(4.0 * index / count)
        cosine, sine = _turn(4.0 * index / count - quarter)
        x, y = -cosine, -sine
        for _ in range(quarter):
            x, y = -y, x
        points[index] = (x, y)
    return points

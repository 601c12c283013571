"""How far off a transparent character's moving edge is, for each way of finding LivePortrait's alpha.

`python -m docs.measurements.matte`, in the checkout; a minute, no weights.

Ground truth: the picture with alpha, moved by a known deformation at twice the resolution and reduced. LivePortrait is
simulated: it paints the moved picture a little softly, and not quite where its deformation says ("error"). Each figure
is the mean difference from the truth in the edge band, in sRGB levels of 255, over black and over white.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch

from animator_core.characters.picture import load_picture
from animator_core.config import PROJECT_ROOT
from animator_core.liveportrait.source.matte import MovingMatte
from animator_core.liveportrait.source.square import over_colour, plain_colour

SIDE, FINE = 512, 2
SAMPLES = ("astronaut", "mira", "amber")
STRENGTHS = (-1.0, -0.5, 0.5, 1.0)
ERRORS_PX = (0.0, 0.5, 1.0, 2.0, 4.0)
_SOFTNESS_PX = 0.8
_SMALLEST_COVER = 0.05
_VOLUME = 64


def main() -> None:
    print("figures: levels of 255 in the edge band; columns are ways of finding the edge\n")
    for name, fine in _characters():
        character = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for error_px in ERRORS_PX:
            found: dict[str, list[float]] = {}
            for index, strength in enumerate(STRENGTHS):
                move = _deformation(SIDE, strength)
                truth = cv2.resize(
                    _moved(fine, _deformation(SIDE * FINE, strength)), (SIDE, SIDE), interpolation=cv2.INTER_AREA
                )
                told = move + _disagreement(error_px, index)
                for way, (colour, alpha) in _ways(character, move, told).items():
                    found.setdefault(way, []).append(_edge_error(colour, alpha, truth))
            row = ", ".join(f"{way} {np.mean(values):.1f}" for way, values in found.items())
            print(f"{name:10} error {error_px:3.1f} px: {row}")


def _ways(character: np.ndarray, move: np.ndarray, told: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return (straight colour, alpha) by each way of drawing ``character``, (S, S, 4) premultiplied in [0, 1]."""
    straight = np.rint(_straight(character) * 255).astype(np.uint8)
    plain = plain_colour(straight)
    painted = _painted(over_colour(straight, plain).astype(np.float32) / 255, move)
    over = [_painted(character[..., :3] + (1 - character[..., 3:]) * value, move) for value in (0.0, 1.0)]
    matte = MovingMatte(straight[..., 3], plain, "cpu")
    deformation = _volume(told)
    moved = matte.moved(deformation)[0, 0].numpy()
    refined_colour, refined = matte.cut(torch.from_numpy(painted).permute(2, 0, 1)[None], deformation)
    twice = np.clip(1 - (over[1] - over[0]).mean(-1), 0, 1)
    warped = _moved(character, move)
    return {
        "warp renderer": (_straight(warped)[..., :3], warped[..., 3]),
        "moved matte": (_divided(painted - (1 - moved[..., None]) * plain, moved), moved),
        "corrected by the colours": (refined_colour[0].permute(1, 2, 0).numpy(), refined[0, 0].numpy()),
        "painted twice": (_divided(over[0], twice), twice),
    }


def _characters() -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and the upper squares of characters, (2 S, 2 S, 4) float32 in [0, 1], premultiplied."""
    side = SIDE * FINE
    for name in SAMPLES:
        rgba = load_picture(PROJECT_ROOT / "assets" / "characters" / f"{name}.png").astype(np.float32) / 255
        rgba[..., :3] *= rgba[..., 3:]
        scale = side / min(rgba.shape[:2])
        large = cv2.resize(rgba, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        left = (large.shape[1] - side) // 2
        yield name, np.ascontiguousarray(large[:side, left : left + side])
    yield "synthetic", _synthetic(side)


def _synthetic(side: int) -> np.ndarray:
    """Return a head with single hairs, on a bust: edges of every width, drawn at twice the size again."""
    size = 2 * side
    alpha, colour = np.zeros((size, size), np.uint8), np.zeros((size, size, 3), np.uint8)
    colour[:] = (70, 40, 30)
    random, centre = np.random.default_rng(3), np.array([size / 2, size * 0.42])
    for angle in random.uniform(-np.pi, 0, 160):
        direction = np.array([np.cos(angle), np.sin(angle)])
        ends = [
            tuple(np.rint(centre + direction * size * reach).astype(int)) for reach in (0.2, random.uniform(0.27, 0.36))
        ]
        cv2.line(alpha, ends[0], ends[1], 255, int(random.integers(2, 9)), cv2.LINE_AA)
    for picture, value in ((alpha, 255), (colour, (230, 180, 150))):
        cv2.ellipse(
            picture, (size // 2, int(size * 0.42)), (size // 5, int(size * 0.27)), 0, 0, 360, value, -1, cv2.LINE_AA
        )
    for picture, value in ((alpha, 255), (colour, (40, 70, 140))):
        cv2.ellipse(picture, (size // 2, size), (int(size * 0.36), int(size * 0.3)), 0, 0, 360, value, -1, cv2.LINE_AA)
    cover = alpha.astype(np.float32)[..., None] / 255
    both = np.concatenate((colour.astype(np.float32) / 255 * cover, cover), 2)
    return cv2.resize(both, (side, side), interpolation=cv2.INTER_AREA)


def _deformation(side: int, strength: float) -> np.ndarray:
    """Return where each pixel comes from, as a shift (side, side, 2) in pixels: a head that turns, nods and grows."""
    unit = side / 512
    y, x = np.mgrid[:side, :side].astype(np.float32) / unit
    x, y = x - 256, y - 230
    near = np.exp(-(((x / 190) ** 2 + (y / 200) ** 2) ** 2))
    angle = np.deg2rad(strength * 6)
    from_x = (np.cos(angle) * x + np.sin(angle) * y) * (1 + 0.05 * strength) - 14 * strength
    from_y = (np.cos(angle) * y - np.sin(angle) * x) * (1 - 0.03 * strength) + 6 * strength
    return np.stack([(from_x - x) * near, (from_y - y) * near], -1).astype(np.float32) * unit


def _disagreement(rms_px: float, seed: int) -> np.ndarray:
    """Return by how much the deformation is not what is painted: (S, S, 2), smooth."""
    coarse = np.random.default_rng(seed).normal(size=(6, 6, 2)).astype(np.float32)
    coarse /= np.sqrt(np.square(coarse).mean())
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) * rms_px


def _moved(picture: np.ndarray, shift: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    return cv2.remap(picture, x + shift[..., 0], y + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _painted(picture: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(_moved(picture.astype(np.float32), shift), (0, 0), _SOFTNESS_PX)


def _volume(shift: np.ndarray) -> torch.Tensor:
    """Return a shift in pixels as `MovingMatte` takes a deformation, (1, 1, 64, 64, 3)."""
    coarse = cv2.resize(shift, (_VOLUME, _VOLUME), interpolation=cv2.INTER_AREA) * (2 / SIDE)
    along = np.arange(_VOLUME, dtype=np.float32) * (2 / (_VOLUME - 1)) - 1
    y, x = np.meshgrid(along, along, indexing="ij")
    flat = np.stack([coarse[..., 0] + x, coarse[..., 1] + y, np.zeros_like(x)], -1)
    return torch.from_numpy(flat)[None, None]


def _straight(premultiplied: np.ndarray) -> np.ndarray:
    colour = premultiplied[..., :3] / np.maximum(premultiplied[..., 3:], 1e-4)
    return np.concatenate((colour, premultiplied[..., 3:]), -1).clip(0, 1)


def _divided(premultiplied: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.clip(premultiplied / np.maximum(alpha[..., None], _SMALLEST_COVER), 0, 1)


def _edge_error(colour: np.ndarray, alpha: np.ndarray, truth: np.ndarray) -> float:
    true_alpha = truth[..., 3]
    edge = ((true_alpha > 0.02) & (true_alpha < 0.98)).astype(np.uint8)
    band = cv2.dilate(edge, np.ones((25, 25))) > 0
    difference = 0.0
    for background in (0.0, 1.0):
        shown = colour * alpha[..., None] + background * (1 - alpha[..., None])
        expected = truth[..., :3] + background * (1 - true_alpha[..., None])
        difference += float(np.abs(shown - expected)[band].mean()) * 255 / 2
    return difference


if __name__ == "__main__":
    main()

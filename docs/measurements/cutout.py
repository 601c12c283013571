"""How far cut-outs are from pictures whose opacity is known, composed on several backgrounds.

`python -m docs.measurements.cutout [NAME...] [--output FOLDER]`

Each transparent character (default: the samples) is put on backgrounds, cut out, and compared with itself: the mean
difference of opacity in percent over the band around its outline, and of the composed colours over black and white, in
levels of 255; "raw" are the colours as seen, without those of the background taken out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from animator_core.config import load_config
from animator_core.cutout import cut_out
from animator_core.errors import CharacterError
from docs.measurements.face_rendering import load

_BAND = 12
"""Pixels on either side of the outline."""


def main(options: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    for character in load(options.names or ["astronaut", "mira"], load_config(), 768):
        truth = character.picture.astype(np.float32)
        alpha = truth[..., 3:] / 255
        kernel = np.ones((2 * _BAND + 1,) * 2, np.uint8)
        band = cv2.morphologyEx((alpha > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, kernel) > 0
        for name, background in backgrounds(*truth.shape[:2]):
            seen = np.rint(truth[..., :3] * alpha + background * (1 - alpha)).astype(np.uint8)
            opaque = np.dstack([seen, np.full(seen.shape[:2], 255, np.uint8)])
            try:
                cut = cut_out(replace(character, picture=opaque)).astype(np.float32)
            except CharacterError as exc:
                print(f"{character.name:16} {name:8} {exc}")
                continue
            found = cut[..., 3:] / 255
            off = 100 * np.abs(found - alpha)[band].mean()
            levels = [composed_error(colours, found, truth, band) for colours in (cut[..., :3], seen)]
            print(f"{character.name:16} {name:8} opacity {off:4.1f} %, colours {levels[0]:4.1f}, raw {levels[1]:4.1f}")
            if options.output is not None:
                options.output.mkdir(parents=True, exist_ok=True)
                checker = (np.indices(seen.shape[:2]).sum(0) // 16 % 2 * 60 + 150)[..., None]
                over = [cut[..., :3] * found + each * (1 - found) for each in (checker, np.float32([40, 160, 60]))]
                sheet = np.hstack([seen, *over]).astype(np.uint8)
                cv2.imwrite(str(options.output / f"{Path(character.name).stem}-{name}.png"), sheet[..., ::-1])


def composed_error(colours: np.ndarray, alpha: np.ndarray, truth: np.ndarray, band: np.ndarray) -> float:
    """Return the mean difference over black and over white, in levels of 255."""
    known = truth[..., 3:] / 255
    errors = [
        np.abs(colours * alpha + level * (1 - alpha) - truth[..., :3] * known - level * (1 - known))[band].mean()
        for level in (0.0, 255.0)
    ]
    return float(np.mean(errors))


def backgrounds(height: int, width: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the colours, (H, W, 3), of each background."""
    yield "plain", np.full((height, width, 3), (120, 170, 210), np.float32)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    ramp = rows / height
    yield "wall", np.dstack([200 - 90 * ramp, 190 - 80 * ramp, 170 - 60 * columns / width])
    noise = np.random.default_rng(0).uniform(0, 255, (height // 24 + 1, width // 24 + 1, 3)).astype(np.float32)
    yield "room", cv2.GaussianBlur(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), 6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME|PICTURE")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write pictures over other backgrounds")
    main(parser.parse_args())

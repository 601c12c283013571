"""`animate --renderer liveportrait` as a user starts it: weight files, a video of a face, a transparent character.

The weights are those of the golden rule, so the face is none; where it is, how it moves and what is around it count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from official_crop import paste_mask
from person_clip import write_person

from animator_core.config import MODELS_DIR, PROJECT_ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not any(MODELS_DIR.glob("*.task")), reason="the landmarker's model is not installed"),
]

CHARACTER = PROJECT_ROOT / "assets" / "characters" / "mira.png"
FRAMES = 2


@dataclass(frozen=True)
class Run:
    """What one run left behind; pictures: (H, W, 4) uint8 RGBA."""

    said: str
    pictures: list[np.ndarray]
    statistics: dict
    cache: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, golden_weights_dir: Path, golden_cache_dir: Path) -> Run:
    folder = tmp_path_factory.mktemp("animate")
    write_person(folder / "driving.mp4", FRAMES)
    settings = {
        "ai_model": {"model_path": str(golden_weights_dir), "device": "cpu"},
        "performance": {"cache_dir": str(golden_cache_dir)},
    }
    # JSON is YAML.
    (folder / "config.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "animator_core", "animate", "--renderer", "liveportrait", "--no-progress"]
    command += ["--character", CHARACTER, "--driving", folder / "driving.mp4", "--config", folder / "config.yaml"]
    command += ["--output", folder / "out.mov", "--stats", folder / "stats.json"]
    done = subprocess.run(list(map(str, command)), cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr
    import av

    with av.open(str(folder / "out.mov")) as container:
        pictures = [
            frame.reformat(format="rgba", src_colorspace=1, dst_colorspace=5).to_ndarray()
            for frame in container.decode(video=0)
        ]
    statistics = json.loads((folder / "stats.json").read_text())
    return Run(done.stdout + done.stderr, pictures, statistics, golden_cache_dir)


def test_every_frame_is_drawn_by_liveportrait(run: Run) -> None:
    assert (run.statistics["renderer"], run.statistics["frames"], run.statistics["face_found"]) == (
        "liveportrait",
        FRAMES,
        1.0,
    )
    assert run.statistics["device"].startswith("CPU")
    assert len(run.pictures) == FRAMES


def test_nothing_went_wrong_on_the_way(run: Run) -> None:
    for word in ("Traceback", "Warning", "error", "cannot"):
        assert word not in run.said


def test_the_face_is_painted_and_moves(run: Run) -> None:
    inside = _painted() == 1
    still = _still()
    first, second = (picture.astype(int) for picture in run.pictures)
    assert np.abs(first - still)[inside].mean() > 5, "the networks painted something"
    assert np.abs(second - first)[inside].mean() > 2, "the driver moves it"


def test_around_the_face_the_picture_is_as_it_was_and_transparent_where_it_was(run: Run) -> None:
    outside = _painted() == 0
    still = _still()
    assert outside.mean() > 0.2
    for picture in run.pictures:
        assert np.abs(picture[..., 3].astype(int) - still[..., 3])[outside].max() <= 3
        opaque = outside & (still[..., 3] == 255)
        # The video format's own loss.
        assert np.abs(picture[..., :3].astype(int) - still[..., :3])[opaque].mean() < 2


def test_what_the_painted_square_hides_no_background_behind(run: Run) -> None:
    clear = _still()[..., 3] == 0
    for picture in run.pictures:
        # Nearly all of the square's transparent part stays clear: no square of the plain colour shows.
        assert (picture[..., 3][clear] < 30).mean() > 0.8


def test_weights_and_features_are_kept_for_the_next_start(run: Run) -> None:
    assert any(run.cache.glob("**/features/*.safetensors"))
    converted = [path for path in run.cache.glob("**/*.safetensors") if path.parent.name != "features"]
    assert sum(path.stat().st_size for path in converted) > 400e6


def _character():
    from animator_core.characters.library import CharacterLibrary

    return CharacterLibrary(CHARACTER.parent).load(CHARACTER.name)


def _still() -> np.ndarray:
    return _character().picture.astype(int)


def _painted() -> np.ndarray:
    """Return how much of each pixel is painted, (H, W) in [0, 1]."""
    from animator_core.liveportrait.motion.crop import source_crop

    character = _character()
    crop = source_crop(character.picture, character.landmarks)
    height, width = character.picture.shape[:2]
    return paste_mask(np.linalg.inv(crop.crop_from_image), width, height)

"""What keeping features saves, what it takes, and what half precision would change.

`python -m docs.measurements.features [--weights DIR] [--device cuda]`; seconds on a CPU are CPU seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from animator_core.characters.character import Character
from animator_core.characters.library import CharacterLibrary
from animator_core.config import PROJECT_ROOT
from animator_core.liveportrait.model import PortraitModel
from animator_core.liveportrait.source.features import CharacterFeatures
from animator_core.liveportrait.source.preparation import FeaturePreparation
from animator_core.liveportrait.source.scene import Scene
from animator_core.liveportrait.source.scene_cache import SceneCache
from docs.measurements.golden_model import parser, picture, seconds, weights_folder

CHARACTER = PROJECT_ROOT / "assets" / "characters" / "mira.png"


def main(options: argparse.Namespace) -> None:
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    with weights_folder(options.weights) as weights, tempfile.TemporaryDirectory() as folder:
        cache, starts = Path(folder), []
        for name in ("first", "second"):
            began = clock()
            model = PortraitModel.load(weights, options.device, cache_dir=cache)
            loaded = clock()
            character = CharacterLibrary(CHARACTER.parent, cache).load_file(CHARACTER)
            found = clock()
            SceneCache(model, FeaturePreparation(cache)).scene(character)
            starts.append(clock() - began)
            print(
                f"{name} start: {starts[-1]:.2f} s: networks {loaded - began:.2f}, "
                f"picture and face {found - loaded:.2f}, features and scene {began + starts[-1] - found:.2f}"
            )
        print(f"the second start takes {starts[1] / starts[0]:.2f} of the first")
        _features(model, character, cache, options)
        _memory(model, character, cache, options)
        _half(model)


def _features(model: PortraitModel, character: Character, cache: Path, options: argparse.Namespace) -> None:
    scenes = SceneCache(model)
    scenes.scene(character)
    computed, loaded, kept = (
        seconds(work, options.repeat, options.device)
        for work in (
            lambda: _prepared(model, character, FeaturePreparation(None)),
            lambda: _prepared(model, character, FeaturePreparation(cache)),
            lambda: scenes.scene(character),
        )
    )
    print(
        f"features: computed {computed:.2f} s, from disk {loaded * 1e3:.0f} ms "
        f"({computed / loaded:.0f} times quicker), from memory {kept * 1e3:.1f} ms ({computed / kept:.0f} times)"
    )


def _prepared(model: PortraitModel, character: Character, preparation: FeaturePreparation) -> CharacterFeatures:
    features = preparation.features(model, character.name, character.picture, landmarks=character.require_landmarks())
    return features.to(model.device)


def _memory(model: PortraitModel, character: Character, cache: Path, options: argparse.Namespace) -> None:
    preparation = FeaturePreparation(cache)
    assert preparation.store is not None
    features = _prepared(model, character, preparation)
    print(f"disk: {preparation.store.nbytes / 1e6:.2f} MB a character with alpha")
    height, width = character.picture.shape[:2]
    scene = Scene(character, features, model)
    ready = f"ready to be drawn {scene.nbytes / 1e6:.2f} MB ({width}x{height})"
    print(f"memory: features {features.nbytes / 1e6:.2f} MB, {ready}")


def _half(model: PortraitModel) -> None:
    source = model.extract_features(picture("src0"))
    other = model.extract_features(picture("src1"))
    moved = source.keypoints_source + 0.2 * (other.keypoints_source - source.keypoints_source)
    rounded = replace(
        source, appearance_features=source.appearance_features.half().to(source.appearance_features.dtype)
    )
    exact, close = (model.paint(each, moved).picture.float() for each in (source, rounded))
    error = ((exact - close) * 255).abs()
    print(f"features kept in float16: the picture is off by {error.mean():.3f} levels, {error.max():.1f} at most")


if __name__ == "__main__":
    with torch.inference_mode():
        main(parser(__doc__).parse_args())

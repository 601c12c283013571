"""Which renderer is made, what LivePortrait's share, and what is said where it cannot be had."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from pathlib import Path

import pytest
import torch
from stand_in_model import StandInModel, face_character
from stand_ins import character, face_landmarks

from animator_core.anime.engine import AnimeEngine
from animator_core.characters.character import Character
from animator_core.config import ComputeConfig
from animator_core.errors import AnimatorError, ModelError, WeightsError
from animator_core.installation.model_files import ANIME
from animator_core.liveportrait import engine
from animator_core.liveportrait.execution import device
from animator_core.liveportrait.execution.device import DeviceChoice, UnusedCard
from animator_core.renderers import RendererSettings, RendererSource

GPU = DeviceChoice("cpu", torch.float32, "a GPU")
SLOW_CPU = DeviceChoice("cpu", torch.float32, "CPU", is_capable=False)


class Loads:
    """Counts how often the networks are loaded, and may fail instead."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    def __call__(self, *given: object, **more: object) -> StandInModel:
        self.count += 1
        if self.error is not None:
            raise self.error
        return StandInModel()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    made = Loads()
    monkeypatch.setattr(engine.PortraitModel, "load", made)
    return made


@pytest.fixture
def choice(monkeypatch: pytest.MonkeyPatch):
    def choose(made: DeviceChoice) -> None:
        monkeypatch.setattr(device, "choose_device", lambda wanted, fp16: made)

    choose(GPU)
    return choose


@pytest.fixture
def settings(tmp_path: Path) -> RendererSettings:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "spade_generator.pth").write_bytes(b"")
    return RendererSettings(tmp_path / "weights", cache_dir=tmp_path / "cache")


def test_auto_is_liveportrait_where_weights_and_a_gpu_are(settings, loads, choice):
    renderer = RendererSource(settings).create("auto")
    assert (renderer.name, renderer.device, str(renderer.note or "")) == ("liveportrait", "a GPU", "")


def test_all_renderers_share_one_model_and_its_characters(settings, loads, choice):
    source = RendererSource(settings)
    one, other = source.create("liveportrait"), source.create("auto").active
    assert loads.count == 1
    one.prepare(face_character())
    other.prepare(face_character())
    assert one.scenes is other.scenes
    assert other.scenes.statistics.entries == 1


def test_the_model_is_freed_with_its_last_renderer_and_loaded_anew_for_the_next(settings, loads, choice):
    source = RendererSource(settings)
    one, other = source.create("liveportrait"), source.create("liveportrait")
    freed = weakref.ref(one._model)
    one.close()
    gc.collect()
    assert freed() is not None
    other.close()
    gc.collect()
    assert freed() is None
    source.create("liveportrait")
    assert loads.count == 2


@pytest.mark.parametrize("weights_dir", [None, Path("nowhere")])
def test_without_weights_auto_is_the_warp_without_a_word(weights_dir, choice):
    renderer = RendererSource(RendererSettings(weights_dir)).create("auto")
    assert (renderer.name, str(renderer.note or "")) == ("warp", "")


def test_without_weights_liveportrait_is_an_error_with_the_remedy(choice, tmp_path):
    with pytest.raises(WeightsError, match=rf"not in {tmp_path}; run install\.py to get them, or use the warp"):
        RendererSource(RendererSettings(tmp_path)).create("liveportrait")


def test_a_gpu_without_weights_is_told_how_to_get_them(choice, tmp_path):
    renderer = RendererSource(RendererSettings(tmp_path), lambda: "RTX 9").create("auto")
    assert renderer.name == "warp"
    assert str(renderer.note or "").startswith("RTX 9 could animate by LivePortrait, but its weights are not in")
    assert "; run install.py to get them" in str(renderer.note or "")
    assert RendererSource(RendererSettings(tmp_path), lambda: "RTX 9").create("warp").note is None


def test_on_a_cpu_auto_is_the_warp_and_only_the_log_says_how_to_have_the_other(settings, loads, choice, caplog):
    choice(SLOW_CPU)
    with caplog.at_level("INFO"):
        renderer = RendererSource(settings).create("auto")
    assert (renderer.name, str(renderer.note or "")) == ("warp", "")
    assert "no GPU here" in caplog.text
    assert "choose liveportrait to have it anyway" in caplog.text
    assert loads.count == 0
    assert RendererSource(settings).create("liveportrait").name == "liveportrait"


def test_a_gpu_that_fails_is_named_by_auto_and_by_liveportrait(settings, loads, choice):
    note = ModelError("CUDA cannot run the networks (no kernel image)", "update the driver")
    choice(DeviceChoice("cpu", torch.float32, "CPU", note, is_capable=False))
    assert RendererSource(settings).create("auto").note.args == note.args
    assert RendererSource(settings).create("liveportrait").note.args == note.args


@pytest.mark.parametrize("name", ["auto", "liveportrait"])
def test_a_card_that_cuda_does_not_reach_is_named_to_the_user(settings, loads, monkeypatch, name):
    unused = UnusedCard("RTX 3060", "PyTorch 2.13.0+cpu is not a build for NVIDIA cards", "run install.py again")
    monkeypatch.setattr(device, "_is_available", lambda kind: False)
    monkeypatch.setattr(device, "unused_card", lambda: unused)
    settings = dataclasses.replace(settings, compute=ComputeConfig(backend="torch"))
    note = "RTX 3060 is not used (PyTorch 2.13.0+cpu is not a build for NVIDIA cards); run install.py again"
    assert str(RendererSource(settings).create(name).note) == note


def test_a_device_without_memory_is_our_error_and_makes_auto_the_warp(settings, loads, choice):
    loads.error = RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nadvice")
    with pytest.raises(ModelError, match=r"cannot be loaded onto a GPU \(CUDA out of memory.*GiB\); close programs"):
        RendererSource(settings).create("liveportrait")
    renderer = RendererSource(settings).create("auto")
    assert renderer.name == "warp"
    assert "CUDA out of memory" in str(renderer.note or "")


def test_damaged_weights_are_an_error_for_liveportrait_and_a_note_for_auto(settings, loads, choice):
    loads.error = WeightsError("spade_generator.pth is damaged", "delete it and run install.py again")
    with pytest.raises(WeightsError, match="is damaged"):
        RendererSource(settings).create("liveportrait")
    renderer = RendererSource(settings).create("auto")
    assert (renderer.name, str(renderer.note or "")) == ("warp", str(loads.error))


def test_anime_without_all_of_its_weights_is_an_error_with_the_remedy(tmp_path):
    said = rf"anime networks are not in {tmp_path}; run install\.py to get them, or use the warp"
    with pytest.raises(WeightsError, match=said):
        RendererSource(RendererSettings(anime_dir=tmp_path)).create("anime")
    for model in ANIME[:-1]:
        (tmp_path / model.name).touch()
    with pytest.raises(WeightsError, match=said):
        RendererSource(RendererSettings(anime_dir=tmp_path)).create("anime")
    with pytest.raises(WeightsError, match="not in None"):
        RendererSource().create("anime")


def test_an_unknown_renderer_is_an_error_that_names_the_known_ones():
    with pytest.raises(AnimatorError, match="'gif' is unknown; choose one of auto, liveportrait, anime, warp"):
        RendererSource().create("gif")


@pytest.mark.parametrize("use_compile", [True, False])
def test_the_setting_decides_whether_the_networks_are_compiled(settings, monkeypatch, choice, use_compile):
    given = []

    def load(*arguments, **more):
        given.append(more["use_compile"])
        return StandInModel()

    monkeypatch.setattr(engine.PortraitModel, "load", load)
    RendererSource(dataclasses.replace(settings, compute=ComputeConfig(compile=use_compile))).create("liveportrait")
    assert given == [use_compile]


@pytest.fixture
def anime_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "anime"
    folder.mkdir()
    for model in ANIME:
        (folder / model.name).touch()
    return folder


def asking_for(renderer: str, *, is_transparent: bool = True) -> Character:
    return dataclasses.replace(
        character(320, 240, is_transparent),
        landmarks=face_landmarks(),
        renderer=renderer,
        content_hash=f"{renderer} {is_transparent}",
    )


def test_auto_follows_the_description_with_and_without_anime_weights(settings, loads, choice, anime_dir):
    for given in (settings, dataclasses.replace(settings, anime_dir=anime_dir)):
        renderer = RendererSource(given).create("auto")
        renderer.set_character(asking_for("warp"))
        assert (renderer.name, renderer.note) == ("warp", None)
        renderer.close()


def test_auto_makes_the_anime_renderer_for_drawn_characters_alone(anime_dir, choice, monkeypatch):
    made = []
    monkeypatch.setattr(AnimeEngine, "want", lambda engine, state: made.append(state))
    source = RendererSource(RendererSettings(anime_dir=anime_dir))
    renderer, other = source.create("auto"), source.create("anime")
    renderer.set_character(asking_for("auto", is_transparent=False))
    assert (renderer.name, made) == ("warp", [])
    renderer.set_character(asking_for("auto"))
    other.set_character(asking_for("auto"))
    assert (renderer.name, other.name, len(made)) == ("warp", "warp", 2)
    assert made[0] is made[1], "both renderers share the engine"
    assert made[0].is_forced
    renderer.close()
    other.close()


def test_without_anime_weights_only_a_character_that_asks_is_told(choice, tmp_path):
    renderer = RendererSource(RendererSettings(anime_dir=tmp_path)).create("auto")
    renderer.set_character(asking_for("auto"))
    assert (renderer.name, renderer.note) == ("warp", None)
    renderer.set_character(asking_for("anime"))
    assert (renderer.name, type(renderer.note)) == ("warp", WeightsError)
    assert "anime networks are not in" in str(renderer.note)


def test_damaged_anime_weights_are_told_and_the_warp_draws(anime_dir, choice):
    renderer = RendererSource(RendererSettings(anime_dir=anime_dir)).create("anime")
    renderer.set_character(asking_for("auto"))
    with pytest.raises(WeightsError, match=r"is damaged or no checkpoint.*run install\.py again"):
        renderer.settled(lambda progress: None)
    assert renderer.name == "warp"
    renderer.close()

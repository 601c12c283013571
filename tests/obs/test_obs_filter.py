"""The filter's drawing, capturing and freeing, against a libobs that only records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fake_libobs import FakeLibObs

from animator_core.ipc.frame_ring import FORMAT_BGRA_PREMULTIPLIED, RingReader, RingWriter
from obs_plugin.filter import AnimatorFilter
from obs_plugin.filter_rings import FilterRings
from obs_plugin.properties import set_defaults
from obs_plugin.still_picture import DecodedPicture


class FakeHost:
    """Records the requests of a filter."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.retired: list[FilterRings] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: self.asked.append(name)

    def act(self, _instance: AnimatorFilter, action: str) -> None:
        self.asked.append(action)

    def retire(self, rings: FilterRings) -> None:
        self.retired.append(rings)
        rings.close()


class Rig:
    """A filter with a worker's end of its rings."""

    def __init__(self) -> None:
        self.lib: Any = FakeLibObs()
        self.host: Any = FakeHost()
        self.rings: list[FilterRings] = []

    def make(self, **settings: Any) -> AnimatorFilter:
        set_defaults(self.lib, 6)
        self.lib.settings.update(settings)
        self.filter = AnimatorFilter(self.lib, filter_id="1", source=5, settings=6, host=self.host)
        return self.filter

    def connect(self) -> RingWriter:
        rings = FilterRings.create()
        rings.is_opened = True
        self.rings.append(rings)
        self.filter.new_rings.put(rings)
        return RingWriter(rings.animated)

    def add_still(self) -> None:
        image = self.lib.image
        self.filter.stills.put(DecodedPicture(self.filter.settings.character, self.lib, id(image), 4, 4, 5))

    def frame(self) -> list[int]:
        """Let OBS go through one frame, and return the textures that were drawn."""
        self.lib.drawn.clear()
        self.filter.tick()
        self.filter.render()
        return list(self.lib.drawn)


def publish(writer: RingWriter, width: int = 32, height: int = 16) -> None:
    writer.begin()[: width * height * 4] = b"\x80" * (width * height * 4)
    writer.publish(width, height, width * 4, FORMAT_BGRA_PREMULTIPLIED, 1)


@pytest.fixture
def rig(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    rig = Rig()
    yield rig
    for rings in rig.rings:
        rings.close()


def test_the_worker_rests_while_nothing_shows_the_filter(rig: Rig) -> None:
    rig.make()
    rig.connect()
    for _ in range(100):
        rig.frame()
    assert "hide" not in rig.host.asked
    for _ in range(100):
        rig.filter.tick()
    assert rig.host.asked.count("hide") == 1
    rig.connect()
    rig.filter.tick()
    assert rig.host.asked.count("hide") == 2, "a new worker must be told too"
    assert "show" not in rig.host.asked
    for _ in range(3):
        rig.frame()
    assert rig.host.asked.count("show") == 1


def test_nothing_is_drawn_before_the_still_is_there_and_never_the_camera(rig: Rig) -> None:
    rig.make()
    for _ in range(5):
        assert rig.frame() == []
    assert rig.lib.camera_count == 0
    rig.add_still()
    assert len(rig.frame()) == 1
    assert rig.lib.camera_count == 0 and rig.lib.freed_images == 1


def composed(rig: Rig) -> int:
    """Return how often a frame was composed so far."""
    return sum(name == "gs_clear" for name, _ in rig.lib.calls)


@pytest.mark.parametrize("look", [{"zoom": 1.5}, {"rotation": 10.0}])
def test_a_frame_is_composed_once_and_freed(rig: Rig, look: dict[str, Any]) -> None:
    rig.make(**look, background="color", label=True)
    rig.filter.labels.put(DecodedPicture("label", rig.lib, id(rig.lib.image), 4, 4, 5))
    rig.add_still()
    for _ in range(3):
        assert rig.frame()
    assert composed(rig) == 1, "the still does not change"
    assert rig.lib.camera_count == 0
    rig.filter.destroy()
    assert not rig.lib.alive


@pytest.mark.parametrize(("look", "layers"), [({}, 1), ({"background": "color"}, 1), ({"label": True}, 2)])
def test_a_picture_in_its_place_is_drawn_without_another_pass(rig: Rig, look: dict[str, Any], layers: int) -> None:
    rig.make(**look)
    rig.filter.labels.put(DecodedPicture("label", rig.lib, id(rig.lib.image), 4, 4, 5))
    rig.add_still()
    assert len(rig.frame()) == layers and composed(rig) == 0
    rig.filter.destroy()
    assert not rig.lib.alive


def test_without_a_known_size_nothing_of_a_frame_is_drawn(rig: Rig) -> None:
    rig.lib.target_size = (0, 0)
    rig.make(zoom=2.0, background="color", label=True)
    rig.filter.labels.put(DecodedPicture("label", rig.lib, id(rig.lib.image), 4, 4, 5))
    rig.add_still()
    assert len(rig.frame()) == 1 and composed(rig) == 0


def test_the_label_is_asked_for_when_it_is_switched_on(rig: Rig) -> None:
    rig.make()
    assert "request_label" not in rig.host.asked
    rig.lib.settings["label"] = True
    rig.filter.update(1)
    rig.filter.update(1)
    assert rig.host.asked.count("request_label") == 1


@pytest.mark.parametrize(("on_problem", "camera_count"), [("camera", 1), ("transparent", 0), ("character", 0)])
def test_without_a_worker_the_chosen_display_is_shown(rig: Rig, on_problem: str, camera_count: int) -> None:
    rig.make(on_problem=on_problem).has_failed = True
    rig.frame()
    assert rig.lib.camera_count == camera_count


@pytest.mark.parametrize(("on_problem", "still_count"), [("camera", 1), ("transparent", 0), ("character", 1)])
def test_while_the_animation_starts_no_choice_shows_the_camera(rig: Rig, on_problem: str, still_count: int) -> None:
    rig.make(on_problem=on_problem)
    rig.add_still()
    assert len(rig.frame()) == still_count
    assert rig.lib.camera_count == 0


def test_a_camera_that_is_gone_leaves_the_character_in_its_last_size(rig: Rig) -> None:
    instance = rig.make()
    publish(rig.connect())
    rig.frame()
    rig.lib.target_size = (0, 0)
    assert len(rig.frame()) == 1 and instance.size() == (640, 360)
    rig.lib.target_size = (1280, 720)
    assert instance.size() == (1280, 720)


def test_the_cameras_size_is_kept_in_the_settings_and_used_before_it_opens(rig: Rig) -> None:
    rig.make()
    rig.frame()
    rig.frame()
    assert rig.host.asked.count("keep_frame_size") == 1
    rig.lib.target_size = (0, 0)
    rig.host.asked.clear()
    instance = rig.make(frame_width=1920, frame_height=1080)
    rig.add_still()
    assert len(rig.frame()) == 1 and instance.size() == (1920, 1080)
    assert "keep_frame_size" not in rig.host.asked
    for impossible in ({"frame_width": -5}, {"frame_height": 0}, {"frame_width": 10**9}):
        assert rig.make(**{"frame_width": 4, "frame_height": 4, **impossible}).size() == (0, 0)


def test_an_animated_frame_is_shown_from_the_same_render_on(rig: Rig) -> None:
    rig.make()
    writer = rig.connect()
    rig.add_still()
    still = rig.frame()
    publish(writer)
    animated = rig.frame()
    assert len(animated) == 1 and animated != still
    assert rig.frame() == animated, "the last frame stays where no new one came"


def test_a_dead_worker_brings_the_still_back(rig: Rig) -> None:
    rig.make()
    writer = rig.connect()
    rig.add_still()
    still = rig.frame()
    publish(writer)
    assert rig.frame() != still
    rig.rings[0].end()
    assert rig.frame() == still
    assert rig.lib.camera_count == 0


def test_a_silent_worker_brings_the_still_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.make()
    publish(rig.connect())
    rig.add_still()
    animated = rig.frame()
    monkeypatch.setattr(RingReader, "heartbeat_age_ns", property(lambda _: 2_500_000_000))
    assert rig.frame() != animated and len(rig.frame()) == 1


def test_a_new_worker_is_shown_only_from_its_first_frame_on(rig: Rig) -> None:
    rig.make()
    publish(rig.connect())
    rig.add_still()
    animated = rig.frame()
    writer = rig.connect()
    assert rig.frame() != animated
    assert rig.host.retired == rig.rings[:1]
    publish(writer)
    rig.frame()
    assert rig.frame() != []


def test_a_torn_frame_is_never_shown(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.make()
    writer = rig.connect()
    publish(writer)
    shown = rig.frame()
    # As often as the filter tries, the writer has overtaken the frame when the upload is done.
    monkeypatch.setattr(FilterRings, "is_intact", lambda *_: False)
    publish(writer)
    assert rig.frame() == shown
    monkeypatch.undo()
    assert rig.frame() != shown, "the frame is taken once it is intact"


def test_a_frame_of_another_size_gets_another_texture(rig: Rig) -> None:
    rig.make()
    writer = rig.connect()
    sizes = [(32, 16), (32, 16), (48, 20), (48, 20), (48, 20)]
    for size in sizes:
        publish(writer, *size)
        rig.frame()
    created = [arguments[:2] for name, arguments in rig.lib.calls if name == "gs_texture_create"]
    assert created == [(32, 16), (32, 16), (48, 20), (48, 20)]


def test_a_frame_is_captured_once_however_often_it_is_rendered(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obs_plugin.capture._SHORTEST_INTERVAL_NS", 0)
    rig.make()
    rig.connect()
    for _ in range(4):
        rig.filter.tick()
        for _ in range(3):
            rig.filter.render()
    assert rig.lib.captured_count == 4
    assert rig.rings[0].published_count == 3, "read-back is one frame late"


def test_nothing_is_captured_without_a_worker_or_a_picture(rig: Rig) -> None:
    rig.make()
    rig.frame()
    rig.connect()
    rig.lib.target_size = (0, 0)
    rig.frame()
    assert rig.lib.captured_count == 0


def test_a_hidden_character_is_not_drawn_and_not_replaced(rig: Rig) -> None:
    rig.make(on_problem="camera").has_failed = True
    publish(rig.connect())
    rig.frame()
    rig.filter.is_hidden = True
    assert rig.frame() == [] and rig.lib.camera_count == 0


def test_a_still_of_another_character_is_thrown_away(rig: Rig) -> None:
    rig.make(character="a.png")
    rig.filter.stills.put(DecodedPicture("b.png", rig.lib, 1, 4, 4, 5))
    assert rig.frame() == []
    assert rig.lib.freed_images == 1


def test_the_colour_space_is_the_cameras_only_while_it_is_shown(rig: Rig) -> None:
    instance = rig.make(on_problem="camera")
    instance.has_failed = True
    rig.frame()
    assert instance.color_space(1, None) == 2
    publish(rig.connect())
    rig.frame()
    assert instance.color_space(1, None) == 0


def test_the_characters_own_size_is_kept_through_a_problem(rig: Rig) -> None:
    instance = rig.make(fit="character")
    assert instance.size() == (640, 360)
    rig.add_still()
    rig.frame()
    assert instance.size() == (4, 4)
    publish(rig.connect(), 48, 20)
    rig.frame()
    rig.rings[0].end()
    rig.frame()
    assert instance.size() == (48, 20)


def test_destroy_frees_everything_and_refuses_latecomers(rig: Rig) -> None:
    rig.make()
    publish(rig.connect())
    rig.add_still()
    for _ in range(3):
        rig.frame()
    assert rig.lib.alive
    rig.filter.destroy()
    assert not rig.lib.alive
    assert rig.lib.names().count("obs_weak_source_release") == 1
    late = FilterRings.create()
    rig.filter.new_rings.put(late)
    assert not late.animated.is_open
    freed = rig.lib.freed_images
    rig.add_still()
    assert rig.lib.freed_images == freed + 1


def test_changed_settings_reach_the_worker_and_only_a_new_character_the_loader(rig: Rig) -> None:
    instance = rig.make(character="a.png")
    rig.host.asked.clear()
    instance.update(6)
    assert rig.host.asked == []
    rig.lib.settings["smoothing"] = 0.75
    instance.update(6)
    assert rig.host.asked == ["update"]
    rig.lib.settings["character"] = "b.png"
    instance.update(6)
    assert rig.host.asked == ["update", "request_still", "update"]


@pytest.mark.parametrize("on_problem", ["camera", "character"])
def test_a_filter_that_is_removed_while_it_renders_draws_no_target(rig: Rig, on_problem: str) -> None:
    rig.make(on_problem=on_problem).has_failed = True
    rig.connect()
    rig.frame()
    before = rig.lib.camera_count, rig.lib.captured_count
    rig.lib.is_removed = True
    rig.frame()
    assert (rig.lib.camera_count, rig.lib.captured_count) == before
    assert rig.filter.size() == ((0, 0) if on_problem == "camera" else (640, 360))

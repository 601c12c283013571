"""The filter's panel: its texts, the actions of its buttons, and when OBS makes it anew."""

from __future__ import annotations

import ctypes
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_libobs import FakeLibObs
from PIL import Image

from animator_core import __version__
from animator_core.ipc.face_settings import PRESETS, RANGES
from animator_core.ipc.protocol import RENDERERS, CharacterAdded, CharacterEntry, FilterStatus
from obs_plugin import file_manager, hotkeys, registration, still_picture
from obs_plugin.installation import Installation
from obs_plugin.panel_state import Section
from obs_plugin.problem import Problem
from obs_plugin.properties import FilterSettings, read_settings, set_defaults
from obs_plugin.session import Session
from obs_plugin.status_line import BLOCK_LINES, Condition, describe

_POINTER = ctypes.c_void_p


class PanelLibObs(FakeLibObs):
    """Keeps properties as OBS does: in order, each with its kind, text, and whether it is visible and enabled."""

    def __init__(self) -> None:
        super().__init__()
        self.settings.update({"renderer": "auto", "fit": "frame", "on_problem": "character"})
        self.properties: dict[int, dict[str, Any]] = {}
        self.panels: dict[int, list[int]] = {}
        self._handles = itertools.count(5000)
        self.reload_count = 0
        self.gone: list[tuple[int, Any]] = []

    def obs_weak_source_get_source(self, _weak: int) -> int:
        return 5

    def obs_data_set_string(self, _data: int, key: bytes, value: bytes) -> None:
        self.settings[key.decode()] = value.decode()

    def obs_data_set_double(self, _data: int, key: bytes, value: float) -> None:
        self.settings[key.decode()] = value

    def obs_data_unset_user_value(self, data: int, key: bytes) -> None:
        self.settings.pop(key.decode(), None)
        set_defaults(self, data)  # type: ignore[arg-type] - a stand-in

    def obs_property_set_modified_callback2(self, handle: int, callback: int, key: int) -> None:
        self.properties[handle].update(on_change=callback, key=key)

    def obs_source_update_properties(self, _source: int) -> None:
        self.reload_count += 1

    def obs_properties_create(self) -> int:
        handle = next(self._handles)
        self.panels[handle] = []
        return handle

    def _add(self, kind: str, panel: int, name: bytes, text: bytes, **more: Any) -> int:
        handle = next(self._handles)
        self.properties[handle] = {"kind": kind, "name": name.decode(), "text": text.decode(), **more}
        self.properties[handle].update(visible=True, enabled=True, warns=False)
        self.panels[panel].append(handle)
        return handle

    def obs_properties_add_text(self, panel: int, name: bytes, text: bytes, _type: int) -> int:
        return self._add("text", panel, name, text)

    def obs_properties_add_button(self, panel: int, name: bytes, text: bytes, callback: int) -> int:
        return self._add("button", panel, name, text, callback=callback)

    def obs_properties_add_bool(self, panel: int, name: bytes, text: bytes) -> int:
        return self._add("bool", panel, name, text)

    def obs_properties_add_path(self, panel: int, name: bytes, text: bytes, *_: Any) -> int:
        return self._add("path", panel, name, text)

    def obs_properties_add_color(self, panel: int, name: bytes, text: bytes) -> int:
        return self._add("color", panel, name, text)

    def obs_properties_add_list(self, panel: int, name: bytes, text: bytes, *_: int) -> int:
        return self._add("list", panel, name, text, items=[])

    def obs_property_list_add_string(self, handle: int, label: bytes, value: bytes) -> None:
        self.properties[handle]["items"].append((label.decode(), value.decode()))

    def obs_properties_add_float_slider(self, panel: int, name: bytes, text: bytes, *_: float) -> int:
        return self._add("slider", panel, name, text)

    def obs_properties_add_group(self, panel: int, name: bytes, text: bytes, _type: int, content: int) -> int:
        return self._add("group", panel, name, text, content=content)

    def obs_properties_set_param(self, panel: int, key: int, callback: int) -> None:
        self.gone.append((callback, key))

    def close_panel(self) -> None:
        callback, key = self.gone.pop(0)
        ctypes.CFUNCTYPE(None, _POINTER)(callback)(key)

    def walk(self, panel: int, *, only_visible: bool = False) -> Iterator[dict[str, Any]]:
        for handle in self.panels[panel]:
            each = self.properties[handle]
            if only_visible and not each["visible"]:
                continue
            yield {**each, "handle": handle}
            if each["kind"] == "group":
                yield from self.walk(each["content"], only_visible=only_visible)

    def obs_properties_get(self, panel: int, name: bytes) -> int:
        return next((each["handle"] for each in self.walk(panel) if each["name"] == name.decode()), 0)

    def obs_property_name(self, handle: int) -> bytes:
        return str(self.properties[handle]["name"]).encode()

    def obs_property_set_description(self, handle: int, text: bytes) -> None:
        self.properties[handle]["text"] = text.decode()

    def obs_property_set_long_description(self, handle: int, text: bytes) -> None:
        self.properties[handle]["tooltip"] = text.decode()

    def obs_property_set_visible(self, handle: int, is_visible: bool) -> None:
        self.properties[handle]["visible"] = is_visible

    def obs_property_set_enabled(self, handle: int, is_enabled: bool) -> None:
        self.properties[handle]["enabled"] = is_enabled

    def obs_property_text_set_info_type(self, handle: int, kind: int) -> None:
        self.properties[handle]["warns"] = kind == 1


class StandInSupervisor:
    """A supervisor without a worker: records the session's requests."""

    def __init__(self) -> None:
        self.problem: Problem | None = None
        self.notice: Problem | None = None
        self.characters: tuple[CharacterEntry, ...] = ()
        self.statuses: dict[str, FilterStatus] = {}
        self.asked: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **_: self.asked.append((name, *arguments))


class Desk:
    """A filter in a session whose worker is played by the test, and the panel that OBS shows of it."""

    def __init__(self, folder: Path) -> None:
        self.lib: Any = PanelLibObs()
        characters = folder / "assets" / "characters"
        characters.mkdir(parents=True)
        for name in ("a.png", "b.png", "c.png"):
            Image.new("RGB", (8, 8)).save(characters / name)
        self.folder = characters
        session = Session(self.lib, Installation(folder, folder / "python"))
        self.made = registration.Registration(self.lib, session)
        self.session: Any = session
        self.supervisor: Any = StandInSupervisor()
        session._supervisor = self.supervisor
        create = ctypes.CFUNCTYPE(_POINTER, _POINTER, _POINTER)(self.made.info.create)
        self.key = create(1, 2)
        (self.instance,) = session.filters()
        session._refresh_characters()
        self.panel = 0

    def open(self) -> None:
        self.panel = ctypes.CFUNCTYPE(_POINTER, _POINTER)(self.made.info.get_properties)(self.key) or 0

    def shown(self) -> list[dict[str, Any]]:
        return list(self.lib.walk(self.panel, only_visible=True))

    def texts(self) -> list[str]:
        return [each["text"] for each in self.shown()]

    def press(self, name: str) -> bool:
        """Press a button as OBS does, which makes the widgets anew if the callback returns true."""
        (button,) = [each for each in self.shown() if each["name"] == name]
        assert button["enabled"]
        call = ctypes.CFUNCTYPE(ctypes.c_bool, _POINTER, _POINTER, _POINTER)(button["callback"])
        return bool(call(self.panel, button["handle"], self.key))

    def choose(self, name: str, value: str) -> bool:
        """Choose a value of a list as OBS does, which makes the widgets anew if the callback returns true."""
        (widget,) = [each for each in self.shown() if each["name"] == name]
        self.lib.settings[name] = value
        call = ctypes.CFUNCTYPE(ctypes.c_bool, _POINTER, _POINTER, _POINTER, _POINTER)(widget["on_change"])
        return bool(call(widget["key"], self.panel, widget["handle"], 1))

    def report(self, wait: bool = True, **fields: Any) -> int:
        """Have the worker tell a status, and return how often the panel was made anew because of it."""
        before = self.lib.reload_count
        status = {"state": "tracking", "fps": 30.0, "latency_ms": 40.0, "renderer": "warp", **fields}
        name = self.instance.filter_id
        self.supervisor.statuses[name] = FilterStatus(name, **status)
        if wait:
            self.instance.panel.shown_at -= 1.0
        self.session._on_change(name)
        if self.lib.reload_count > before:
            self.reload()
        return int(self.lib.reload_count - before)

    def reload(self) -> None:
        """Make a new panel before the old one goes, like OBS on `obs_source_update_properties`."""
        self.open()
        self.lib.close_panel()


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


SECTIONS = [each.value for each in Section if each is not Section.NONE]


def test_the_status_comes_first_and_nothing_that_could_be_open(desk: Desk) -> None:
    desk.report()
    desk.open()
    shown = desk.shown()
    assert shown[0]["name"] == "status" and shown[0]["text"].startswith("Live · 30 fps · 40 ms")
    assert not any(each["kind"] in ("list", "slider", "group") for each in shown)
    assert __version__ in shown[-1]["text"] and 'README.md">Help</a>' in shown[-1]["text"]


def test_the_colour_is_shown_only_where_it_is_used(desk: Desk) -> None:
    desk.open()
    desk.press("picture")
    assert "background_color" not in [each["name"] for each in desk.shown()]
    desk.choose("background", "color")
    assert "background_color" in [each["name"] for each in desk.shown()]


@pytest.mark.parametrize("section", SECTIONS)
def test_an_open_section_takes_the_place_of_the_others(desk: Desk, section: str) -> None:
    desk.open()
    folded = desk.texts()
    desk.press(section)
    shown = [each["name"] for each in desk.shown()]
    assert shown[:3] == ["status", section, f"{section}_group"] and not set(shown) & (set(SECTIONS) - {section})
    desk.press(section)
    assert desk.texts() == folded


def test_the_text_on_top_has_one_height(desk: Desk) -> None:
    states = (
        {"state": "tracking"},
        {"state": "no_face", "renderer": "liveportrait", "device": "NVIDIA GeForce RTX 4090 Laptop GPU"},
        {"state": "tracking", "message": "the face is too dark", "remedy": "turn on a lamp in front of you"},
        {"state": "error", "renderer": "", "message": "no face found in a.png", "remedy": "use a portrait"},
    )
    desk.open()
    heights = {len(desk.texts()[0].splitlines())}
    for fields in states:
        desk.report(**fields)
        heights.add(len(desk.texts()[0].splitlines()))
    desk.press("movement")
    assert heights | {len(desk.texts()[0].splitlines())} == {BLOCK_LINES}


def test_only_strengths_that_count_are_shown(desk: Desk) -> None:
    desk.open()
    desk.press("movement")
    shown = lambda: {each["name"] for each in desk.shown() if each["kind"] == "slider"}  # noqa: E731
    assert shown() == set(RANGES)
    assert desk.choose("region", "mouth"), "OBS makes the widgets anew"
    assert shown() == {"sensitivity_expression", "sensitivity_mouth", "smoothing"}


def test_what_does_not_move_is_still_for_the_worker(desk: Desk) -> None:
    set_defaults(desk.lib, 1)
    desk.lib.settings.update(region="mouth", sensitivity_mouth=1.5, smoothing=0.2)
    settings = read_settings(desk.lib, 1)
    face = settings.animation(30.0).face
    assert (face.sensitivity_mouth, face.sensitivity_expression, face.smoothing) == (1.5, 1.0, 0.2)
    assert face.sensitivity_pose == face.sensitivity_gaze == face.sensitivity_brows == face.sensitivity_eyes == 0.0
    assert settings.face.sensitivity_pose == 1.0, "the slider keeps its value"


def test_what_liveportrait_cannot_move_is_not_offered_with_it(desk: Desk) -> None:
    desk.report(renderer="liveportrait")
    desk.open()
    desk.press("movement")
    assert "still_shoulders" not in [each["name"] for each in desk.shown()]
    desk.report(renderer="warp")
    desk.press("movement")
    desk.press("movement")
    assert "still_shoulders" in [each["name"] for each in desk.shown()]


def test_the_worker_learns_of_still_shoulders_and_of_the_computing_time(desk: Desk) -> None:
    desk.lib.settings.update(still_shoulders=True, effort="quarter")
    settings = read_settings(desk.lib, 1).animation(30.0)
    assert settings.face.still_shoulders and settings.most_share == 0.25


def test_the_first_press_of_reset_asks_and_the_second_one_resets_all_but_the_character(desk: Desk) -> None:
    desk.lib.settings.update(character="b.png", fit="cover", smoothing=0.9, mirror=True, region="eyes")
    desk.open()
    desk.press("trouble")
    assert desk.press("reset") and desk.texts()[-1] == "Press again to reset all settings"
    assert desk.lib.settings["fit"] == "cover"
    desk.press("trouble")
    desk.press("trouble")
    assert desk.press("reset") and "Press again" in desk.texts()[-1], "anything else in between takes it back"
    assert not desk.press("reset")
    assert read_settings(desk.lib, 1) == FilterSettings(character="b.png")
    assert desk.lib.reload_count == 1, "the open lists are made anew"


def test_the_folder_is_opened_by_a_program_that_nobody_waits_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    opener, opened = tmp_path / "xdg-open", tmp_path / "opened"
    opener.write_text(f'#!/bin/sh\nsleep 0.5\nprintf %s "$1" > "{opened}.part" && mv "{opened}.part" "{opened}"\n')
    opener.chmod(0o755)
    monkeypatch.setattr(file_manager, "_PROGRAMS", {sys.platform: str(opener)})
    desk.open()
    desk.press("characters")
    before = time.monotonic()
    assert not desk.press("open_folder")
    assert time.monotonic() - before < 0.4
    wait_until(opened.exists)
    assert opened.read_text() == str(desk.folder)
    monkeypatch.setattr(file_manager, "_PROGRAMS", {sys.platform: str(tmp_path / "gone")})
    desk.press("open_folder")
    wait_until(lambda: f"{desk.folder} cannot be opened" in caplog.text)


def test_every_renderer_can_be_chosen_and_its_authors_are_named(desk: Desk) -> None:
    desk.open()
    (about,) = [each["text"] for each in desk.shown() if each["name"] == "about"]
    desk.press("trouble")
    (renderer,) = [each for each in desk.shown() if each["name"] == "renderer"]
    assert [value for _, value in renderer["items"]] == list(RENDERERS)
    assert ("Anime characters (any computer)", "anime") in renderer["items"]
    assert "Talking Head Anime 3 by Pramook Khungurn, CC BY 4.0" in about


def test_a_preset_sets_every_number_and_moves_the_sliders(desk: Desk) -> None:
    desk.open()
    desk.press("movement")
    for name, values in PRESETS.items():
        before = desk.lib.reload_count
        desk.press(f"preset:{name}")
        assert {key: desk.lib.settings[key] for key in RANGES} == values
        assert desk.lib.reload_count == before + 1, "the open sliders are made anew"


def test_every_setting_of_the_panel_can_be_found_in_the_guide_for_other_programs(desk: Desk) -> None:
    guide = Path(__file__).resolve().parents[2].joinpath("docs", "CONTROL.md").read_text(encoding="utf-8")
    desk.open()
    settings = [
        each["name"] for each in desk.lib.walk(desk.panel) if each["kind"] in ("bool", "list", "slider", "color")
    ]
    assert len(settings) > 15 and not [name for name in settings if f"`{name}`" not in guide]


def test_every_control_has_a_tooltip(desk: Desk) -> None:
    desk.open()
    controls = [each for each in desk.lib.walk(desk.panel) if each["kind"] not in ("text", "group")]
    missing = [each["name"] for each in controls if not each.get("tooltip")]
    assert [name for name in missing if not name.startswith("character:")] == []


def test_the_numbers_follow_within_a_second(desk: Desk) -> None:
    desk.open()
    assert desk.report() == 1
    assert desk.report(fps=22.0, wait=False) == 0, "at most once a second"
    assert desk.report(fps=30.2, latency_ms=41.0) == 0, "nobody is misled"
    assert desk.report(fps=22.0) == 1
    assert "22 fps" in desk.texts()[0]
    assert desk.report(fps=22.0, latency_ms=95.0) == 1
    assert "95 ms" in desk.texts()[0]


def test_a_slow_drift_of_the_numbers_is_not_missed(desk: Desk) -> None:
    desk.open()
    desk.report()
    for latency in range(40, 81):
        desk.report(latency_ms=float(latency))
        told = float(desk.texts()[0].split(" ms")[0].split()[-1])
        assert abs(told - latency) <= max(3.0, 0.1 * told)


def test_nothing_is_made_anew_while_a_list_may_be_open(desk: Desk) -> None:
    desk.open()
    desk.report()
    desk.press("picture")
    assert desk.report(state="no_face") == 0
    assert desk.report(state="error", message="it broke", remedy="mend it") == 0
    assert "This text rests" in desk.texts()[0]
    desk.press("picture")
    assert desk.texts()[0].startswith("The character cannot be animated") and "rests" not in desk.texts()[0]
    assert desk.report(state="no_face") == 1


def test_the_list_of_characters_stays_unfolded_when_the_state_changes(desk: Desk) -> None:
    desk.open()
    desk.report()
    desk.press("characters")
    assert desk.report(state="no_face") == 1
    assert desk.texts()[0].startswith("No face in the picture")
    assert [each["text"] for each in desk.shown() if each["name"].startswith("character:")] == [
        "● 1 a",
        "○ 2 b",
        "○ 3 c",
    ]


def test_a_closed_panel_is_left_alone_and_opens_folded(desk: Desk) -> None:
    desk.open()
    desk.press("trouble")
    desk.lib.close_panel()
    assert desk.report(state="no_face") == 0
    desk.open()
    assert not any(each["kind"] == "list" for each in desk.shown())
    assert desk.texts()[0].startswith("No face")


def test_pressing_a_character_sets_it_and_folds_the_list(desk: Desk) -> None:
    desk.open()
    assert "Character: 1 a (default)" in desk.texts()[1]
    assert desk.press("characters")
    assert desk.press("character:b.png")
    assert desk.lib.settings["character"] == "b.png"
    assert "obs_source_update" in desk.lib.names()
    assert desk.lib.reload_count == 0, "a button must not be removed while OBS is inside of its press"
    assert "Character: 2 b" in desk.texts()[1]
    assert not any(each["name"].startswith("character:") for each in desk.shown())
    desk.press("characters")
    assert "● 2 b" in desk.texts() and "○ 1 a" in desk.texts()


def test_refresh_pressed_once_shows_a_new_picture_and_keeps_the_place(desk: Desk) -> None:
    desk.open()
    desk.press("characters")
    Image.new("RGB", (8, 8)).save(desk.folder / "d.png")
    assert not desk.press("refresh"), "the answer makes the panel anew, not the press"
    assert ("refresh",) in desk.supervisor.asked
    desk.session._on_change(None)  # the worker's list is there, or the supervisor has none
    assert desk.lib.reload_count == 1
    desk.reload()
    assert "○ 4 d" in desk.texts(), "and the list is still unfolded"


def test_broken_pictures_are_marked_with_the_reason_and_cannot_be_chosen(desk: Desk) -> None:
    (desk.folder / "b.png").write_bytes(b"text")
    desk.session._on_change(None)
    desk.supervisor.characters = tuple(
        CharacterEntry(name, name[0], str(desk.folder / name), *problem)
        for name, problem in (("a.png", ()), ("b.png", ()), ("c.png", ("no face found in /x/c.png", "use another")))
    )
    desk.session._on_change(None)
    desk.open()
    desk.press("characters")
    marked = {each["name"]: each for each in desk.shown() if each["name"].startswith("character:")}
    assert marked["character:b.png"]["text"] == "✕ 2 b is no PNG, JPEG or WebP picture. Save it …"
    assert marked["character:c.png"]["text"] == "✕ 3 c: No face found in c.png. Use another."
    assert [each["enabled"] for each in marked.values()] == [True, False, False]


def test_what_will_look_wrong_is_shown_with_the_character(desk: Desk) -> None:
    desk.open()
    assert "warning" not in [each["name"] for each in desk.shown()]
    desk.supervisor.characters = tuple(
        CharacterEntry(name, name[0], str(desk.folder / name), warning=warning, advice=advice)
        for name, warning, advice in (
            (
                "a.png",
                "it is doubtful whether that is a face",
                "use a portrait, or mark it with `prepare --pick a.png`",
            ),
            ("b.png", "", ""),
        )
    )
    desk.session._on_change(None)
    desk.reload()
    (warning,) = (each for each in desk.shown() if each["name"] == "warning")
    assert warning["text"] == "It is doubtful whether that is a face. Use a portrait."
    desk.press("characters")
    assert {"● 1 a ⚠", "○ 2 b"} <= set(desk.texts())


def test_a_name_that_the_locale_cannot_spell_stops_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_size(_path: str) -> None:
        raise UnicodeEncodeError("ascii", "Яна", 0, 3, "ordinal not in range(128)")

    monkeypatch.setattr(still_picture.picture_header, "read_size", read_size)
    Image.new("RGB", (8, 8)).save(desk.folder / "d.png")
    desk.session._on_change(None)
    assert [entry.problem for entry in desk.session.characters()] == [""] * 4
    assert desk.session.roster.numbers[3] == "d.png"


def test_no_button_is_wide_enough_to_be_cut(desk: Desk) -> None:
    names = ("a" * 200, "b" * 200)
    desk.supervisor.characters = (
        CharacterEntry("a.png", names[0], str(desk.folder / "a.png")),
        CharacterEntry("b.png", names[1], str(desk.folder / "b.png"), "it is broken " * 50),
    )
    desk.open()
    desk.press("characters")
    assert max(len(each["text"]) for each in desk.shown() if each["kind"] == "button") <= 48


def test_next_and_previous_pass_over_what_cannot_be_shown(desk: Desk) -> None:
    (desk.folder / "b.png").write_bytes(b"")
    desk.session._on_change(None)
    next_, previous = (each for each in hotkeys.HOTKEYS if "next" in each.name or "previous" in each.name)
    next_.press(desk.session)
    assert desk.lib.settings["character"] == "c.png"
    next_.press(desk.session)
    assert desk.lib.settings["character"] == "a.png"
    previous.press(desk.session)
    assert desk.lib.settings["character"] == "c.png"


def test_a_number_stays_with_its_character(desk: Desk) -> None:
    assert desk.session.roster.numbers[:4] == ("a.png", "b.png", "c.png", "")
    Image.new("RGB", (8, 8)).save(desk.folder / "0 new.png")
    (desk.folder / "b.png").unlink()
    desk.session._on_change(None)
    assert desk.session.roster.numbers[:4] == ("a.png", "b.png", "c.png", "0 new.png")
    desk.session.select_number(3)
    assert desk.lib.settings["character"] == "c.png"
    desk.session.select_number(2)
    assert desk.lib.settings["character"] == "c.png", "its picture is gone"
    Image.new("RGB", (8, 8)).save(desk.folder / "b.png")
    desk.session._on_change(None)
    desk.session.select_number(2)
    assert desk.lib.settings["character"] == "b.png"


def test_each_emote_has_a_hotkey_that_plays_it_on_every_filter(desk: Desk) -> None:
    own, hotkey = hotkeys.all_hotkeys(["bow_low", "wink_left"])[-2:]
    assert hotkey.name == "stream_motion_animator.emote_wink_left"
    assert hotkey.describe().endswith("Emote: Wink left") and own.describe().endswith("Emote: Bow low")
    hotkey.press(desk.session)
    assert desk.supervisor.asked[-1] == ("play", desk.instance.filter_id, "wink_left")


def test_the_panel_has_a_button_for_each_emote_that_plays_it_on_this_filter(desk: Desk) -> None:
    own = desk.folder.parent / "emotes" / "own"
    own.mkdir(parents=True)
    (own / "bow.yaml").write_text("")
    desk.open()
    desk.press("emotes")
    assert "Bow" in desk.texts()
    desk.press("emote:bow")
    assert desk.supervisor.asked[-1] == ("play", desk.instance.filter_id, "bow")


def test_the_panel_and_hotkeys_show_the_expressions_of_the_character(desk: Desk) -> None:
    Image.new("RGB", (8, 8)).save(desk.folder / "a.happy.png")
    Image.new("RGB", (8, 8)).save(desk.folder / "a.sleepy.png")
    desk.session._on_change(None)
    assert [entry.file for entry in desk.session.characters()] == ["a.png", "b.png", "c.png"]
    desk.open()
    desk.press("emotes")
    assert {"● Own picture", "○ Happy", "○ Sleepy", "○ Expression of my face"} <= set(desk.texts())
    desk.press("expression:happy")
    assert desk.lib.settings["expression"] == "happy"
    second = next(each for each in hotkeys.HOTKEYS if each.name.endswith("expression_2"))
    second.press(desk.session)
    assert desk.lib.settings["expression"] == "sleepy" and desk.lib.settings.get("character", "") == ""


def test_a_picture_of_the_file_dialog_is_added_and_chosen_and_the_dialog_is_gone_meanwhile(desk: Desk) -> None:
    desk.report()
    desk.open()
    desk.press("adding")
    picture = str(desk.folder / "d.png")
    before = desk.lib.reload_count
    desk.session.change_settings(desk.instance, {"smoothing": 0.2})
    assert desk.lib.reload_count == before, "OBS must not take the dialog's widget away under it"
    assert desk.choose("added_picture", picture)
    assert desk.supervisor.asked[-1] == ("add_picture", desk.instance.filter_id, picture)
    assert "Working on d.png …" in desk.texts()
    assert not any(each["kind"] == "path" for each in desk.shown())
    desk.session._adding.end(CharacterAdded(desk.instance.filter_id, "d-2.png"))
    assert desk.lib.settings["character"] == "d-2.png" and desk.lib.settings["added_picture"] == ""
    assert desk.lib.reload_count == before + 1
    desk.session._adding.end(CharacterAdded(desk.instance.filter_id, message="d.png is empty", remedy="copy it again"))
    assert desk.instance.panel.added == "The file d.png is empty. Copy it again."
    assert desk.lib.settings["character"] == "d-2.png"


def test_the_background_is_removed_of_the_character_that_is_shown(desk: Desk) -> None:
    desk.report()
    desk.open()
    desk.press("characters")
    assert desk.press("cut_out")
    assert desk.supervisor.asked[-1] == ("cut_out", desk.instance.filter_id, "a.png")
    assert "Working on a.png …" in desk.texts()
    desk.session._adding.end(CharacterAdded(desk.instance.filter_id, "a-cutout.png"))
    assert desk.lib.settings["character"] == "a-cutout.png" and not desk.instance.panel.added


def test_a_button_has_the_installations_python_make_the_page_of_thumbnails(desk: Desk, tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("the interpreter of this test is a shell script")
    python, told = desk.folder.parents[1] / "python", tmp_path / "told"
    python.write_text(f'#!/bin/sh\necho "$@" > "{told}.part" && mv "{told}.part" "{told}"\n')
    python.chmod(0o755)
    desk.open()
    desk.press("characters")
    desk.press("thumbnails")
    end = time.monotonic() + 20
    while not told.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert told.read_text().split() == ["-m", "animator_core", "characters", "--sheet"]


def test_a_path_in_the_settings_of_a_panel_that_is_only_opened_adds_nothing(desk: Desk) -> None:
    desk.open()
    path = next(each for each in desk.lib.walk(desk.panel) if each["kind"] == "path")
    desk.lib.settings["added_picture"] = str(desk.folder / "a.png")
    call = ctypes.CFUNCTYPE(ctypes.c_bool, _POINTER, _POINTER, _POINTER, _POINTER)(path["on_change"])
    call(path["key"], desk.panel, path["handle"], 1)
    assert not any(each[0] == "add_picture" for each in desk.supervisor.asked)


def test_the_hotkeys_carry_the_names_of_their_characters(desk: Desk) -> None:
    told: list[dict[str, str]] = []
    desk.session.roster.on_change = lambda: told.append(hotkeys.descriptions(desk.session, hotkeys.HOTKEYS))
    desk.supervisor.characters = (CharacterEntry("b.png", "Mira", str(desk.folder / "b.png")),)
    desk.session._on_change(None)
    assert told[-1]["stream_motion_animator.character_2"] == "Stream Motion Animator: Character 2: Mira"
    assert told[-1]["stream_motion_animator.character_1"] == "Stream Motion Animator: Character 1"


def test_the_line_of_a_panel_is_sentences_without_paths() -> None:
    problem = Problem("/opt/an imator/.venv/bin/python is missing", "run install.py")
    line = describe(Condition(problem=problem, folder="/opt/an imator"))
    assert line.text == "Problem: The file .venv/bin/python is missing. Run install.py."


class MicrophoneLibObs(PanelLibObs):
    """Has a microphone in two of OBS's channels, and the desktop's sound in the first."""

    def __init__(self) -> None:
        super().__init__()
        self.offsets = {71: 0, 72: 250_000_000}

    def obs_get_output_source(self, channel: int) -> int:
        return {1: 70, 3: 71, 4: 72}.get(channel, 0)

    def obs_source_get_name(self, source: int) -> bytes:
        return {70: b"Desktop Audio", 71: b"Mic: front", 72: "Gästemikrofon".encode()}.get(source, b"Filter")

    def obs_source_get_sync_offset(self, source: int) -> int:
        return self.offsets[source]

    def obs_source_set_sync_offset(self, source: int, offset: int) -> None:
        self.offsets[source] = offset


def test_a_press_delays_a_microphone_by_as_long_as_the_animation_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PanelLibObs", MicrophoneLibObs)
    desk = Desk(tmp_path)
    desk.lib.obs_get_frame_interval_ns = lambda: 20_000_000
    desk.open()
    desk.press("sound")
    labels = [each["text"] for each in desk.shown() if each["name"].startswith("delay:")]
    assert not any(each["enabled"] for each in desk.shown() if each["name"].startswith("delay:")), (
        "nothing is known yet"
    )
    desk.report(latency_ms=45.4)
    labels = [each["text"] for each in desk.shown() if each["name"].startswith("delay:")]
    assert labels == ["Delay Mic: front by 65 ms (now 0)", "Delay Gästemikrofon by 65 ms (now 250)"]
    assert any("type 65 as its Sync Offset" in text for text in desk.texts())
    queued: list[Any] = []
    desk.lib.obs_queue_task = lambda kind, task, *_: queued.append(task)
    desk.press("delay:Mic: front")
    assert desk.lib.offsets == {71: 0, 72: 250_000_000}, "only on the user interface thread"
    for task in queued:
        ctypes.CFUNCTYPE(None, _POINTER)(task.value)(None)
    assert desk.lib.offsets == {71: 65_000_000, 72: 250_000_000}
    desk.reload()
    assert "Delay Mic: front by 65 ms (now 65)" in desk.texts()

"""Requests of other programs, and the events for them, with an obs-websocket played by the test."""

from __future__ import annotations

import ctypes
import json
import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_websocket import WebsocketLibObs
from PIL import Image
from test_obs_panel import StandInSupervisor

from animator_core.ipc.face_settings import RANGES
from animator_core.ipc.protocol import STATES, FilterStatus
from obs_plugin import libobs, registration
from obs_plugin.control import EVENTS
from obs_plugin.installation import Installation
from obs_plugin.problem import Problem
from obs_plugin.session import Session
from obs_plugin.status_line import Condition
from obs_plugin.websocket_vendor import LONGEST_REQUEST, VENDOR, Vendor

CAMERA, SECOND = ("Camera", "Animator"), ("Gäste", "Animator 2")


class Studio:
    """A session with a filter on each of two cameras, whose worker is played by the test."""

    def __init__(self, folder: Path, lib: WebsocketLibObs) -> None:
        characters = folder / "assets" / "characters"
        characters.mkdir(parents=True)
        for name in ("ada.png", "bob.png", "mira_anime.png"):
            Image.new("RGB", (8, 8)).save(characters / name)
        (characters / "broken.png").write_bytes(b"no picture")
        self.lib: Any = lib
        self.folder = folder
        self.session: Any = Session(self.lib, Installation(folder, folder / "python"))
        self.made = registration.Registration(self.lib, self.session)
        self.session._supervisor = self.supervisor = StandInSupervisor()
        create = ctypes.CFUNCTYPE(*[ctypes.c_void_p] * 3)(self.made.info.create)
        for source in lib.filters.values():
            create(1, source)
        self.filters = self.session.filters()
        self.session._refresh_characters()
        self.made.open_control()

    def request(self, name: str, **keys: Any) -> dict[str, Any]:
        return dict(self.lib.request(name, keys))

    def report(self, number: int = 0, **fields: Any) -> None:
        """Have the worker tell the status of a filter."""
        name = self.filters[number].filter_id
        self.supervisor.statuses[name] = FilterStatus(name, **{"state": "tracking", "renderer": "warp", **fields})
        self.session._on_change(name)

    def actions(self) -> list[tuple[str, str]]:
        """Return the filters and actions that the worker was asked for since the last call."""
        asked = [each[1:] for each in self.supervisor.asked if each[0] == "act"]
        self.supervisor.asked.clear()
        return asked

    def changed(self) -> Any:
        """Return the settings as requests wrote them since the last call, and have the filters hear of them."""
        written = {key: value for key, value in self.lib.settings.items() if key != "camera_id"}
        for instance in self.filters:
            instance.update(1)
        self.lib.settings.clear()
        return written


def names(*filters: tuple[str, str]) -> list[dict[str, str]]:
    return [{"source": source, "filter": name} for source, name in filters]


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, WebsocketLibObs(filters={CAMERA: 61, SECOND: 62}))


# --- the vendor ---


def test_the_vendor_is_ours_and_has_every_request(studio: Studio) -> None:
    assert studio.lib.vendors == {VENDOR} == {"stream-motion-animator"}
    assert set(studio.lib.requests) == set(studio.made._control.requests)
    assert studio.lib.refused == []


def test_without_obs_websocket_nothing_happens_and_nothing_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        studio = Studio(tmp_path, WebsocketLibObs(is_installed=False, filters={CAMERA: 61}))
        studio.report()
        studio.made.close_control()
    assert caplog.text == "" and studio.lib.events == [] and studio.lib.requests == {}


def test_a_vendor_of_another_plugin_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lib = WebsocketLibObs()
    lib.vendors.add(VENDOR)
    with caplog.at_level(logging.INFO):
        studio = Studio(tmp_path, lib)
    assert lib.requests == {} and "another plugin has the name" in caplog.text
    assert not any(record.levelno > logging.INFO for record in caplog.records), "OBS would raise its log window"
    studio.made.close_control()


def test_a_reloaded_script_registers_its_requests_again_with_the_vendor_it_has(studio: Studio) -> None:
    studio.report()
    studio.lib.events.clear()
    studio.made.close_control()
    assert studio.lib.requests == {}
    studio.report(state="no_face")
    assert studio.lib.events == [], "OBS may have unloaded obs-websocket"
    studio.made.open_control()
    studio.made.open_control()
    assert studio.request("ListFilters") == {"filters": names(CAMERA, SECOND)}
    assert studio.lib.refused == [], "obs-websocket logs a warning for what is registered twice or is not there"


def test_removing_the_script_removes_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "_registration", None)
    monkeypatch.setattr(registration, "atexit", SimpleNamespace(register=lambda end: None))
    lib: Any = WebsocketLibObs()
    session = registration.register(lib)
    assert session is not None and "ListFilters" in lib.requests
    registration.hide()
    assert lib.requests == {}
    assert registration.register(lib) is session and "ListFilters" in lib.requests


def test_a_request_that_was_under_way_when_the_script_was_removed_is_answered(studio: Studio) -> None:
    late = dict(studio.lib.requests)
    studio.made.close_control()
    studio.session._supervisor = StandInSupervisor()
    studio.session._supervisor.problem = Problem("The script is not loaded", "Add it in Tools → Scripts")
    studio.lib.requests = late
    assert studio.request("Calibrate") == {"error": "The script is not loaded.", "remedy": "Add it in Tools → Scripts."}


def test_every_block_that_libobs_allocated_is_freed(studio: Studio) -> None:
    allocated: list[int] = []
    set_data = studio.lib.calldata_set_data

    def allocate(data: Any, *more: Any) -> None:
        if not data._obj.stack:
            data._obj.stack = 1_000_000 + len(allocated)
            allocated.append(data._obj.stack)
        set_data(data, *more)

    studio.lib.calldata_set_data = allocate
    studio.request("ListFilters")
    studio.report()
    studio.made.close_control()
    assert allocated and set(allocated) <= set(studio.lib.freed)
    made = [handle for handle, content in studio.lib._contents.items() if isinstance(content, dict)]
    released = [arguments[0] for name, arguments in studio.lib.calls if name == "obs_data_release"]
    answers = len(made) - len(set(made) & set(released))
    assert answers == 1, "only the one that obs-websocket made for the answer is left to it"


def test_a_failure_of_ours_is_logged_and_answered(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(studio.session, "characters", lambda: 1 / 0)
    answer = studio.request("ListCharacters")
    assert answer == {"error": "The request failed", "remedy": "Tools → Scripts → Script Log says why"}
    assert "ListCharacters from obs-websocket failed" in caplog.text and "ZeroDivisionError" in caplog.text


def test_an_event_is_over_before_the_vendor_is_closed() -> None:
    lib: Any = WebsocketLibObs()
    vendor = Vendor(lib)
    vendor.open({})
    is_sending, may_go_on = threading.Event(), threading.Event()
    call = lib.proc_handler_call

    def slow(handler: int, name: bytes, data: Any) -> bool:
        if name == b"vendor_event_emit":
            is_sending.set()
            may_go_on.wait(5)
        return bool(call(handler, name, data))

    lib.proc_handler_call = slow
    sender = threading.Thread(target=vendor.emit, args=("StatusChanged", {}))
    sender.start()
    assert is_sending.wait(5)
    closer = threading.Thread(target=vendor.close)
    closer.start()
    closer.join(0.1)
    assert closer.is_alive()
    may_go_on.set()
    for thread in (sender, closer):
        thread.join(5)
    assert [name for name, _ in lib.events] == ["StatusChanged"]


def test_python_does_not_end_while_a_request_is_answered() -> None:
    lib: Any = WebsocketLibObs()
    vendor = Vendor(lib)
    is_asked, may_go_on = threading.Event(), threading.Event()

    def answer(_: Any) -> dict[str, Any]:
        is_asked.set()
        may_go_on.wait(5)
        return {"done": True}

    vendor.open({"Slow": answer})
    answers: list[dict[str, Any]] = []
    client = threading.Thread(target=lambda: answers.append(lib.request("Slow")))
    client.start()
    assert is_asked.wait(5)
    closer = threading.Thread(target=vendor.close)
    closer.start()
    closer.join(0.1)
    assert closer.is_alive() and lib.requests == {}
    may_go_on.set()
    for thread in (closer, client):
        thread.join(5)
    assert answers == [{"done": True}]


# --- hostile data ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[1]", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe{}", "cannot be read"),
        (b'{"character": ' * 200 + b"1" + b"}" * 200, "character cannot be"),
        (b'{"a": "' + b"x" * LONGEST_REQUEST + b'"}', "more than 4096 bytes"),
        (b'{"a": "' + b"x" * 10_000_000 + b'"}', "more than 4096 bytes"),
        (json.dumps({"character": "x" * 256}).encode(), "character cannot be"),
        (b'{"character": true}', "character cannot be true"),
        (b'{"character": 0}', "character cannot be 0"),
        (b'{"character": 1.5}', "character cannot be 1.5"),
        (b'{"character": ""}', 'character cannot be ""'),
        (b'{"character": {}}', "character cannot be {}"),
        (b'{"character": "ada.png", "speed": 1}', 'no key "speed"'),
        (b"{}", "no key character"),
        (b'{"character": "ada.png", "source": 7}', "source cannot be 7"),
        (b'{"character": "../../etc/passwd"}', "no character"),
        (b'{"character": "0"}', "no character"),
        (b'{"character": "99"}', "no character"),
        (b'{"character": 99}', "no character"),
        (b'{"character": "Next"}', "no character"),
    ],
)
def test_what_no_character_is_changes_nothing(studio: Studio, text: bytes, message: str) -> None:
    answer = studio.lib.request("SetCharacter", text=text)
    assert message in answer["error"] and answer["remedy"], answer
    assert len(answer["error"]) < 200
    assert studio.changed() == {}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"smoothing": 1.01},
        {"smoothing": -0.1},
        {"smoothing": True},
        {"smoothing": "0.5"},
        {"smoothing": float("nan")},
        {"smoothing": float("inf")},
        {"smoothing": 10**400},
        {"sensitivity_expression": 2.5},
        {"mirror": 1},
        {"mirror": "true"},
        {"smoothing": 0.5, "renderer": "warp"},
        {"source": "Camera"},
        {"smoothing": 0.5, "mirror": None},
    ],
)
def test_what_no_strength_is_changes_nothing(studio: Studio, keys: dict[str, Any]) -> None:
    answer = studio.request("SetStrengths", **keys)
    assert answer["error"] and answer["remedy"]
    assert studio.changed() == {}


@pytest.mark.parametrize("name", ["ListFilters", "ListCharacters", "GetStatus", "Calibrate", "Freeze", "Hide"])
def test_an_unknown_key_is_refused_by_every_request(studio: Studio, name: str) -> None:
    studio.report()
    assert 'no key "colour"' in studio.request(name, colour="red")["error"]
    assert studio.actions() == [] and not any(instance.is_hidden for instance in studio.filters)


def test_unpaired_surrogates_are_answered_as_question_marks(studio: Studio) -> None:
    answer = studio.lib.request("SetCharacter", text=b'{"character": "\\ud800"}')
    assert answer["error"] == 'There is no character "?"'


# --- requests ---


def test_filters_are_named_by_source_and_filter(studio: Studio) -> None:
    assert studio.request("ListFilters") == {"filters": names(CAMERA, SECOND)}
    assert studio.request("Hide", source="Gäste") == {"filters": names(SECOND)}
    assert studio.request("Hide", source="Camera", filter="Animator") == {"filters": names(CAMERA)}
    answer = studio.request("Hide", source="Camera", filter="Animator 2")
    assert "no filter of ours with source" in answer["error"] and "ListFilters" in answer["remedy"]


def test_a_renamed_source_is_found_again(studio: Studio) -> None:
    studio.request("ListFilters")
    studio.lib.filters = {("Webcam", "Animator"): 61, ("Gäste", "Mask"): 62}
    assert studio.request("ListFilters") == {"filters": names(("Webcam", "Animator"), ("Gäste", "Mask"))}


def test_a_filter_that_obs_is_destroying_has_no_names(studio: Studio) -> None:
    studio.lib.obs_weak_source_get_source = lambda weak: 0
    assert studio.request("ListFilters") == {"filters": names(("", ""), ("", ""))}


def noting(function: Any, taken: list[int]) -> Any:
    def note(*arguments: Any) -> int:
        taken.append(function(*arguments))
        return taken[-1]

    return note


def test_references_to_sources_are_given_back(studio: Studio) -> None:
    taken: list[int] = []
    for name in ("obs_weak_source_get_source", "obs_get_source_by_name", "obs_source_get_filter_by_name"):
        setattr(studio.lib, name, noting(getattr(studio.lib, name), taken))
    studio.lib.calls.clear()
    studio.request("ListFilters")
    released = [arguments[0] for name, arguments in studio.lib.calls if name == "obs_source_release"]
    assert sorted(released) == sorted(handle for handle in taken if handle) != []


def test_without_a_filter_the_remedy_is_to_add_one(tmp_path: Path) -> None:
    studio = Studio(tmp_path, WebsocketLibObs())
    assert studio.request("ListFilters") == {"filters": []}
    for name in ("GetStatus", "Calibrate", "Freeze", "Hide"):
        assert "add Stream Motion Animator" in studio.request(name)["remedy"]


def test_characters_are_listed_with_number_and_problem(studio: Studio) -> None:
    listed = studio.request("ListCharacters")["characters"]
    assert [(each["file"], each["name"], each["number"]) for each in listed] == [
        ("ada.png", "ada", 1),
        ("bob.png", "bob", 2),
        ("broken.png", "broken", 3),
        ("mira_anime.png", "mira anime", 4),
    ]
    assert [bool(each["problem"]) for each in listed] == [False, False, True, False]
    assert [each["warning"] for each in listed] == [""] * 4
    assert str(studio.folder) not in json.dumps(listed)


@pytest.mark.parametrize(
    ("wanted", "file"),
    [
        ("bob.png", "bob.png"),
        ("Mira Anime", "mira_anime.png"),
        (" ADA\n", "ada.png"),
        (2, "bob.png"),
        ("4", "mira_anime.png"),
        ("next", "bob.png"),
        ("previous", "mira_anime.png"),
    ],
)
def test_a_character_is_chosen_by_file_name_number_or_step(studio: Studio, wanted: Any, file: str) -> None:
    studio.lib.settings["character"] = "ada.png"
    assert studio.request("SetCharacter", character=wanted, source="Gäste") == {"filters": names(SECOND)}
    assert studio.changed()["character"] == file
    updated = [arguments[0] for name, arguments in studio.lib.calls if name == "obs_source_update"]
    assert updated == [62]


def test_without_names_every_filter_is_given_the_character(studio: Studio) -> None:
    assert studio.request("SetCharacter", character="bob.png") == {"filters": names(CAMERA, SECOND)}
    updated = [arguments[0] for name, arguments in studio.lib.calls if name == "obs_source_update"]
    assert updated == [61, 62]


def test_a_broken_character_is_refused_with_its_remedy(studio: Studio) -> None:
    answer = studio.request("SetCharacter", character="broken")
    assert "broken.png is no PNG" in answer["error"] and answer["remedy"]
    assert studio.changed() == {}


def test_strengths_are_written_into_the_settings_and_an_open_panel_follows(studio: Studio) -> None:
    studio.filters[1].panel.open_count = 1
    answer = studio.request("SetStrengths", smoothing=0.25, sensitivity_pose=2, mirror=True)
    assert answer == {"filters": names(CAMERA, SECOND)}
    assert studio.changed() == {"smoothing": 0.25, "sensitivity_pose": 2, "mirror": True}
    reloaded = [arguments for name, arguments in studio.lib.calls if name == "obs_source_update_properties"]
    assert reloaded == [(62,)]


def test_settings_are_changed_on_the_user_interface_thread(studio: Studio) -> None:
    queued: list[int] = []
    studio.lib.obs_queue_task = lambda kind, *_: queued.append(kind)
    studio.request("SetCharacter", character="bob.png")
    studio.request("SetStrengths", smoothing=0.25)
    assert queued == [libobs.TASK_UI] * 4
    assert "obs_source_update" not in studio.lib.names() and studio.changed() == {}


def test_an_emote_is_played_by_name_and_an_unknown_one_refused(studio: Studio) -> None:
    emotes = studio.folder / "assets" / "emotes"
    (emotes / "own").mkdir(parents=True)
    (emotes / "wink_left.yaml").write_text("")
    (emotes / "own" / "bow.yaml").write_text("")
    listed = [{"emote": "bow", "name": "Bow"}, {"emote": "wink_left", "name": "Wink left"}]
    assert studio.request("ListEmotes") == {"emotes": listed}
    studio.report(1)
    second = studio.filters[1].filter_id
    assert studio.request("PlayEmote", emote="Wink Left") == {"filters": names(SECOND)}
    assert studio.request("PlayEmote", emote="bow") == {"filters": names(SECOND)}
    assert [each for each in studio.supervisor.asked if each[0] == "play"] == [
        ("play", second, "wink_left"),
        ("play", second, "bow"),
    ]
    assert "no emote" in studio.request("PlayEmote", emote="../bow")["error"]
    assert "no key emote" in studio.request("PlayEmote")["error"]


def test_an_expression_is_set_where_the_character_has_it(studio: Studio) -> None:
    Image.new("RGB", (8, 8)).save(studio.folder / "assets" / "characters" / "ada.happy.png")
    (first, _) = studio.request("ListExpressions")["filters"]
    assert first["character"] == "ada.png" and first["expressions"] == [{"expression": "happy"}]
    assert studio.request("SetExpression", expression="Happy", source="Gäste") == {"filters": names(SECOND)}
    assert studio.changed() == {"expression": "happy"}
    studio.request("SetExpression", expression="own")
    assert studio.changed() == {"expression": ""}
    assert "no expression" in studio.request("SetExpression", expression="cross")["error"]
    assert studio.changed() == {}


def test_calibrate_and_freeze_reach_the_filters_that_are_animated(studio: Studio) -> None:
    studio.report(1)
    (_, second) = (instance.filter_id for instance in studio.filters)
    studio.actions()
    assert studio.request("Calibrate") == {"filters": names(SECOND)}, "the other one has not started yet"
    assert studio.request("Freeze", mode="on") == {"filters": names(SECOND)}
    studio.request("Freeze")
    studio.request("Freeze")
    studio.request("Freeze", mode="off")
    assert studio.request("ForgetCalibration") == {"filters": names(SECOND)}
    actions = ["calibrate", "freeze", "unfreeze", "freeze", "unfreeze", "forget_calibration"]
    assert studio.actions() == [(second, action) for action in actions]


def test_where_nothing_is_animated_the_answer_says_why(studio: Studio) -> None:
    assert "not started yet" in studio.request("Calibrate")["error"]
    studio.supervisor.problem = Problem(f"{studio.folder}/.venv/bin/python is missing", "Run install.py")
    answer = studio.request("Freeze", mode="on")
    assert answer == {"error": "The file .venv/bin/python is missing.", "remedy": "Run install.py."}
    assert studio.actions() == []


def test_hide_needs_no_worker(studio: Studio) -> None:
    for mode, expected in (("on", True), ("on", True), ("toggle", False), ("toggle", True), ("off", False)):
        studio.request("Hide", mode=mode)
        assert [instance.is_hidden for instance in studio.filters] == [expected] * 2
    studio.request("Hide", source="Camera")
    assert [instance.is_hidden for instance in studio.filters] == [True, False]
    assert "one of on, off, toggle" in studio.request("Hide", mode="away")["remedy"]


def test_the_status_has_numbers_words_and_strengths(studio: Studio) -> None:
    studio.lib.settings.update({"character": "bob.png", "smoothing": 0.25, "sensitivity_pose": 1.5})
    studio.filters[0].update(1)
    studio.report(fps=29.96, latency_ms=40.04, device="CPU")
    (status,) = studio.request("GetStatus", source="Camera")["filters"]
    assert status == {
        "source": "Camera",
        "filter": "Animator",
        "character": "bob.png",
        "character_name": "bob",
        "state": "tracking",
        "fps": 30.0,
        "latency_ms": 40.0,
        "renderer": "warp",
        "device": "CPU",
        "hidden": False,
        "message": "",
        "remedy": "",
        # A number that the stand-in for OBS does not know is 0.
        "strengths": {
            "mirror": False,
            "still_shoulders": False,
            **dict.fromkeys(RANGES, 0.0),
            "sensitivity_pose": 1.5,
            "smoothing": 0.25,
        },
    }
    assert studio.request("GetStatus")["filters"][1]["state"] == "starting"


def test_the_status_tells_a_problem_as_the_panel_does(studio: Studio) -> None:
    studio.report(state="error", message="bob.png has no face", remedy="use another picture, or run `doctor`")
    status = studio.request("GetStatus", source="Camera")["filters"][0]
    assert (status["state"], status["message"]) == ("error", "The file bob.png has no face.")
    assert status["remedy"] == "Use another picture."
    assert Condition().complaint is None and set(STATES) >= {"error", "tracking"}


# --- events ---


def test_status_events_come_for_changes_and_not_for_numbers(studio: Studio) -> None:
    studio.report(fps=30.0)
    (event,) = studio.lib.told("StatusChanged")
    assert event == {
        **names(CAMERA)[0],
        "state": "tracking",
        "renderer": "warp",
        "device": "",
        "hidden": False,
        "message": "",
        "remedy": "",
    }
    for fps in (29.0, 12.0, 30.0):
        studio.report(fps=fps, latency_ms=fps)
    assert studio.lib.events == []
    for fields in ({"state": "no_face"}, {"renderer": "liveportrait"}, {"message": "too slow"}):
        studio.report(**fields)
        assert len(studio.lib.told("StatusChanged")) == 1, fields
    studio.filters[0].is_hidden = True
    studio.report(message="too slow")
    assert studio.lib.told("StatusChanged")[0]["hidden"] is True


def test_hiding_is_told_at_once(studio: Studio) -> None:
    studio.request("Hide", source="Camera")
    assert ("announce", studio.filters[0].filter_id) in studio.supervisor.asked


def test_a_character_event_comes_once_for_each_change(studio: Studio) -> None:
    studio.report()
    assert studio.lib.told("CharacterChanged")[0]["character"] == "ada.png", "the default one"
    for name, display_name in (("bob.png", "bob"), ("gone.png", "")):
        studio.lib.settings["character"] = name
        studio.filters[0].update(1)
        studio.report()
        studio.report()
        event = {**names(CAMERA)[0], "character": name, "character_name": display_name}
        assert studio.lib.told("CharacterChanged") == [event]


def test_new_pictures_are_told_with_the_whole_list(studio: Studio) -> None:
    Image.new("RGB", (8, 8)).save(studio.folder / "assets" / "characters" / "new.png")
    studio.session._on_change(None)
    (event,) = studio.lib.told("CharactersChanged")
    assert event == studio.request("ListCharacters")
    assert "new.png" in [each["file"] for each in event["characters"]]
    studio.session._on_change(None)
    assert studio.lib.told("CharactersChanged") == []


def test_every_event_is_one_of_the_documented(studio: Studio) -> None:
    studio.report()
    Image.new("RGB", (8, 8)).save(studio.folder / "assets" / "characters" / "new.png")
    studio.session._on_change(None)
    assert {name for name, _ in studio.lib.events} == set(EVENTS)

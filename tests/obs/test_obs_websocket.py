"""Control of a real OBS from outside: a real client of obs-websocket, and docs/CONTROL.md word for word."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.requires_obs
pytest.importorskip("obsws_python")

from conftest import noise  # noqa: E402
from obs_session import CAMERA, CHECKOUT, HELPER_SCRIPT, Installation, ObsSession, shows, wait_for  # noqa: E402
from remote import FILTER, OURS, WORKER_FRAME, Remote, animate_camera, make_installation  # noqa: E402

from animator_core.ipc.face_settings import STRENGTHS  # noqa: E402
from obs_plugin.control import EVENTS, Control  # noqa: E402

DOCUMENT = (CHECKOUT / "docs" / "CONTROL.md").read_text("utf-8")
REQUESTS = tuple(Control(None, ask=None, emit=None).requests)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def module_remote(tmp_path_factory: pytest.TempPathFactory, display: str) -> Iterator[tuple[Remote, Installation]]:
    folder = tmp_path_factory.mktemp("control")
    installation = make_installation(folder / "installation")
    installation.add_character("amber.happy.png", noise(200, 300, seed=9))
    session = ObsSession(folder, display, [installation.script, HELPER_SCRIPT], installation.environment)
    remote = Remote(session)
    try:
        animate_camera(session)
        remote.listen()
        yield remote, installation
        remote.close()
        assert session.quit() == 0
    finally:
        session.close()


@pytest.fixture
def installation(module_remote: tuple[Remote, Installation]) -> Installation:
    return module_remote[1]


@pytest.fixture
def remote(module_remote: tuple[Remote, Installation], installation: Installation) -> Remote:
    """The client, with OBS as at its start."""
    remote, _ = module_remote
    installation.set_control(state="tracking", message="", remedy="")
    remote.request("Hide", mode="off")
    remote.obs.client.set_source_filter_settings("Camera", FILTER, {"character": "amber.png"}, False)
    wait_for(
        lambda: status(remote)["character"] == "amber.png" and status(remote)["state"] == "tracking", "it is reset"
    )
    remote.events.clear()
    return remote


def status(remote: Remote) -> dict[str, Any]:
    return next(each for each in remote.request("GetStatus")["filters"] if each["source"] == "Camera")


def settings(remote: Remote) -> dict[str, Any]:
    return dict(remote.obs.client.get_source_filter("Camera", FILTER).filter_settings)


# --- requests and events ---


def test_a_character_is_set_saved_told_and_sent_to_the_worker(remote: Remote, installation: Installation) -> None:
    assert remote.request("SetCharacter", character="Mira") == {"filters": [OURS]}
    wait_for(lambda: settings(remote).get("character") == "mira.png", "the setting is saved")
    wait_for(lambda: remote.told("CharacterChanged", character="mira.png", **OURS), "the event comes")
    sent = lambda: installation.messages("update_filter")[-1]["settings"]["character"]  # noqa: E731
    wait_for(lambda: sent() == "mira.png", "the worker has it")
    remote.request("SetCharacter", character="next")
    remote.request("SetCharacter", character="next")
    wait_for(lambda: status(remote)["character"] == "amber.png", "each step builds on the one before")


def test_strengths_are_those_of_the_filter(remote: Remote, installation: Installation) -> None:
    remote.request("SetStrengths", sensitivity_expression=1.5, smoothing=0, mirror=True)
    expected = {"mirror": True, "still_shoulders": False, **dict.fromkeys(STRENGTHS, 1.0)}
    expected.update(sensitivity_expression=1.5, smoothing=0.0)
    wait_for(lambda: status(remote)["strengths"] == expected, "the status has them")
    assert settings(remote)["sensitivity_expression"] == 1.5 and settings(remote)["mirror"] is True
    face = lambda: installation.messages("update_filter")[-1]["settings"]["face"]  # noqa: E731
    wait_for(lambda: face() == expected, "the worker has them")


def test_calibrate_freeze_and_hide(remote: Remote, installation: Installation) -> None:
    before = len(installation.messages("filter_action"))
    remote.request("Calibrate")
    remote.request("Freeze", mode="on")
    remote.request("Freeze")
    actions = lambda: [each["action"] for each in installation.messages("filter_action")[before:]]  # noqa: E731
    wait_for(lambda: actions() == ["calibrate", "freeze", "unfreeze"], "the worker gets them in order")
    remote.request("Hide", mode="on")
    wait_for(lambda: not remote.obs.screenshot()[..., :3].any(), "nothing is shown, above all not the camera")
    wait_for(lambda: remote.told("StatusChanged", hidden=True), "the event comes")
    remote.request("Hide")
    wait_for(lambda: shows(remote.obs, WORKER_FRAME), "the character is back")


def test_an_emote_is_played_by_request_and_by_hotkey(remote: Remote, installation: Installation) -> None:
    remote.request("PlayEmote", emote="nod", source="Camera")
    played = lambda: [each["emote"] for each in installation.messages("play_emote")]  # noqa: E731
    wait_for(lambda: played() == ["nod"], "the worker gets it")
    remote.obs.press_hotkey("emote_wink_left")
    wait_for(lambda: played() == ["nod", "wink_left"], "the hotkey plays it too")


def test_state_and_problem_are_told_and_numbers_are_not(remote: Remote, installation: Installation) -> None:
    installation.set_control(state="no_face", message="it is too slow", remedy="close the game", fps=11.0)
    wait_for(lambda: remote.told("StatusChanged", state="no_face", **OURS), "the event comes")
    assert (status(remote)["message"], status(remote)["remedy"]) == ("It is too slow.", "Close the game.")
    count = len(remote.events)
    installation.set_control(fps=29.0, latency_ms=55.0)
    wait_for(lambda: status(remote)["fps"] == 29.0, "the numbers follow")
    assert len(remote.events) == count


def test_a_new_picture_is_told(remote: Remote, installation: Installation) -> None:
    path = installation.add_character("new.png", noise(200, 300, seed=9))
    try:
        remote.obs.call(
            "__import__('obs_plugin.registration').registration._registration.session.refresh()\nresult = True"
        )
        wait_for(lambda: remote.told("CharactersChanged"), "the event comes")
        files = [each["file"] for each in remote.events[-1][1]["characters"]]
        assert files == ["amber.png", "mira.png", "new.png", "zoe.png"]
        assert [each["number"] for each in remote.request("ListCharacters")["characters"]] == [1, 2, 4, 3]
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("name", "keys", "words"),
    [
        ("SetCharacter", {"character": "nobody"}, "no character"),
        ("SetCharacter", {"character": "x" * 5000}, "more than 4096 bytes"),
        ("SetCharacter", {"character": None}, "no key character"),
        ("SetCharacter", {"character": ["amber.png"]}, "cannot be []"),
        ("SetStrengths", {"smoothing": 1e300}, "smoothing cannot be"),
        ("SetStrengths", {"smoothing": {"a": {"b": 1}}}, "smoothing cannot be"),
        ("GetStatus", {"source": "Nowhere"}, "no filter of ours"),
        ("Hide", {"colour": "red"}, "no key"),
    ],
)
def test_what_cannot_be_done_is_answered_in_words(remote: Remote, name: str, keys: dict[str, Any], words: str) -> None:
    before = settings(remote)
    answer = remote.request(name, **keys)
    assert words in answer["error"] and answer["remedy"], answer
    assert settings(remote) == before


def test_filters_are_found_wherever_they_are(remote: Remote) -> None:
    session = remote.obs
    session.client.create_scene("Hidden scene")
    session.add_color("Never shown", CAMERA, scene="Hidden scene")
    session.add_filter("Never shown", "Second")
    session.add_filter("Hidden scene", "Third")
    try:
        places = {(each["source"], each["filter"]) for each in remote.request("ListFilters")["filters"]}
        assert places == {("Camera", FILTER), ("Never shown", "Second"), ("Hidden scene", "Third")}
        session.client.set_input_name("Never shown", "Renamed")
        session.client.set_source_filter_name("Renamed", "Second", "New name")
        renamed = {"source": "Renamed", "filter": "New name"}
        assert remote.request("SetCharacter", character="zoe.png", **renamed) == {"filters": [renamed]}
        wait_for(
            lambda: (
                session.client.get_source_filter("Renamed", "New name").filter_settings.get("character") == "zoe.png"
            ),
            "only that filter has the character",
        )
        assert settings(remote)["character"] == "amber.png"
    finally:
        session.client.remove_scene("Hidden scene")
    wait_for(lambda: remote.request("ListFilters") == {"filters": [OURS]}, "the filters are gone")


@pytest.mark.parametrize("execution", [0, 1, 2], ids=["one after another", "on the graphics thread", "side by side"])
def test_batches_are_answered_in_every_way_of_obs_websocket(remote: Remote, execution: int) -> None:
    names = ["ListFilters", "GetStatus", "ListCharacters", "Calibrate", "Hide", "Hide"] * 5
    answers = remote.batch(names, execution)
    assert len(answers) == len(names) and not any("error" in answer for answer in answers)


def test_generic_filter_settings_keep_working(remote: Remote, installation: Installation) -> None:
    remote.obs.set_filter("Camera", FILTER, character="zoe.png", smoothing=0.75, renderer="warp")
    wait_for(lambda: remote.told("CharacterChanged", character="zoe.png"), "the event comes for them as well")
    sent = installation.messages("update_filter")[-1]["settings"]
    assert (sent["character"], sent["renderer"], sent["face"]["smoothing"]) == ("zoe.png", "warp", 0.75)
    assert status(remote)["strengths"]["smoothing"] == 0.75


def test_a_reloaded_script_answers_and_tells(remote: Remote) -> None:
    assert remote.obs.call("result = reload_script('stream_motion_animator')") is True
    assert remote.request("ListFilters") == {"filters": [OURS]}
    wait_for(lambda: status(remote)["state"] == "tracking", "the filter is animated again")
    remote.request("SetCharacter", character="zoe.png")
    wait_for(lambda: remote.told("CharacterChanged", character="zoe.png"), "the event comes")
    assert "is already a registered" not in remote.obs.log() and "is not a registered" not in remote.obs.log()


# --- the document ---


def sections(heading: str) -> dict[str, list[Any]]:
    """Return the JSON examples of each ### section below a ## heading."""
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOCUMENT, re.DOTALL | re.MULTILINE)
    parts = re.split(r"^### (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: examples(body) for name, body in zip(parts[::2], parts[1::2])}


def examples(text: str, language: str = "json") -> list[Any]:
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return [json.loads(each) for each in found] if language == "json" else found


def shape(value: Any) -> Any:
    """Return the keys and the types of a JSON value."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) else type(value)


def test_the_document_names_every_request_and_event() -> None:
    assert tuple(sections("Requests")) == REQUESTS
    assert tuple(sections("Events")) == EVENTS


@pytest.mark.parametrize("name", REQUESTS)
def test_each_documented_request_is_answered_as_documented(remote: Remote, name: str) -> None:
    keys, documented = sections("Requests")[name]
    answer = remote.request(name, **keys)
    assert shape(answer) == shape(documented), answer


@pytest.mark.parametrize("name", EVENTS)
def test_each_documented_event_comes_as_documented(remote: Remote, installation: Installation, name: str) -> None:
    installation.set_control(state="no_face")
    remote.request("SetCharacter", character="mira.png")
    remote.obs.call("result = reload_script('stream_motion_animator')")
    wait_for(lambda: remote.told(name), "the event comes")
    data = next(data for event, data in remote.events if event == name)
    (documented,) = sections("Events")[name]
    assert shape(data) == shape(documented)


def test_each_documented_raw_request_is_accepted(remote: Remote) -> None:
    raw = [each for each in examples(DOCUMENT) if "requestType" in each]
    assert len(raw) >= 5
    for each in raw:
        if "vendorName" in each:
            each = {"requestType": "CallVendorRequest", "requestData": each}
        answer = remote.obs.client.send(each["requestType"], each["requestData"], raw=True)
        assert "error" not in (answer or {}).get("responseData", {}), answer


def test_the_documented_python_runs(remote: Remote) -> None:
    (code,) = examples(DOCUMENT, "python")
    assert "4455" in code
    done = subprocess.run(
        [sys.executable, "-c", code.replace("4455", str(remote.obs.port)).replace("localhost", "127.0.0.1")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "I have amber, mira, zoe\nchanged\n" in done.stdout and "CharacterChanged {" in done.stdout

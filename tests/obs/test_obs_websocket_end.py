"""Requests from outside while OBS renders, while the script is reloaded or removed, and while OBS quits."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

pytestmark = [pytest.mark.requires_obs, pytest.mark.slow]
obsws_python = pytest.importorskip("obsws_python")
websocket = pytest.importorskip("websocket")

from obs_session import CAMERA, HELPER_SCRIPT, ObsSession, shows, shows_camera, wait_for  # noqa: E402
from remote import OURS, VENDOR, WORKER_FRAME, Remote, animate_camera, make_installation  # noqa: E402

STORM = ("GetStatus", "Hide", "ListFilters", "Freeze", "ListCharacters", "Hide", "Calibrate", "Freeze")


def ask_without_pause(port: int, stop: threading.Event, answers: list[dict[str, Any]]) -> None:
    """Make requests from a client of its own until told to stop, or until OBS hangs up."""
    client = obsws_python.ReqClient(host="127.0.0.1", port=port, timeout=5)
    hung_up = (OSError, obsws_python.error.OBSSDKTimeoutError, websocket.WebSocketException, ValueError)
    with contextlib.suppress(*hung_up), contextlib.closing(client.base_client.ws.sock):
        for name in itertools.cycle(STORM):
            if stop.is_set():
                break
            # While the script is reloaded there is no such request.
            with contextlib.suppress(obsws_python.error.OBSSDKRequestError):
                answers.append(client.call_vendor_request(VENDOR, name).response_data)


@contextlib.contextmanager
def storm(port: int) -> Iterator[list[dict[str, Any]]]:
    """Have three clients make requests as fast as they can."""
    stop, answers = threading.Event(), []  # type: tuple[threading.Event, list[dict[str, Any]]]
    clients = [threading.Thread(target=ask_without_pause, args=(port, stop, answers)) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        yield answers
    finally:
        stop.set()
        for client in clients:
            client.join(20)


Starter = Callable[..., ObsSession]


def test_obs_quits_in_the_middle_of_requests_and_leaks_no_more_than_without(start: Starter, tmp_path: Path) -> None:
    plain = start([], {})
    plain.add_color("Camera", CAMERA)
    wait_for(lambda: shows_camera(plain.screenshot()), "the camera is shown")
    assert plain.quit() == 0

    installation = make_installation(tmp_path / "installation")
    session = start([installation.script, HELPER_SCRIPT], installation.environment)
    animate_camera(session)
    with storm(session.port) as answers:
        wait_for(lambda: len(answers) > 300, "requests are answered")
        assert session.call("result = reload_script('stream_motion_animator')") is True
        count = len(answers)
        wait_for(lambda: len(answers) > count + 300, "requests are answered after a reload")
        assert session.quit() == 0
    assert session.memory_leaks() == plain.memory_leaks()
    assert "Traceback" not in session.log() and "failed" not in "".join(map(str, answers))


def test_a_removed_script_leaves_no_request_behind(start: Starter, tmp_path: Path) -> None:
    installation = make_installation(tmp_path / "installation")
    session = start([installation.script], installation.environment, collections={"Bare": []})
    animate_camera(session)
    remote = Remote(session)
    assert remote.request("ListFilters") == {"filters": [OURS]}
    for collection in ("Bare", "Untitled"):
        session.load_collection(collection)
        if collection == "Bare":
            with pytest.raises(obsws_python.error.OBSSDKRequestError, match="No request was found"):
                remote.request("ListFilters")
    wait_for(lambda: shows(session, WORKER_FRAME), "the filter is animated again")
    assert remote.request("ListFilters") == {"filters": [OURS]}
    assert session.quit() == 0


def test_obs_renders_on_during_a_storm_of_requests(start: Starter, tmp_path: Path) -> None:
    installation = make_installation(tmp_path / "installation")
    session = start([installation.script], installation.environment)
    animate_camera(session)
    stats = session.client.get_stats
    with storm(session.port) as answers:
        before, started = stats().render_total_frames, time.monotonic()
        wait_for(lambda: stats().render_total_frames >= before + 90, "OBS renders")
        seconds = time.monotonic() - started
    assert len(answers) > 100
    print(f"{len(answers) / seconds:.0f} requests and {90 / seconds:.0f} frames a second on {os.cpu_count()} cores")
    assert session.quit() == 0

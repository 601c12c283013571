"""OBS started without a locale, as by a service, over ssh or in a container: names stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires_obs
pytest.importorskip("obsws_python")

from conftest import noise  # noqa: E402
from obs_session import HELPER_SCRIPT, Installation, ObsSession, wait_for  # noqa: E402

NAME = "Яна ☕.png"
STATE = (
    "s = __import__('obs_plugin.registration').registration._registration.session\n"
    "problems = [str(f.still_problem or '') for f in s.filters()]\n"
    "result = [problems, [e.file for e in s.characters()], len(s._supervisor.characters)]"
)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    paths = [made.add_character(name, noise(200, 300, seed=2)) for name in ("2.png", NAME)]
    made.set_control(characters=[[path.name, path.stem, str(path)] for path in paths])
    return made


@pytest.fixture
def session(tmp_path: Path, display: str, installation: Installation) -> Iterator[ObsSession]:
    (tmp_path / "obs").mkdir()
    environment = {**installation.environment, "LC_ALL": "C", "LANG": "C"}
    started = ObsSession(tmp_path / "obs", display, [installation.script, HELPER_SCRIPT], environment)
    yield started
    started.close()


def test_a_character_of_any_name_is_shown_without_a_locale(session: ObsSession) -> None:
    session.add_color("Camera", (255, 0, 255))
    session.add_filter("Camera", character=NAME)
    wait_for(lambda: session.screenshot()[..., 1].any(), "the still picture is shown")
    # The worker's list has the names as they are, not as this Python lists them.
    wait_for(lambda: session.call(STATE)[2] == 2, "the worker has listed the characters")
    session.set_filter("Camera", character="2.png")
    session.set_filter("Camera", character=NAME)
    wait_for(lambda: session.screenshot()[..., 1].any(), "the still picture is shown")
    assert session.call(STATE)[:2] == [[""], ["2.png", NAME]]
    assert "UnicodeEncodeError" not in session.log()
    assert session.quit() == 0

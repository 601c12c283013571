"""The panel in the window of a real OBS on a laptop's small screen, in two languages; keeps screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires_obs
pytest.importorskip("obsws_python")

from conftest import noise  # noqa: E402
from obs_session import (  # noqa: E402
    CAMERA,
    CHECKOUT,
    HELPER_SCRIPT,
    OPEN_FILTERS,
    PANELS,
    STATUS,
    UNFOLD,
    Installation,
    ObsSession,
    settled,
    wait_for,
    xvfb,
)
from PIL import Image, features  # noqa: E402
from test_obs_lifecycle import HOTKEYS  # noqa: E402

from obs_plugin.panel_state import Section  # noqa: E402

KEPT = CHECKOUT / "output" / "panel"
"""The folder of the screenshots."""
WIDGETS = """
c_string, c_bool = ctypes.c_char_p, ctypes.c_bool
source = native("obs_get_source_by_name", b"Camera")
found = native("obs_source_get_filter_by_name", source, b"Animator")
panel = native("obs_source_properties", found)
get = lambda name: native("obs_properties_get", panel, name)
text = lambda name: native("obs_property_description", get(name), result=c_string).decode()
result = [text(name) for name in (b"movement", b"mirror", b"sensitivity_gaze")]
native("obs_properties_destroy", panel, result=None)
native("obs_source_release", found, result=None)
native("obs_source_release", source, result=None)
"""
NAMES = {
    "en-US": ["▾ Movement", "Mirror my movements", "Gaze"],
    "de-DE": ["▾ Bewegung", "Meine Bewegungen spiegeln", "Blick"],
}


@pytest.fixture(scope="module")
def laptop() -> Iterator[str]:
    if not features.check("xcb"):
        pytest.skip("this Pillow takes no screenshots")
    with xvfb("1366x768") as display:
        yield display


@pytest.fixture(params=["en-US", "de-DE"])
def session(request: pytest.FixtureRequest, tmp_path: Path, laptop: str) -> Iterator[ObsSession]:
    installation = Installation(tmp_path / "installation")
    for name in ("1 mira.png", "2 robin.png", "3 ada.png"):
        installation.add_character(name, noise(200, 300, seed=2))
    installation.set_frame(noise(640, 360, seed=1))
    (tmp_path / request.param).mkdir()
    scripts = [installation.script, HELPER_SCRIPT]
    started = ObsSession(tmp_path / request.param, laptop, scripts, installation.environment, language=request.param)
    yield started
    started.close()


def test_every_section_opens_in_the_window_in_obs_own_language(session: ObsSession, laptop: str) -> None:
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera")
    language = session.folder.name
    live = "Renderer: Warp" if language == "en-US" else "Darstellung: Verformung"
    wait_for(lambda: live in session.call(STATUS)[0], "the status is in OBS's language")
    assert session.call(WIDGETS) == NAMES[language]
    hotkeys = session.call(HOTKEYS)
    assert any(
        ("Character 1: 1 mira" if language == "en-US" else "Figur 1: 1 mira") in name for name in hotkeys.values()
    )
    session.call(OPEN_FILTERS)
    wait_for(lambda: [count for count, _ in session.call(PANELS)] == [1], "the panel is open")
    KEPT.mkdir(parents=True, exist_ok=True)
    shown = settled(laptop)
    Image.fromarray(shown).save(KEPT / f"{language}-folded.png")
    for section in Section:
        if section is not Section.NONE:
            session.call(UNFOLD.format(section=section.value) + "result = None")
            shown = settled(laptop, unlike=shown)
            Image.fromarray(shown).save(KEPT / f"{language}-{section.value}.png")
    assert session.quit() == 0
    assert "Traceback" not in session.log()

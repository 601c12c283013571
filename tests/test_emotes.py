"""Emotes: their files, their curves, and how they play over the live face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from animator_core.__main__ import main
from animator_core.config import EMOTES_DIR
from animator_core.errors import MotionError
from animator_core.ipc import emote_names
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.emotes.channels import CHANNELS, INDEX, PARTS, EmoteMoment, values_of
from animator_core.motion.emotes.emote import Emote, Keyframe
from animator_core.motion.emotes.files import EmoteLibrary, read_emote, write_emote
from animator_core.motion.emotes.player import EmotePlayer
from animator_core.motion.emotes.recorded import recorded_emote
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.visible_change import signature

NS = 1_000_000_000
SHIPPED = EmoteLibrary(EMOTES_DIR)


def emote_of(tmp_path: Path, text: str) -> Emote:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return read_emote(path)


def nod(**fields: object) -> Emote:
    return Emote("nod", (Keyframe(0, {}), Keyframe(0.5, {"pitch": 10.0}), Keyframe(1.0, {})), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SHIPPED.names)
def test_a_shipped_emote_comes_and_goes_without_a_jump(name: str) -> None:
    emote, player, live = SHIPPED.load(name), EmotePlayer(), DrivingMotion()
    player.play(emote, 0)
    moments = np.arange(0, emote.seconds + 0.1, 1 / 60)
    seen = np.array([signature(player.over(live, round(at * NS))) for at in moments])
    still = signature(live)
    assert np.abs(seen[0] - still).max() < 1 and np.abs(seen[-1] - still).max() == 0
    most = np.abs(np.diff(seen, axis=0)).max(0).max()
    assert np.abs(seen - still).max() > 15, "it is plain to see"
    assert most < 30, "no frame is further from the one before than in a blink"
    assert not player.is_playing


def test_there_are_a_dozen_emotes_and_each_has_a_name_for_the_panel() -> None:
    assert len(SHIPPED.names) >= 12
    assert emote_names.display_name("wink_left") == "Wink left"


def test_an_emote_that_another_interrupts_fades_without_a_jump() -> None:
    player, live = EmotePlayer(), DrivingMotion()
    player.play(SHIPPED.load("laugh"), 0)
    starts = {30: "shock", 37: "shock", 44: "sad"}
    seen = []
    for frame in range(60):
        if frame in starts:
            player.play(SHIPPED.load(starts[frame]), round(frame / 60 * NS))
        seen.append(signature(player.over(live, round(frame / 60 * NS))))
    assert np.abs(np.diff(seen, axis=0)).max() < 30


def test_a_blink_of_the_driver_closes_the_eyes_inside_an_emote() -> None:
    player = EmotePlayer()
    player.play(SHIPPED.load("smile"), 0)
    shut = replace(DrivingMotion(), eye_openness=np.zeros(2, np.float32))
    assert player.over(shut, NS).eye_openness.max() == 0
    assert player.over(DrivingMotion(), NS).eye_openness.min() > 0.5


def test_an_emote_leaves_the_share_of_the_live_motion_that_it_says() -> None:
    live = replace(DrivingMotion(), gaze=np.full((2, 2), 0.2, np.float32), scale=1.21)
    moment = EmoteMoment(np.zeros(len(CHANNELS), np.float32), np.array([0.5, 1, 0, 1, 1], np.float32))
    assert PARTS[:3] == ("head", "eyes", "gaze")
    assert moment.over(live).gaze.max() == 0
    assert moment.over(live).scale == pytest.approx(1.1)


def test_the_channels_of_an_emotes_motion_are_those_of_the_emote() -> None:
    values = np.linspace(-1, 1, len(CHANNELS)).astype(np.float32)
    values[INDEX["closed_left"]] = values[INDEX["closed_right"]] = 0.25
    found = values_of(EmoteMoment(values, np.ones(len(PARTS), np.float32)).alone)
    assert np.abs(found - values).max() < 0.01


def test_a_smooth_curve_passes_its_keyframes_and_swings_beyond_none() -> None:
    emote = Emote("steps", tuple(Keyframe(at, {"yaw": value}) for at, value in ((0, 0), (0.2, 10), (0.3, 10), (1, 0))))
    yaw = [emote.moment(at, 1.0).values[INDEX["yaw"]] for at in np.linspace(0, 1, 101)]
    assert max(yaw) <= 10.001 and min(yaw) >= -0.001
    assert yaw[20] == pytest.approx(10, abs=0.1) and yaw[25] == pytest.approx(10, abs=0.01)


def test_a_channel_is_still_at_both_ends_unless_a_keyframe_says_otherwise(tmp_path: Path) -> None:
    emote = emote_of(tmp_path, "keyframes: [{at: 0.2, closed: 0.5, closed_left: 0.5}, {at: 1}]")
    first, middle, last = (emote.moment(at, 1.0).values for at in (0, 0.2, 1))
    assert first[INDEX["closed_left"]] == last[INDEX["closed_left"]] == 0
    assert middle[INDEX["closed_left"]] == pytest.approx(1) and middle[INDEX["closed_right"]] == pytest.approx(0.5)


def test_the_estimator_plays_over_a_face_and_over_nobody_and_keeps_moving_meanwhile() -> None:
    estimator = MotionEstimator()
    estimator.has_face = True
    assert not estimator.is_moving
    estimator.emotes.play(nod(), NS)
    assert estimator.is_moving
    assert values_of(estimator.update(None, NS + NS // 2))[INDEX["pitch"]] == pytest.approx(10, abs=1.0)
    estimator.update(None, 3 * NS)
    assert not estimator.is_moving


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keyframes: [{at: 0}]", "keyframes is no list of 2"),
        ("keyframes: [{at: 0}, {pitch: 3}]", r"keyframes\[1\] has no time"),
        ("keyframes: [{at: 1}, {at: 1}]", r"keyframes\[1\]\.at is 1, not after 1"),
        ("keyframes: [{at: 0, pich: 3}, {at: 1}]", r"keyframes\[0\]\.pich is not a known key; did you mean 'pitch'"),
        ("keyframes: [{at: 0, pitch: 300}, {at: 1}]", r"pitch is 300, expected a number from -45 to 45"),
        ("keyframes: [{at: 0, ease: bouncy}, {at: 1}]", "ease is 'bouncy', expected one of smooth"),
        ("live: {ears: 1}\nkeyframes: [{at: 0}, {at: 1}]", r"live\.ears is not a known key"),
        ("frames: []", "frames is not a known key"),
        ("keyframes: [", "is not valid YAML"),
        ("- 1", "the content is"),
    ],
)
def test_a_faulty_file_is_refused_by_name_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(MotionError, match=says) as caught:
        emote_of(tmp_path, text)
    assert "own.yaml" in caught.value.message and caught.value.remedy


def test_an_own_emote_takes_the_place_of_a_shipped_one_as_soon_as_it_is_there(tmp_path: Path) -> None:
    library = EmoteLibrary(tmp_path)
    write_emote(tmp_path / "nod.yaml", nod(), "shipped")
    (tmp_path / "Not a name.yaml").write_text("", encoding="utf-8")
    assert library.names == ("nod",) and library.load("nod").seconds == 1.0
    write_emote(library.own_path("nod"), Emote("nod", (Keyframe(0, {}), Keyframe(2.0, {}))), "own")
    assert library.names == ("nod",) and library.load("nod").seconds == 2.0
    with pytest.raises(MotionError, match="there is no emote 'bow'"):
        library.load("bow")
    with pytest.raises(MotionError, match=r"cannot be called '\.\./nod'"):
        library.own_path("../nod")


def test_a_written_emote_is_read_as_it_was(tmp_path: Path) -> None:
    emote = nod(live={"head": 0.5}, fade_in=0.2, fade_out=0.4)
    path = tmp_path / "nod.yaml"
    write_emote(path, emote, "as it was")
    assert read_emote(path) == replace(emote, keyframes=emote.keyframes)


def test_a_recorded_emote_moves_as_the_recording_without_the_calm_around_it() -> None:
    shipped = SHIPPED.load("wink_left")
    times = np.arange(0, 3, 1 / 30)
    motions = [shipped.moment(at - 1, 1.0 if 0 < at - 1 < shipped.seconds else 0.0).alone for at in times]
    recorded = recorded_emote("mine", motions, list(times))
    assert recorded.seconds < shipped.seconds + 0.3
    shown = np.array([recorded.moment(at, 1.0).values for at in np.arange(0.2, 0.9, 1 / 30)])
    assert shown[:, INDEX["closed_left"]].max() > 0.95 and shown[:, INDEX["closed_right"]].max() < 0.1
    assert len(recorded.keyframes) < len(times) / 2


def test_a_recording_in_which_nothing_moves_is_refused() -> None:
    with pytest.raises(MotionError, match="nothing moves"):
        recorded_emote("mine", [DrivingMotion()] * 30, [at / 30 for at in range(30)])


def test_the_command_records_a_motion_into_the_own_folder_and_replaces_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("animator_core.cli.emote.EMOTES_DIR", tmp_path)
    sample = str(EMOTES_DIR.parent / "motions" / "sample.npz")
    command = ["emote", "record", "mine", "--from", sample, "--start", "6", "--seconds", "2"]
    assert main(command) == 0
    assert EmoteLibrary(tmp_path).load("mine").seconds <= 2.0
    assert main(command) == 1 and "is there already" in capsys.readouterr().err
    assert main([*command, "--replace"]) == 0
    assert main(["emote", "list"]) == 0 and "mine" in capsys.readouterr().out

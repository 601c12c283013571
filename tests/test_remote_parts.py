"""The parts of host and link that need no connection: clocks, codecs, room, pictures, addresses, settings."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("websockets", reason="install.py --remote installs it")

from animator_core.config import load_config
from animator_core.errors import AnimatorError, ConfigError
from animator_core.remote import pictures, wire
from animator_core.remote.admission import WorkerLoad
from animator_core.remote.door import FailureLimit
from animator_core.remote.hosts import HostAddress, parse_address, require_pinned
from animator_core.remote.identity import fingerprint, host_identity, new_pairing_code, proof
from animator_core.remote.link_rate import CodecChoice, RemoteClock
from animator_core.remote.places import WorkerFiles, chosen_cards, places
from animator_core.remote.settings_file import write_remote


def test_a_quick_link_gets_frames_without_loss():
    choice = CodecChoice(60.0, now_s=0.0)
    assert choice.codec(0.0) == wire.LZ4
    choice.note(wire.LZ4, 0.002, 0.0)
    assert all(choice.codec(moment) == wire.LZ4 for moment in (0.1, 5.0, 50.0))


def test_a_slow_link_gets_jpeg_and_is_tried_ever_more_rarely():
    choice, trials = CodecChoice(60.0, now_s=0.0), []
    for step in range(60_000):
        moment = step / 60
        codec = choice.codec(moment)
        if codec == wire.LZ4:
            trials.append(moment)
        choice.note(codec, 0.025 if codec == wire.LZ4 else 0.005, moment)
    pauses = np.diff(trials)
    assert pauses[0] == pytest.approx(2, abs=0.1) and (np.diff(pauses) > -0.1).all() and pauses[-1] > 100


def test_a_link_that_slows_down_goes_over_to_jpeg():
    choice = CodecChoice(60.0, now_s=0.0)
    choice.note(wire.LZ4, 0.002, 0.0)
    for moment in (1.0, 1.1):
        choice.note(wire.LZ4, 0.03, moment)
        assert choice.codec(moment) == wire.LZ4
    choice.note(wire.LZ4, 0.03, 1.2)
    assert choice.codec(1.3) == wire.JPEG_ALPHA


def test_the_jitter_of_the_network_does_not_reach_the_capture_times():
    clock, chance = RemoteClock(), random.Random(3)
    period, offset = 33_000_000, 5_000_000_000_000
    ours = [clock.to_ours(n * period, n * period + offset + chance.randint(0, 20_000_000)) for n in range(300)]
    steps = np.diff(ours)
    assert (steps > 0).all()
    # Once the shortest way is known, frames are as far apart as they were captured.
    assert np.abs(steps[100:] - period).max() < 2_000_000


def test_clocks_that_drift_apart_stay_matched():
    clock, period = RemoteClock(), 33_000_000
    for number in range(60_000):
        now = int(number * period * 1.0001) + 10**12
        assert 0 <= now - clock.to_ours(number * period, now) < 3_000_000


def test_a_capture_time_goes_there_and_back():
    clock = RemoteClock()
    times = {clock.to_ours(captured, captured + 10**9): captured for captured in range(1000, 100_000, 1000)}
    assert all(clock.to_theirs(ours) == captured for ours, captured in times.items())
    assert clock.to_theirs(0) == 0


@pytest.mark.parametrize(("milliseconds", "capacity"), [(0.0, 0), (1.0, 26), (8.0, 3), (13.0, 2), (60.0, 1)])
def test_as_many_sessions_fit_as_the_measured_time_allows(milliseconds, capacity):
    load = WorkerLoad(milliseconds)
    assert load.capacity == capacity
    load.sessions.add("one")
    assert load.room == capacity - 1


def test_an_address_that_fails_too_often_is_not_answered():
    limit = FailureLimit()
    for _ in range(10):
        assert not limit.is_reached("10.0.0.1")
        limit.note("10.0.0.1")
    assert limit.is_reached("10.0.0.1") and not limit.is_reached("10.0.0.2")


def test_the_failures_of_countless_addresses_take_bounded_memory():
    limit = FailureLimit()
    for number in range(5000):
        limit.note(f"10.0.{number >> 8}.{number & 255}")
    assert len(limit._failures) <= 1024


def picture_bytes(kind: str = "PNG", size: tuple[int, int] = (80, 100)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(file, kind)
    return file.getvalue()


def announced(content: bytes, description: str = "", suffix: str = ".png") -> wire.Picture:
    return wire.Picture(pictures.content_hash(content, description), suffix, description)


def test_a_picture_is_kept_under_its_hash_with_its_description(tmp_path):
    store, content = pictures.PictureStore(tmp_path), picture_bytes()
    picture = announced(content, "name: Ada\n")
    assert not store.has(picture)
    store.add(picture, content)
    assert store.has(picture)
    assert (tmp_path / store.file_name(picture)).read_bytes() == content
    assert (tmp_path / f"{picture.sha256}.yaml").read_text() == "name: Ada\n"


@pytest.mark.parametrize(
    "content",
    [b"", b"MZ an executable", picture_bytes("GIF"), picture_bytes(size=(20, 20)), picture_bytes(size=(5000, 64))],
)
def test_a_file_that_can_be_no_character_is_not_kept(tmp_path, content):
    with pytest.raises(wire.WireError):
        pictures.PictureStore(tmp_path).add(announced(content), content)
    assert not list(tmp_path.iterdir())


def test_a_picture_under_another_hash_is_not_kept(tmp_path):
    with pytest.raises(wire.WireError):
        pictures.PictureStore(tmp_path).add(announced(picture_bytes()), picture_bytes(size=(81, 100)))
    assert not list(tmp_path.iterdir())


def test_a_description_with_aliases_is_not_kept(tmp_path):
    bomb = "a: &a [1, 2]\nb: &b [*a, *a]\nlandmarks: [*b, *b]\n"
    with pytest.raises(wire.WireError):
        pictures.PictureStore(tmp_path).add(announced(picture_bytes(), bomb), picture_bytes())
    assert not list(tmp_path.iterdir())


def test_the_oldest_pictures_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_MOST_PICTURES", 3)
    store = pictures.PictureStore(tmp_path)
    for side in range(64, 72):
        content = picture_bytes(size=(side, 64))
        store.add(announced(content, f"name: {side}"), content)
    assert len(list(tmp_path.glob("*.png"))) == len(list(tmp_path.glob("*.yaml"))) == 3
    assert store.has(announced(content, f"name: {side}"))


def test_addresses_are_read_as_people_write_them():
    assert parse_address("gpu-pc") == HostAddress("gpu-pc", 7907)
    assert parse_address(" 192.168.1.20:8000 ") == HostAddress("192.168.1.20", 8000)
    assert parse_address("[fe80::1%eth0]:8000").in_uri == "[fe80::1%eth0]:8000"
    for text in ("", "a b", "host:0", "host:99999", "http://host", "user@host"):
        with pytest.raises(AnimatorError, match="no address"):
            parse_address(text)


def test_an_identity_is_made_once_and_anew_when_asked(tmp_path):
    first = host_identity(tmp_path)
    assert len(first.fingerprint) == 64 and len(first.token) == 32
    assert host_identity(tmp_path) == first
    second = host_identity(tmp_path, is_new=True)
    assert second.token != first.token
    first.server_context()


def test_another_certificate_is_never_taken_for_the_paired_one():
    require_pinned(HostAddress("gpu-pc"), b"certificate", fingerprint(b"certificate"))
    for other in (b"another", b"", None):
        with pytest.raises(AnimatorError, match="not the computer that was paired"):
            require_pinned(HostAddress("gpu-pc"), other, fingerprint(b"certificate"))


def test_a_proof_holds_for_its_code_side_certificate_and_nonce_only():
    code = new_pairing_code()
    right = proof(code, "host", "f" * 64, "nonce")
    assert right == proof(code.lower().replace("-", " "), "host", "f" * 64, "nonce")
    others = [(new_pairing_code(), "host", "f" * 64, "nonce"), (code, "client", "f" * 64, "nonce")]
    others += [(code, "host", "e" * 64, "nonce"), (code, "host", "f" * 64, "other")]
    assert right not in [proof(*other) for other in others]


def test_the_settings_of_the_host_are_written_and_all_else_stays(tmp_path):
    path = tmp_path / "config.yaml"
    before = "tracking:\n  smoothing: 0.7   # mine\nremote:   # the host\n  address: ''   # where\n"
    before += "\nhotkeys:\n  quit: 'z'\n"
    path.write_text(before)
    write_remote(path, {"address": "gpu-pc", "fingerprint": "a" * 64, "send": "landmarks"})
    config = load_config(path)
    assert (config.remote.address, config.remote.send, config.hotkeys.quit) == ("gpu-pc", "landmarks", "z")
    assert config.remote.fingerprint == "a" * 64 and config.tracking.smoothing == 0.7
    assert "# mine" in path.read_text() and "# where" in path.read_text()
    write_remote(path, {"address": ""})
    assert load_config(path).remote.address == ""


def test_settings_without_the_section_get_it(tmp_path):
    path = tmp_path / "config.yaml"
    write_remote(path, {"address": "gpu-pc"})
    assert load_config(path).remote.address == "gpu-pc"


def test_a_file_that_would_be_broken_is_left_alone(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("remote: {address: ''}\n")
    with pytest.raises(ConfigError):
        write_remote(path, {"address": "gpu-pc"})
    assert path.read_text() == "remote: {address: ''}\n"


def test_each_card_has_a_worker_of_its_own(tmp_path):
    names = ("H100", "H100", "L4")
    assert chosen_cards("all", names) == (0, 1, 2) and chosen_cards("none", names) == ()
    made = places(chosen_cards("0,2", names), names, workers=None, files=WorkerFiles(tmp_path, tmp_path, None))
    assert [place.environment["CUDA_VISIBLE_DEVICES"] for place in made] == ["0", "2"]
    assert [place.name for place in made] == ["card 0, H100", "card 2, L4"]
    assert len(places((), (), workers=3, files=WorkerFiles(tmp_path, tmp_path, None))) == 3
    with pytest.raises(AnimatorError, match="no graphics card"):
        chosen_cards("3", names)

"""animator_core.vmc: faces in and out by real UDP sockets, with python-osc at the other end."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_server import ThreadingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient

from animator_core.config import PROJECT_ROOT, VmcConfig, load_config
from animator_core.errors import ConfigError
from animator_core.ipc.frame_ring import now_ns
from animator_core.ipc.protocol import FilterStatus
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.rotation import euler_angles, rotation_from_euler
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from animator_core.vmc import receiver as receiver_module
from animator_core.vmc.datagram import MalformedDatagram, messages_of
from animator_core.vmc.face import FRAME_SIZE, landmarks_of
from animator_core.vmc.names import ARKIT, arkit_scores, known_name
from animator_core.vmc.receiver import VmcReceiver, rotation_of
from animator_core.vmc.sender import VmcSender, bundles_of, messages_for, quaternion_of, scores_of
from animator_core.vmc.tracker import VmcTracker
from tests.worker_harness import WorkerHarness, save_character, write_config

BLANK = np.zeros((8, 8, 3), np.uint8)
STRAIGHT = (0.0, 0.0, 0.0, 1.0)


def quaternion(axis: str, degrees: float) -> tuple[float, ...]:
    half = math.radians(degrees) / 2
    return (*(math.sin(half) * (axis == name) for name in "xyz"), math.cos(half))


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return result


@pytest.fixture
def receiver() -> Iterator[VmcReceiver]:
    made = VmcReceiver("127.0.0.1", 0)
    made.start()
    yield made
    made.close()


@pytest.fixture
def client(receiver: VmcReceiver) -> Iterator[SimpleUDPClient]:
    with client_of(receiver.port) as made:
        yield made


@contextlib.contextmanager
def client_of(port: int) -> Iterator[SimpleUDPClient]:
    """Yield a sender of another program."""
    made = SimpleUDPClient("127.0.0.1", port)
    yield made
    made._sock.close()


def send_face(client: SimpleUDPClient, head: tuple[float, ...] = STRAIGHT, **scores: float) -> None:
    client.send_message("/VMC/Ext/Bone/Pos", ["Head", 0.0, 0.0, 0.0, *map(float, head)])
    for name, value in scores.items():
        client.send_message("/VMC/Ext/Blend/Val", [name, value])
    client.send_message("/VMC/Ext/Blend/Apply", [])


def test_a_face_arrives(receiver: VmcReceiver, client: SimpleUDPClient) -> None:
    send_face(client, quaternion("y", 20), JawOpen=0.5, eyeBlinkLeft=1.0, MyOwnShape=0.3)
    face = wait_for(lambda: receiver.face if receiver.face and receiver.face.scores else None)
    assert face.scores == {"jawOpen": 0.5, "eyeBlinkLeft": 1.0}
    assert np.allclose(euler_angles(face.rotation), (20, 0, 0), atol=0.01)
    assert receiver.note == ("", "")


def test_values_count_once_they_are_applied(receiver: VmcReceiver, client: SimpleUDPClient) -> None:
    client.send_message("/VMC/Ext/Blend/Val", ["JawOpen", 0.5])
    wait_for(lambda: receiver.counts["datagrams"] == 1)
    assert receiver.face is None
    client.send_message("/VMC/Ext/Blend/Apply", [])
    assert wait_for(lambda: receiver.face).scores == {"jawOpen": 0.5}


def test_the_spine_neck_and_head_turn_the_head_together(receiver: VmcReceiver, client: SimpleUDPClient) -> None:
    for bone, degrees in (("Spine", 2), ("Chest", 3), ("Neck", 5), ("Hips", 90)):
        client.send_message("/VMC/Ext/Bone/Pos", [bone, 0.0, 0.0, 0.0, *quaternion("z", degrees)])
    send_face(client, quaternion("z", 10))
    wait_for(lambda: receiver.counts["datagrams"] == 6)
    assert np.allclose(euler_angles(wait_for(lambda: receiver.face).rotation), (0, 0, 20), atol=0.01)


def test_the_eyes_bones_are_the_gaze_if_no_score_is(receiver: VmcReceiver, client: SimpleUDPClient) -> None:
    for eye in ("LeftEye", "RightEye"):
        client.send_message("/VMC/Ext/Bone/Pos", [eye, 0.0, 0.0, 0.0, *quaternion("y", 12.5)])
    send_face(client, JawOpen=0.1)
    scores = wait_for(lambda: receiver.face if receiver.counts["datagrams"] == 5 else None).scores
    # To the person's own right: towards the nose for the left eye.
    assert scores["eyeLookInLeft"] == pytest.approx(0.5, abs=0.01) == scores["eyeLookOutRight"]
    assert scores["eyeLookOutLeft"] == scores["eyeLookInRight"] == 0


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("/VMC/Ext/Blend/Val", ["JawOpen", float("nan")]),
        ("/VMC/Ext/Blend/Val", ["JawOpen", float("inf")]),
        ("/VMC/Ext/Blend/Val", ["JawOpen", 7.0]),
        ("/VMC/Ext/Blend/Val", ["JawOpen", -1.0]),
        ("/VMC/Ext/Blend/Val", ["JawOpen", "much"]),
        ("/VMC/Ext/Blend/Val", ["JawOpen", True]),
        ("/VMC/Ext/Blend/Val", ["JawOpen"]),
        ("/VMC/Ext/Blend/Val", [1.0, 1.0]),
        ("/VMC/Ext/Bone/Pos", ["Head", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("/VMC/Ext/Bone/Pos", ["Head", 0.0, 0.0, 0.0, 0.0, float("nan"), 0.0, 1.0]),
        ("/VMC/Ext/Bone/Pos", ["Head", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e30]),
        ("/VMC/Ext/Bone/Pos", ["Head", 0.0, 0.0]),
    ],
)
def test_impossible_values_are_ignored_and_counted(
    receiver: VmcReceiver, client: SimpleUDPClient, address: str, arguments: list[Any]
) -> None:
    send_face(client, JawOpen=0.25)
    before = wait_for(lambda: receiver.face if receiver.face and receiver.face.scores else None)
    client.send_message(address, arguments)
    client.send_message("/VMC/Ext/Blend/Apply", [])
    after = wait_for(lambda: receiver.face if receiver.counts["datagrams"] == 5 else None)
    wait_for(lambda: receiver.counts["impossible"] == 1)
    assert after.scores == before.scores and np.array_equal(after.rotation, before.rotation)


def nested(depth: int) -> bytes:
    content = OscMessageBuilder("/VMC/Ext/Blend/Apply").build().dgram
    for _ in range(depth):
        content = b"#bundle\0" + bytes(8) + struct.pack(">i", len(content)) + content
    return content


MALFORMED = [
    b"",
    b"\0",
    b"no OSC at all",
    b"/VMC/Ext/Blend/Val\0\0",
    b"/\xff\xfe\0,s\0\0\xff\xff\xff\xff",
    b"#bundle\0",
    b"#bundle\0" + bytes(8) + b"\0\0",
    b"#bundle\0" + bytes(8) + struct.pack(">i", -4),
    b"#bundle\0" + bytes(8) + struct.pack(">i", 0),
    b"#bundle\0" + bytes(8) + struct.pack(">i", 2**31 - 1) + b"/a\0\0",
    nested(300),
    struct.pack(">4si", b"/a\0\0", -1) * 100,
]


@pytest.mark.parametrize("datagram", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_datagrams_are_counted_and_the_next_face_arrives(
    receiver: VmcReceiver, client: SimpleUDPClient, datagram: bytes
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anybody:
        anybody.sendto(datagram, ("127.0.0.1", receiver.port))
    # python-osc reads a message whose arguments are missing as one without.
    wait_for(lambda: receiver.counts["malformed"] + receiver.counts["impossible"] == 1)
    assert receiver.face is None and "no VMC" in receiver.note[0]
    send_face(client, JawOpen=1.0)
    assert wait_for(lambda: receiver.face)


def test_no_random_datagram_raises_anything_else() -> None:
    random = np.random.default_rng(0)
    message = OscMessageBuilder("/VMC/Ext/Bone/Pos")
    for value in ("Head", 0.0, 0.0, 0.0, *STRAIGHT):
        message.add_arg(value)
    valid = nested(1) + message.build().dgram
    for _ in range(3000):
        datagram = bytearray(valid[int(random.integers(len(valid))) :])
        for place in random.integers(len(datagram), size=3):
            datagram[place] = random.integers(256)
        try:
            for each in messages_of(bytes(datagram)):
                list(each)
        except MalformedDatagram:
            pass


def test_a_flood_is_dropped_and_the_sender_is_heard_again(
    monkeypatch: pytest.MonkeyPatch, receiver: VmcReceiver, client: SimpleUDPClient
) -> None:
    monkeypatch.setattr(receiver_module, "_MOST_A_SECOND", 50)
    for _ in range(200):
        client.send_message("/VMC/Ext/T", 1.0)
    wait_for(lambda: receiver.counts["flood"])

    def is_heard() -> bool:
        send_face(client, JawOpen=1.0)
        time.sleep(0.05)
        return receiver.face is not None

    assert wait_for(is_heard)


def test_a_sender_that_ended_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, receiver: VmcReceiver, client: SimpleUDPClient
) -> None:
    monkeypatch.setattr(receiver_module, "STALE_NS", 100_000_000)
    assert receiver.note[0] == f"no VMC data arrives at 127.0.0.1, port {receiver.port}"
    send_face(client)
    wait_for(lambda: receiver.note == ("", ""))
    wait_for(lambda: receiver.note[0].startswith("no VMC data arrives"))
    assert f"port {receiver.port}" in receiver.note[1]
    assert VmcTracker(receiver).track(BLANK, now_ns()) is None


def test_a_port_in_use_is_told_and_stops_nothing(receiver: VmcReceiver) -> None:
    second = VmcReceiver("127.0.0.1", receiver.port)
    second.start()
    assert f"UDP port {receiver.port} cannot be used" in second.note[0] and "vmc.port" in second.note[1]
    assert VmcTracker(second).track(BLANK, now_ns()) is None
    second.close()


def test_all_names_of_arkit_are_known_in_any_case() -> None:
    assert len(set(ARKIT)) == 52
    assert [known_name(name.upper()) for name in ARKIT] == list(ARKIT)
    assert known_name("HeadSize") is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"a": 1.0}, {"jawOpen": 0.7}),
        ({"blink_l": 1.0, "blink": 0.4}, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 0.4}),
        ({"a": 1.0, "jawOpen": 0.1}, {"jawOpen": 0.1}),
    ],
)
def test_vrm_presets_stand_in_where_there_are_no_blendshapes(
    sent: dict[str, float], expected: dict[str, float]
) -> None:
    assert arkit_scores(sent) == expected


def motion_of(scores: dict[str, float], rotation: np.ndarray | None = None) -> Any:
    """Return the motion that a character gets of a face, after two calm seconds."""
    estimator, moment = MotionEstimator(), 10**9
    still = np.eye(3, dtype=np.float32)
    for number in range(100):
        is_calm = number < 60
        landmarks = landmarks_of({} if is_calm else scores, still if is_calm or rotation is None else rotation)
        moment += 33_000_000
        seen = FaceObservation(landmarks, *FRAME_SIZE, moment, blendshapes={} if is_calm else scores, is_in_frame=False)
        motion = estimator.follow(TrackedFrame(seen, None), moment)
    return motion


@pytest.mark.parametrize("degrees", [(20, 0, 0), (-20, 0, 0), (0, 12, 0), (0, -12, 0), (0, 0, 15)])
def test_the_character_turns_as_the_sender_does(degrees: tuple[int, int, int]) -> None:
    turned = euler_angles(motion_of({}, rotation_from_euler(*degrees)).rotation)
    assert np.allclose(turned, degrees, atol=1.5)


def test_scores_move_their_part_of_the_face() -> None:
    calm = motion_of({})
    assert abs(calm.eye_openness - 1).max() < 0.05 and abs(calm.expression).max() < 0.005
    wink = motion_of({"eyeBlinkLeft": 1.0}).eye_openness
    assert wink[0] > 0.9 and wink[1] < 0.1
    look = motion_of({"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}).gaze
    assert (look[:, 0] > 0.15).all()  # the person's left is to the right of the picture
    lips = motion_of({"jawOpen": 1.0}).expression[[13, 14], 1]
    assert lips[1] - lips[0] > 0.12
    smile = motion_of({"mouthSmileLeft": 1.0}).expression[[61, 291]]
    assert smile[1, 1] < -0.02 and smile[1, 0] > 0.015 and abs(smile[0]).max() < 0.02
    brows = motion_of({"browOuterUpLeft": 1.0, "browOuterUpRight": 1.0}).expression[[105, 334], 1]
    assert (brows < -0.01).all()


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("degrees", [-30, -1, 0, 1, 30, 90])
def test_quaternions_survive_both_ways(axis: str, degrees: int) -> None:
    given = np.array(quaternion(axis, degrees))
    assert np.allclose(quaternion_of(rotation_of(given)), given, atol=1e-5)


def test_a_face_without_scores_is_sent_with_blinks_and_jaw() -> None:
    scores = {"eyeBlinkLeft": 1.0, "jawOpen": 1.0}
    seen = FaceObservation(landmarks_of(scores, np.eye(3, dtype=np.float32)), *FRAME_SIZE, 1)
    found = scores_of(seen)
    assert found["eyeBlinkLeft"] > 0.9 and found["eyeBlinkRight"] < 0.1 and found["jawOpen"] > 0.8


def test_datagrams_out_are_small_enough_for_any_network() -> None:
    seen = FaceObservation(landmarks_of({}, np.eye(3, dtype=np.float32)), *FRAME_SIZE, 1, blendshapes={})
    datagrams = list(bundles_of(messages_for(seen, 1, has_presets=False)))
    assert max(map(len, datagrams)) < 1400
    addresses = [message.address for datagram in datagrams for message in messages_of(datagram)]
    assert addresses.count("/VMC/Ext/Blend/Val") == 52 and addresses[-1] == "/VMC/Ext/Blend/Apply"


@pytest.fixture
def listener() -> Iterator[tuple[int, dict[str, list[tuple[Any, ...]]]]]:
    """A receiver of another program: its port, and the arguments it got by address."""
    got: dict[str, list[tuple[Any, ...]]] = {}
    dispatcher = Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: got.setdefault(address, []).append(values))
    server = ThreadingOSCUDPServer(("127.0.0.1", 0), dispatcher)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], got
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("has_presets", "name"), [(False, "JawOpen"), (True, "A")], ids=["Perfect Sync", "VRM presets"]
)
def test_another_program_gets_the_tracked_face(
    listener: tuple[int, dict[str, list[tuple[Any, ...]]]], has_presets: bool, name: str
) -> None:
    port, got = listener
    scores = {"jawOpen": 0.75}
    landmarks = landmarks_of(scores, rotation_from_euler(20, 5, -3))
    seen = FaceObservation(landmarks, *FRAME_SIZE, now_ns(), blendshapes=scores)
    sender = VmcSender("127.0.0.1", port, has_presets=has_presets)
    sender.send(TrackedFrame(None, BLANK), now_ns())
    sender.send(TrackedFrame(seen, BLANK), now_ns())
    wait_for(lambda: "/VMC/Ext/Blend/Apply" in got)
    sender.close()
    values = dict(got["/VMC/Ext/Blend/Val"])
    assert values[name] == pytest.approx(0.75) and got["/VMC/Ext/OK"] == [(1,)]
    ((bone, *numbers),) = got["/VMC/Ext/Bone/Pos"]
    assert bone == "Head" and np.allclose(euler_angles(rotation_of(np.array(numbers[3:]))), (20, 5, -3), atol=2)


def test_a_network_that_fails_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    seen = FaceObservation(landmarks_of({}, np.eye(3, dtype=np.float32)), *FRAME_SIZE, 1, blendshapes={})
    sender = VmcSender("no-such-host.invalid", 39539)
    for _ in range(3):
        sender.send(TrackedFrame(seen, None), 1)
    assert len([record for record in caplog.records if "cannot send to no-such-host" in record.message]) == 1


def test_it_is_off_and_on_this_computer_alone_unless_set() -> None:
    config = load_config().vmc
    assert config == VmcConfig()
    assert (config.receive, config.send, config.listen, config.send_to) == (False, False, "127.0.0.1", "127.0.0.1")


def test_sending_to_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match="it would drive itself"):
        VmcConfig(receive=True, send=True, port=39539, send_port=39539)


@pytest.mark.slow
def test_run_follows_a_sender_without_a_camera_and_sends_the_face_on(
    tmp_path: Path, listener: tuple[int, dict[str, list[tuple[Any, ...]]]]
) -> None:
    port, got = listener
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        own_port = free.getsockname()[1]
    config = tmp_path / "config.yaml"
    config.write_text(f"vmc: {{receive: true, port: {own_port}, send: true, send_port: {port}}}\n")
    command = [sys.executable, "-m", "animator_core", "run", "--no-window", "--character", "amber", "--config", config]
    motion = tmp_path / "motion.npz"
    running = subprocess.Popen(
        [*command, "--max-frames", "120", "--save-motion", motion],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + 120
    with client_of(own_port) as client:
        while running.poll() is None and time.monotonic() < end:
            send_face(client, quaternion("y", 20), JawOpen=0.5)
            time.sleep(0.03)
    output, _ = running.communicate(timeout=10)
    assert running.returncode == 0, output
    assert "no camera drives Amber" in output
    assert dict(got["/VMC/Ext/Blend/Val"])["JawOpen"] == pytest.approx(0.5)
    numbers = got["/VMC/Ext/Bone/Pos"][-1][4:]
    assert np.allclose(euler_angles(rotation_of(np.array(numbers))), (20, 0, 0), atol=2)
    with np.load(motion, allow_pickle=False) as recorded:
        assert any(len(recorded[name]) > 10 for name in recorded.files if recorded[name].ndim)


@pytest.mark.slow
def test_a_filter_in_obs_follows_a_sender_and_says_when_none_is_there(tmp_path: Path) -> None:
    save_character(tmp_path / "characters", "red.png", (220, 20, 20))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = write_config(tmp_path, f"vmc: {{receive: true, port: {port}}}\n")
    character = PROJECT_ROOT / "assets" / "characters"
    config.write_text(config.read_text().replace(str(tmp_path / "characters"), str(character)))

    def sends(status: FilterStatus) -> bool:
        send_face(client, quaternion("y", 20), JawOpen=0.5)
        return status.state in ("tracking", "calibrating") and not status.message

    with client_of(port) as client, WorkerHarness(tmp_path, "--config", str(config)) as worker:
        worker.open(character="amber.png")
        worker.wait_for(FilterStatus, lambda status: "no VMC data arrives" in status.message)
        worker.wait_for(FilterStatus, sends)

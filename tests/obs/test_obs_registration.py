"""The type is registered once, in the right size, and its callbacks never raise."""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from fake_libobs import FakeLibObs

from animator_core.ipc.protocol import CharacterEntry
from obs_plugin import libobs, registration
from obs_plugin.properties import camera_id


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "_registration", None)
    # At the end of this process the sources of a test, which are small numbers here, would be looked for in memory.
    monkeypatch.setattr(registration, "atexit", SimpleNamespace(register=lambda end: None))


@pytest.mark.parametrize(
    ("version", "size"),
    [
        ((27, 2, 4), 0),
        ((28, 0, 0), 400),
        ((29, 1, 3), 400),
        ((30, 0, 0), 408),
        ((32, 1, 2), 408),
        ((32, 2, 0), 424),
        ((33, 0, 0), 424),
    ],
)
def test_the_struct_prefix_is_what_each_release_knows(version: tuple[int, int, int], size: int) -> None:
    assert libobs.prefix_size(FakeLibObs(version).obs_get_version()) == size


@pytest.mark.parametrize(
    ("field", "offset"),
    [
        ("type", 8),
        ("output_flags", 12),
        ("get_name", 16),
        ("get_width", 40),
        ("get_properties", 64),
        ("video_tick", 112),
        ("video_render", 120),
        ("icon_type", 288),
        ("media_play_pause", 296),
        ("version", 368),
        ("unversioned_id", 376),
        ("video_get_color_space", 392),
        ("filter_add", 400),
        ("get_light_icon", 416),
    ],
)
def test_fields_lie_where_the_headers_have_them(field: str, offset: int) -> None:
    assert getattr(libobs.SourceInfo, field).offset == offset


def test_the_type_is_registered_once_per_process() -> None:
    lib: Any = FakeLibObs()
    session = registration.register(lib)
    registration.hide()
    assert registration.register(lib) is session
    assert lib.registered == [(b"stream_motion_animator", 400)]
    enabled = [arguments for name, arguments in lib.calls if name == "obs_enable_source_type"]
    assert enabled == [(b"stream_motion_animator", False), (b"stream_motion_animator", True)]


def test_a_second_copy_is_refused_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    lib: Any = FakeLibObs()
    lib.registered.append((b"stream_motion_animator", 400))
    assert registration.register(lib) is None
    assert "remove one of them" in caplog.text


def test_an_old_obs_is_refused_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    lib: Any = FakeLibObs((27, 2, 4))
    assert registration.register(lib) is None
    assert not lib.registered
    assert "install OBS 28 or newer" in caplog.text


def test_obs_32_learns_which_module_owns_the_type() -> None:
    lib: Any = FakeLibObs((32, 2, 2))
    owned = []
    lib.obs_get_module = lambda name: 5 if name == b"frontend-tools" else 0
    lib.obs_module_add_source = lambda module, identifier: owned.append((module, identifier))
    registration.register(lib)
    assert owned == [(5, b"stream_motion_animator")]


def test_a_failing_callback_returns_its_default_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    @registration.guarded(7)
    def fails() -> int:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        assert [fails(), fails(), fails()] == [7, 7, 7]
    assert caplog.text.count("ValueError: broken") == 1


def test_callbacks_reached_from_c_survive_an_unknown_instance(caplog: pytest.LogCaptureFixture) -> None:
    lib: Any = FakeLibObs()
    registration.register(lib)
    made = registration._registration
    assert made is not None
    render = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(made.info.video_render)
    width = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)(made.info.get_width)
    render(99, None)
    assert width(99) == 0


def test_an_instance_lives_from_create_to_destroy_through_the_callbacks() -> None:
    lib: Any = FakeLibObs()
    registration.register(lib)
    made = registration._registration
    assert made is not None
    pointer = ctypes.c_void_p
    create = ctypes.CFUNCTYPE(pointer, pointer, pointer)(made.info.create)
    tick = ctypes.CFUNCTYPE(None, pointer, ctypes.c_float)(made.info.video_tick)
    render = ctypes.CFUNCTYPE(None, pointer, pointer)(made.info.video_render)
    name = ctypes.CFUNCTYPE(pointer, pointer)(made.info.get_name)
    destroy = ctypes.CFUNCTYPE(None, pointer)(made.info.destroy)
    key = create(1, 2)
    assert key and len(made.session.filters()) == 1
    tick(key, 0.03)
    render(key, None)
    assert ctypes.string_at(name(None)) == b"Stream Motion Animator"
    destroy(key)
    assert made.session.filters() == [] and not lib.alive


def test_a_filter_that_cannot_be_made_is_kept_and_draws_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lib: Any = FakeLibObs()
    registration.register(lib)
    made = registration._registration
    assert made is not None

    def fails(*_arguments: Any, **_more: Any) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(registration, "AnimatorFilter", fails)
    pointer = ctypes.c_void_p
    key = ctypes.CFUNCTYPE(pointer, pointer, pointer)(made.info.create)(1, 2)
    assert key, "OBS shows the camera through a filter that has no data"
    ctypes.CFUNCTYPE(None, pointer, pointer)(made.info.video_render)(key, None)
    ctypes.CFUNCTYPE(None, pointer)(made.info.destroy)(key)
    assert lib.camera_count == 0 and not lib.drawn
    assert "no memory" in caplog.text


def test_a_source_under_destruction_is_reached_through_its_weak_reference_only() -> None:
    # `obs_source_get_ref` would read freed memory between a source's last release and its destroy callback.
    assert "obs_source_get_ref" not in libobs._PROTOTYPES
    lib: Any = FakeLibObs()
    session = registration.register(lib)
    made = registration._registration
    assert session is not None and made is not None
    pointer = ctypes.c_void_p
    key = ctypes.CFUNCTYPE(pointer, pointer, pointer)(made.info.create)(1, 2)
    (instance,) = session.filters()
    instance.panel.open_count = 1
    session._reload_panel(instance)
    assert lib.names()[-1] == "obs_weak_source_get_source", "a dead source is left alone"
    ctypes.CFUNCTYPE(None, pointer)(made.info.destroy)(key)
    lib.calls.clear()
    instance.panel.open_count = 1
    session._reload_panel(instance)
    assert lib.calls == []


@pytest.mark.skipif(sys.platform == "win32", reason="usleep of the C library stands in for a function of libobs")
@pytest.mark.parametrize("keeps_gil", [True, False])
def test_no_thread_changes_a_setting_between_reading_and_copying_it(
    monkeypatch: pytest.MonkeyPatch, keeps_gil: bool
) -> None:
    assert "obs_data_get_string" in libobs._KEEPS_GIL
    monkeypatch.setattr(libobs, "_KEEPS_GIL", {"usleep"} if keeps_gil else set())
    pause = libobs._declare(ctypes.CDLL(None), "usleep", (ctypes.c_int, ctypes.c_uint))
    count, is_done, interval = [0], threading.Event(), sys.getswitchinterval()

    def other_thread() -> None:
        while not is_done.is_set():
            count[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=other_thread)
    try:
        sys.setswitchinterval(60)  # only a call that gives the GIL away lets the other thread run
        thread.start()
        before = count[0]
        pause(100_000)
        assert (count[0] == before) is keeps_gil
    finally:
        sys.setswitchinterval(interval)
        is_done.set()
        thread.join()


def test_settings_are_changed_on_the_user_interface_thread_only(monkeypatch: pytest.MonkeyPatch) -> None:
    lib: Any = FakeLibObs()
    session = registration.register(lib)
    made = registration._registration
    assert session is not None and made is not None
    monkeypatch.setattr(session, "characters", lambda: (CharacterEntry("a.png", "a", "a.png"),))
    lib.obs_weak_source_get_source = lambda _weak: 5
    pointer = ctypes.c_void_p
    ctypes.CFUNCTYPE(pointer, pointer, pointer)(made.info.create)(1, 2)
    queued: list[Any] = []
    lib.obs_queue_task = lambda kind, task, *_: queued.append((kind, task))
    before = lib.names()
    session.step(1)
    changes = lambda: [name for name in lib.names()[len(before) :] if name != "obs_weak_source_get_source"]  # noqa: E731
    assert "obs_data_set_string" not in changes()
    ((kind, task),) = queued
    assert kind == libobs.TASK_UI
    ctypes.CFUNCTYPE(None, pointer)(task.value)(None)
    assert "obs_data_set_string" in changes() and "obs_source_update" in changes()


def test_a_filter_has_an_id_of_its_camera_that_stays() -> None:
    lib: Any = FakeLibObs()
    kept: dict[bytes, bytes] = {}
    lib.obs_data_get_string = lambda _settings, key: kept.get(key, b"")
    lib.obs_data_set_string = lambda _settings, key, value: kept.update({key: value})
    made = camera_id(lib, 1)
    assert len(made) == 32 and int(made, 16)
    assert camera_id(lib, 1) == made
    kept[b"camera_id"] = "../../é".encode()
    assert camera_id(lib, 1) not in (made, "../../é")


class _Context(ctypes.Structure):
    """How a source begins in libobs 30 and later; 28 and 29 have no ``uuid``."""

    _fields_ = [("name", ctypes.c_void_p), ("uuid", ctypes.c_void_p), ("data", ctypes.c_void_p)] + [
        (f"more{index}", ctypes.c_void_p) for index in range(16)
    ]


def test_when_python_ends_libobs_forgets_the_filters_it_has_left() -> None:
    lib: Any = FakeLibObs()
    left, gone = _Context(name=1, uuid=2, more0=3), _Context(name=4, uuid=5)
    contexts = {ctypes.addressof(each): each for each in (left, gone)}
    lib.obs_obj_get_data = lambda source: contexts[source].data
    registration.register(lib)
    made = registration._registration
    assert made is not None
    pointer = ctypes.c_void_p
    create = ctypes.CFUNCTYPE(pointer, pointer, pointer)(made.info.create)
    for context in (left, gone):
        context.data = create(1, ctypes.addressof(context))
    ctypes.CFUNCTYPE(None, pointer)(made.info.destroy)(gone.data)
    key = gone.data
    lib.calls.clear()
    made.end()
    assert lib.calls[0] == ("obs_queue_task", (libobs.TASK_DESTROY, "&bfree", None, True)), "no callback is under way"
    assert left.data is None, "libobs would call into an interpreter that is gone"
    assert (left.name, left.uuid, left.more0) == (1, 2, 3)
    assert gone.data == key, "a source that is gone is not written to"
    assert made.session.filters() == [] and not lib.alive

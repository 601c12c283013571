"""Registers the filter type once per process, and keeps alive whatever libobs holds pointers to.

libobs cannot unregister a type, and OBS ticks, renders and destroys filters after it unloaded the script. So this
module stays in `sys.modules` through every reload of the script; only the `Session` behind the callbacks is stopped and
started again. No callback may run after the interpreter's end, so `Registration.end` takes the filters that are left
away from OBS.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import atexit
import ctypes
import functools
import itertools
import logging
from ctypes import CFUNCTYPE, c_bool, c_float, c_int, c_size_t, c_uint32, c_void_p
from typing import Any, Callable

from obs_plugin import libobs, panel, panel_adding, properties, revival
from obs_plugin.control import Control
from obs_plugin.filter import AnimatorFilter
from obs_plugin.libobs import LibObs, SourceInfo
from obs_plugin.panel_state import PanelView
from obs_plugin.panel_widgets import Callbacks, Widgets
from obs_plugin.picture_adding import SETTING
from obs_plugin.session import Session
from obs_plugin.status_line import StatusLine
from obs_plugin.texts import text
from obs_plugin.websocket_vendor import Vendor

logger = logging.getLogger(__name__)

TYPE_ID = b"stream_motion_animator"
TYPE_NAME = b"Stream Motion Animator"

_FIRST_KEY = 0x53_4D_41_00_00_00_00_01
"""Keys are used in place of a pointer; this value is no address and no count, so that `_forget` recognises one."""
_CONTEXT_WORDS = 8
"""Every release has ``data`` among the first words of `struct obs_context_data`, with which each source begins."""


def guarded(default: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that returns ``default`` instead of raising, and logs the first failure of each function."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        has_failed = False

        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            nonlocal has_failed
            try:
                return function(*arguments)
            except Exception:
                if not has_failed:
                    has_failed = True
                    logger.exception("%s failed and has no effect; later failures are not logged", function.__name__)
                return default

        return call

    return wrap


class Registration:
    """The type as libobs knows it: callbacks that find the instance by the key that `_create` returned."""

    def __init__(self, lib: LibObs, session: Session) -> None:
        self._lib = lib
        self.session = session
        self._instances: dict[int, AnimatorFilter] = {}
        self._sources: dict[int, int] = {}
        self._keys = itertools.count(_FIRST_KEY)
        self._id = ctypes.create_string_buffer(TYPE_ID)
        self._name = ctypes.create_string_buffer(TYPE_NAME)
        self._callbacks: list[Any] = []
        self.info = self._make_info()
        self._on_press = self._keep(self._press, c_void_p, c_void_p, c_void_p, result=c_bool, default=False)
        self._on_change = self._keep(
            self._arrange, c_void_p, c_void_p, c_void_p, c_void_p, result=c_bool, default=False
        )
        self._on_panel_gone = self._keep(self._note_panel_closed, c_void_p)
        self._vendor = Vendor(lib)
        self._control = Control(session, ask=self._vendor.ask, emit=self._vendor.emit)
        session.on_news = guarded(None)(self._control.tell)

    def _keep(self, function: Callable[..., Any], *arguments: Any, result: Any = None, default: Any = None) -> int:
        """Return the address of a C callback for ``function``, valid for the life of the process.

        arguments, result: the C types. default: returned if ``function`` raises.
        """
        callback = CFUNCTYPE(result, *arguments)(guarded(default)(function))
        self._callbacks.append(callback)
        return ctypes.cast(callback, c_void_p).value or 0

    def _make_info(self) -> SourceInfo:
        keep, instances = self._keep, self._instances
        pointer = c_void_p
        return SourceInfo(
            id=ctypes.addressof(self._id),
            type=libobs.SOURCE_TYPE_FILTER,
            output_flags=libobs.OUTPUT_VIDEO | libobs.OUTPUT_SRGB,
            get_name=keep(self._get_name, pointer, result=pointer),
            create=keep(self._create, pointer, pointer, result=pointer),
            destroy=keep(self._destroy, pointer),
            get_width=keep(lambda key: instances[key].size()[0], pointer, result=c_uint32, default=0),
            get_height=keep(lambda key: instances[key].size()[1], pointer, result=c_uint32, default=0),
            get_defaults=keep(self._get_defaults, pointer),
            get_properties=keep(self._get_properties, pointer, result=pointer),
            update=keep(lambda key, data: instances[key].update(data), pointer, pointer),
            video_tick=keep(lambda key, _: instances[key].tick(), pointer, c_float),
            video_render=keep(lambda key, _: instances[key].render(), pointer, pointer),
            video_get_color_space=keep(
                lambda key, count, preferred: instances[key].color_space(count, preferred),
                pointer,
                c_size_t,
                pointer,
                result=c_int,
                default=libobs.GS_CS_SRGB,
            ),
        )

    @guarded(None)
    def open_control(self) -> None:
        """Let other programs make requests, through obs-websocket; user interface thread only."""
        self._vendor.open(self._control.requests)

    @guarded(None)
    def close_control(self) -> None:
        """Take no more requests and send no more events; user interface thread only."""
        self._vendor.close()

    # --- callbacks ---

    def _get_name(self, _type_data: int | None) -> int:
        return ctypes.addressof(self._name)

    def _get_defaults(self, settings: int) -> None:
        properties.set_defaults(self._lib, settings)

    def _create(self, settings: int, source: int) -> int:
        key = next(self._keys)
        self._sources[key] = source
        try:
            self._instances[key] = AnimatorFilter(
                self._lib, filter_id=str(key), source=source, settings=settings, host=self.session
            )
        except Exception:
            # Without a key OBS would leave the filter out and show the camera; without an instance nothing is drawn.
            logger.exception("a filter could not be made; it shows nothing")
        return key

    def _destroy(self, key: int) -> None:
        self._sources.pop(key, None)
        instance = self._instances.pop(key, None)
        if instance is not None:
            instance.destroy()

    def end(self) -> None:
        """Destroy the filters that are left, and have libobs forget them: their callbacks would need the interpreter.

        Called at the interpreter's end, which OBS brings about after its last frame. Sources that something in OBS
        never released are destroyed later still.
        """
        # A thread of libobs destroys sources. Waiting for a task at the end of its queue, which needs no Python, makes
        # sure that no callback is under way.
        self._lib.obs_queue_task(libobs.TASK_DESTROY, self._lib.address("bfree"), None, True)
        for key, source in list(self._sources.items()):
            self._destroy(key)
            _forget(self._lib, source, key)

    def _get_properties(self, key: int | None) -> int:
        instance = self._instances.get(key or 0)
        callbacks = Callbacks(self._on_press, self._on_change, key or 0)
        if instance is None:
            return panel.build(self._lib, PanelView(StatusLine(text("Status.NotMade"), is_problem=True)), callbacks)
        instance.panel.open_count += 1
        made = panel.build(self._lib, self.session.panel_view(instance), callbacks)
        self._lib.obs_properties_set_param(made, key, self._on_panel_gone)
        return made

    def _note_panel_closed(self, key: int) -> None:
        instance = self._instances.get(key)
        if instance is not None:
            instance.panel.note_closed()

    def _press(self, shown: int, button: int, key: int) -> bool:
        instance = self._instances[key]
        name = (self._lib.obs_property_name(button) or b"").decode()
        is_changed = panel.press(self.session, instance, name)
        if is_changed:
            panel.arrange(Widgets(self._lib, shown), self.session.panel_view(instance))
        return is_changed

    def _arrange(self, key: int, shown: int, setting: int, settings: int) -> bool:
        """Arrange a panel in which the user has changed a setting that others depend on."""
        if self._lib.obs_property_name(setting) == SETTING.encode():
            path = (self._lib.obs_data_get_string(settings, SETTING.encode()) or b"").decode("utf-8", "replace")
            panel_adding.chosen(self.session, self._instances[key], path)
        panel.arrange(Widgets(self._lib, shown), self.session.panel_view(self._instances[key]))
        return True


def _forget(lib: LibObs, source: int, key: int) -> None:
    """Clear a source's data: libobs calls no callback of a source without data."""
    words = (c_void_p * _CONTEXT_WORDS).from_address(source)
    for index, word in enumerate(words):
        if word == key:
            words[index] = None
            if not lib.obs_obj_get_data(source):
                return
            words[index] = key


_registration: Registration | None = None
_kept: list[Registration] = []


def register(lib: LibObs) -> Session | None:
    """Register the type, or show it again after a reload; return the session, or None if OBS refuses the type.

    User interface thread only: filters that OBS loaded before the type are replaced.
    """
    global _registration
    if _registration is None:
        _registration = _register_first(lib)
    else:
        lib.obs_enable_source_type(TYPE_ID, True)
    if _registration is None:
        return None
    guarded(None)(revival.revive)(lib, TYPE_ID)
    _registration.open_control()
    return _registration.session


def hide() -> None:
    """Remove the type from OBS's menus, and the requests from obs-websocket; existing filters stay."""
    if _registration is not None:
        _registration.close_control()
        _registration._lib.obs_enable_source_type(TYPE_ID, False)


def _register_first(lib: LibObs) -> Registration | None:
    version = lib.obs_get_version()
    size = libobs.prefix_size(version)
    if not size:
        shown = ".".join(str(part) for part in libobs.version_tuple(version))
        logger.error("%s", text("Log.OldObs", version=shown))
        return None
    if lib.obs_source_get_display_name(TYPE_ID):
        logger.error("%s", text("Log.SecondCopy"))
        return None
    registration = Registration(lib, Session(lib))
    # From here on libobs may hold its pointers, whatever else fails.
    _kept.append(registration)
    atexit.register(guarded(None)(registration.end))
    lib.obs_register_source_s(ctypes.byref(registration.info), size)
    if not lib.obs_source_get_display_name(TYPE_ID):
        logger.error("%s", text("Log.Refused"))
        return None
    _join_module(lib)
    return registration


def _join_module(lib: LibObs) -> None:
    """Tell OBS 32 and later which module owns the type; without an owner it shows the filter as missing."""
    if lib.obs_get_module is None or lib.obs_module_add_source is None:
        return
    module = lib.obs_get_module(b"frontend-tools")
    if module:
        lib.obs_module_add_source(module, TYPE_ID)

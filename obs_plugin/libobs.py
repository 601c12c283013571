"""The part of libobs that this plugin uses: structures, constants and prototypes; declarations only.

`ctypes.CDLL` releases the GIL during each call, which every call that may wait for a lock of OBS needs: OBS's threads
take the GIL in our callbacks while they hold such locks.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import ctypes
import sys
from ctypes import (
    POINTER,
    c_bool,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_longlong,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Callable, Dict, Tuple

SOURCE_TYPE_FILTER = 1
SOURCE_TYPE_TRANSITION = 2
OUTPUT_VIDEO = 1 << 0
OUTPUT_ASYNC = 1 << 2
OUTPUT_CUSTOM_DRAW = 1 << 3
OUTPUT_SRGB = 1 << 15

GS_R8 = 2
GS_RGBA = 3
GS_BGRX = 4
GS_BGRA = 5
GS_RGBA16 = 7
GS_RGBA16F = 9
GS_DYNAMIC = 1 << 1
GS_ZS_NONE = 0
GS_CS_SRGB = 0
GS_CLEAR_COLOR = 1
GS_BLEND_ZERO = 0
GS_BLEND_ONE = 1
GS_BLEND_SRCALPHA = 4
GS_BLEND_INVSRCALPHA = 5
GS_IMAGE_ALPHA_PREMULTIPLY_SRGB = 1
EFFECT_DEFAULT = 0
EFFECT_SOLID = 3
EFFECT_AREA = 9

TASK_UI = 0
TASK_DESTROY = 3
ORDER_MOVE_UP = 0

COMBO_TYPE_LIST, COMBO_FORMAT_STRING = 2, 3
PATH_FILE = 0
TEXT_INFO = 3
TEXT_INFO_NORMAL, TEXT_INFO_WARNING = 0, 1
GROUP_NORMAL = 1

_POINTER_FIELDS = [
    "get_name",
    "create",
    "destroy",
    "get_width",
    "get_height",
    "get_defaults",
    "get_properties",
    "update",
    "activate",
    "deactivate",
    "show",
    "hide",
    "video_tick",
    "video_render",
    "filter_video",
    "filter_audio",
    "enum_active_sources",
    "save",
    "load",
    "mouse_click",
    "mouse_move",
    "mouse_wheel",
    "focus",
    "key_click",
    "filter_remove",
    "type_data",
    "free_type_data",
    "audio_render",
    "enum_all_sources",
    "transition_start",
    "transition_stop",
    "get_defaults2",
    "get_properties2",
    "audio_mix",
]
_MEDIA_FIELDS = [
    "media_play_pause",
    "media_restart",
    "media_stop",
    "media_next",
    "media_previous",
    "media_get_duration",
    "media_get_time",
    "media_set_time",
    "media_get_state",
]


class SourceInfo(ctypes.Structure):
    """``struct obs_source_info`` of OBS 32.2; older releases know a prefix of it (`prefix_size`)."""

    _fields_ = [
        ("id", c_void_p),
        ("type", c_int),
        ("output_flags", c_uint32),
        *[(name, c_void_p) for name in _POINTER_FIELDS],
        ("icon_type", c_int),
        *[(name, c_void_p) for name in _MEDIA_FIELDS],
        ("version", c_uint32),
        ("unversioned_id", c_void_p),
        ("missing_files", c_void_p),
        ("video_get_color_space", c_void_p),
        ("filter_add", c_void_p),
        ("get_dark_icon", c_void_p),
        ("get_light_icon", c_void_p),
    ]


def version_tuple(version: int) -> tuple[int, int, int]:
    """Return (major, minor, patch) of `obs_get_version`'s number."""
    return version >> 24, version >> 16 & 0xFF, version & 0xFFFF


def prefix_size(version: int) -> int:
    """Return the size in bytes of `SourceInfo` in this version of libobs, 0 if it is too old."""
    release = version_tuple(version)[:2]
    if release < (28, 0):
        return 0
    if release < (30, 0):
        return int(SourceInfo.filter_add.offset)
    if release < (32, 2):
        return int(SourceInfo.get_dark_icon.offset)
    return ctypes.sizeof(SourceInfo)


def transparent_black() -> tuple[Any, int]:
    """Return a buffer and the 16-byte aligned address of an all-zero ``struct vec4`` inside it."""
    buffer = ctypes.create_string_buffer(32)
    return buffer, (ctypes.addressof(buffer) + 15) // 16 * 16


_VOID = None
_PROTOTYPES: dict[str, tuple[Any, ...]] = {  # result, then arguments
    "obs_get_version": (c_uint32,),
    "obs_get_locale": (c_char_p,),
    "obs_register_source_s": (_VOID, c_void_p, c_size_t),
    "obs_source_get_display_name": (c_char_p, c_char_p),
    "obs_enable_source_type": (_VOID, c_char_p, c_bool),
    "obs_get_frame_interval_ns": (c_uint64,),
    "bfree": (_VOID, c_void_p),
    "obs_queue_task": (_VOID, c_int, c_void_p, c_void_p, c_bool),
    "obs_hotkey_save": (c_void_p, c_size_t),
    "obs_hotkey_set_description": (_VOID, c_size_t, c_char_p),
    # procedures
    "obs_get_proc_handler": (c_void_p,),
    "proc_handler_call": (c_bool, c_void_p, c_char_p, c_void_p),
    "calldata_get_data": (c_bool, c_void_p, c_char_p, c_void_p, c_size_t),
    "calldata_set_data": (_VOID, c_void_p, c_char_p, c_void_p, c_size_t),
    # settings
    "obs_data_create": (c_void_p,),
    "obs_data_create_from_json": (c_void_p, c_char_p),
    "obs_data_get_json": (c_void_p, c_void_p),
    "obs_data_apply": (_VOID, c_void_p, c_void_p),
    "obs_data_release": (_VOID, c_void_p),
    "obs_data_get_string": (c_char_p, c_void_p, c_char_p),
    "obs_data_get_bool": (c_bool, c_void_p, c_char_p),
    "obs_data_get_double": (c_double, c_void_p, c_char_p),
    "obs_data_set_string": (_VOID, c_void_p, c_char_p, c_char_p),
    "obs_data_set_bool": (_VOID, c_void_p, c_char_p, c_bool),
    "obs_data_unset_user_value": (_VOID, c_void_p, c_char_p),
    "obs_data_set_double": (_VOID, c_void_p, c_char_p, c_double),
    "obs_data_get_obj": (c_void_p, c_void_p, c_char_p),
    "obs_data_get_array": (c_void_p, c_void_p, c_char_p),
    "obs_data_array_count": (c_size_t, c_void_p),
    "obs_data_array_item": (c_void_p, c_void_p, c_size_t),
    "obs_data_get_int": (c_longlong, c_void_p, c_char_p),
    "obs_data_set_int": (_VOID, c_void_p, c_char_p, c_longlong),
    "obs_data_set_array": (_VOID, c_void_p, c_char_p, c_void_p),
    "obs_data_array_release": (_VOID, c_void_p),
    "obs_data_set_default_string": (_VOID, c_void_p, c_char_p, c_char_p),
    "obs_data_set_default_bool": (_VOID, c_void_p, c_char_p, c_bool),
    "obs_data_set_default_int": (_VOID, c_void_p, c_char_p, c_longlong),
    "obs_data_set_default_double": (_VOID, c_void_p, c_char_p, c_double),
    # sources
    "obs_save_sources": (c_void_p,),
    "obs_save_source": (c_void_p, c_void_p),
    "obs_get_output_source": (c_void_p, c_uint32),
    "obs_source_get_name": (c_char_p, c_void_p),
    "obs_source_get_type": (c_int, c_void_p),
    "obs_transition_get_active_source": (c_void_p, c_void_p),
    "obs_get_source_by_name": (c_void_p, c_char_p),
    "obs_load_source": (c_void_p, c_void_p),
    "obs_obj_get_data": (c_void_p, c_void_p),
    "obs_source_get_filter_by_name": (c_void_p, c_void_p, c_char_p),
    "obs_source_filter_add": (_VOID, c_void_p, c_void_p),
    "obs_source_filter_remove": (_VOID, c_void_p, c_void_p),
    "obs_source_filter_set_order": (_VOID, c_void_p, c_void_p, c_int),
    "obs_source_get_weak_source": (c_void_p, c_void_p),
    "obs_weak_source_get_source": (c_void_p, c_void_p),
    "obs_weak_source_release": (_VOID, c_void_p),
    "obs_source_release": (_VOID, c_void_p),
    "obs_source_get_settings": (c_void_p, c_void_p),
    "obs_source_update": (_VOID, c_void_p, c_void_p),
    "obs_source_update_properties": (_VOID, c_void_p),
    "obs_source_get_base_width": (c_uint32, c_void_p),
    "obs_source_get_base_height": (c_uint32, c_void_p),
    "obs_source_get_color_space": (c_int, c_void_p, c_size_t, c_void_p),
    "obs_source_get_output_flags": (c_uint32, c_void_p),
    "obs_source_get_sync_offset": (c_longlong, c_void_p),
    "obs_source_set_sync_offset": (_VOID, c_void_p, c_longlong),
    "obs_source_default_render": (_VOID, c_void_p),
    "obs_source_video_render": (_VOID, c_void_p),
    "obs_filter_get_target": (c_void_p, c_void_p),
    "obs_filter_get_parent": (c_void_p, c_void_p),
    # the panel
    "obs_properties_create": (c_void_p,),
    "obs_properties_set_param": (_VOID, c_void_p, c_void_p, c_void_p),
    "obs_properties_get": (c_void_p, c_void_p, c_char_p),
    "obs_properties_add_bool": (c_void_p, c_void_p, c_char_p, c_char_p),
    "obs_properties_add_color": (c_void_p, c_void_p, c_char_p, c_char_p),
    "obs_properties_add_float_slider": (c_void_p, c_void_p, c_char_p, c_char_p, c_double, c_double, c_double),
    "obs_properties_add_text": (c_void_p, c_void_p, c_char_p, c_char_p, c_int),
    "obs_properties_add_path": (c_void_p, c_void_p, c_char_p, c_char_p, c_int, c_char_p, c_char_p),
    "obs_properties_add_list": (c_void_p, c_void_p, c_char_p, c_char_p, c_int, c_int),
    "obs_properties_add_button": (c_void_p, c_void_p, c_char_p, c_char_p, c_void_p),
    "obs_properties_add_group": (c_void_p, c_void_p, c_char_p, c_char_p, c_int, c_void_p),
    "obs_property_list_add_string": (c_size_t, c_void_p, c_char_p, c_char_p),
    "obs_property_set_description": (_VOID, c_void_p, c_char_p),
    "obs_property_set_long_description": (_VOID, c_void_p, c_char_p),
    "obs_property_name": (c_char_p, c_void_p),
    "obs_property_set_modified_callback2": (_VOID, c_void_p, c_void_p, c_void_p),
    "obs_property_set_enabled": (_VOID, c_void_p, c_bool),
    "obs_property_set_visible": (_VOID, c_void_p, c_bool),
    "obs_property_text_set_info_type": (_VOID, c_void_p, c_int),
    # graphics
    "obs_enter_graphics": (_VOID,),
    "obs_leave_graphics": (_VOID,),
    "obs_get_base_effect": (c_void_p, c_int),
    "gs_effect_get_param_by_name": (c_void_p, c_void_p, c_char_p),
    "gs_effect_set_texture_srgb": (_VOID, c_void_p, c_void_p),
    "gs_effect_set_vec2": (_VOID, c_void_p, c_void_p),
    "gs_effect_set_vec4": (_VOID, c_void_p, c_void_p),
    "gs_effect_loop": (c_bool, c_void_p, c_char_p),
    "gs_draw_sprite": (_VOID, c_void_p, c_uint32, c_uint32, c_uint32),
    "gs_draw_sprite_subregion": (_VOID, c_void_p, c_uint32, c_uint32, c_uint32, c_uint32, c_uint32),
    "gs_framebuffer_srgb_enabled": (c_bool,),
    "gs_enable_framebuffer_srgb": (_VOID, c_bool),
    "gs_set_linear_srgb": (c_bool, c_bool),
    "gs_blend_state_push": (_VOID,),
    "gs_blend_state_pop": (_VOID,),
    "gs_blend_function": (_VOID, c_int, c_int),
    "gs_blend_function_separate": (_VOID, c_int, c_int, c_int, c_int),
    "gs_matrix_push": (_VOID,),
    "gs_matrix_pop": (_VOID,),
    "gs_matrix_translate3f": (_VOID, c_float, c_float, c_float),
    "gs_matrix_scale3f": (_VOID, c_float, c_float, c_float),
    "gs_matrix_rotaa4f": (_VOID, c_float, c_float, c_float, c_float),
    "gs_clear": (_VOID, c_uint32, c_void_p, c_float, c_uint8),
    "gs_ortho": (_VOID, c_float, c_float, c_float, c_float, c_float, c_float),
    "gs_texrender_create": (c_void_p, c_int, c_int),
    "gs_texrender_destroy": (_VOID, c_void_p),
    "gs_texrender_reset": (_VOID, c_void_p),
    "gs_texrender_begin_with_color_space": (c_bool, c_void_p, c_uint32, c_uint32, c_int),
    "gs_texrender_end": (_VOID, c_void_p),
    "gs_texrender_get_texture": (c_void_p, c_void_p),
    "gs_stagesurface_create": (c_void_p, c_uint32, c_uint32, c_int),
    "gs_stagesurface_destroy": (_VOID, c_void_p),
    "gs_stagesurface_map": (c_bool, c_void_p, POINTER(c_void_p), POINTER(c_uint32)),
    "gs_stagesurface_unmap": (_VOID, c_void_p),
    "gs_stage_texture": (_VOID, c_void_p, c_void_p),
    "gs_texture_create": (c_void_p, c_uint32, c_uint32, c_int, c_uint32, POINTER(c_void_p), c_uint32),
    "gs_texture_destroy": (_VOID, c_void_p),
    "gs_texture_set_image": (_VOID, c_void_p, c_void_p, c_uint32, c_bool),
    "gs_create_texture_file_data3": (
        c_void_p,
        c_char_p,
        c_int,
        POINTER(c_int),
        POINTER(c_uint32),
        POINTER(c_uint32),
        POINTER(c_int),
    ),
}
_KEEPS_GIL = frozenset({"obs_data_get_string"})
"""Waits for nothing, and its text is copied only after the call: waiting for the GIL first, another thread could change
the setting, and with it free the text, meanwhile."""
_OPTIONAL: Dict[str, Tuple[Any, ...]] = {  # noqa: UP006 - only newer releases export these
    "obs_get_module": (c_void_p, c_char_p),
    "obs_get_source_by_uuid": (c_void_p, c_char_p),
    "obs_module_add_source": (_VOID, c_void_p, c_char_p),
}


class LibObs:
    """The functions of the running libobs, declared; an optional one that it lacks is None."""

    def __init__(self, library: Any) -> None:
        for name, prototype in _PROTOTYPES.items():
            setattr(self, name, _declare(library, name, prototype))
        for name, prototype in _OPTIONAL.items():
            setattr(self, name, _declare(library, name, prototype) if hasattr(library, name) else None)

    def address(self, name: str) -> c_void_p:
        """Return the address of a function, for libobs to call it."""
        return ctypes.cast(getattr(self, name), c_void_p)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise AttributeError(f"{name} is not declared in obs_plugin.libobs")


def _declare(library: Any, name: str, prototype: tuple[Any, ...]) -> Any:
    function = getattr(_keeping_gil(library) if name in _KEEPS_GIL else library, name)
    function.restype, *function.argtypes = prototype
    return function


def _keeping_gil(library: Any) -> Any:
    return ctypes.PyDLL(library._name, handle=library._handle)


def load() -> LibObs:
    """Return the libobs of this process; raises OSError if the process is not OBS."""
    if sys.platform == "win32":
        return LibObs(ctypes.CDLL("obs"))
    candidates = [None, "libobs.so.30", "libobs.so.0", "libobs.so"]
    if sys.platform == "darwin":
        framework = "libobs.framework/Versions/A/libobs"
        candidates = [None, f"@executable_path/../Frameworks/{framework}", f"@rpath/{framework}", "libobs.0.dylib"]
    for candidate in candidates:
        try:
            library = ctypes.CDLL(candidate)
        except OSError:
            continue
        if hasattr(library, "obs_register_source_s"):
            return LibObs(library)
    raise OSError("libobs was not found in this process; load this script in OBS Studio 28 or newer")

"""A libobs that draws nothing: it records calls, hands out handles, and knows which are alive."""

from __future__ import annotations

import ctypes
from typing import Any, Callable

from obs_plugin.libobs import TASK_UI

CREATES = {
    "gs_texture_create": "gs_texture_destroy",
    "gs_texrender_create": "gs_texrender_destroy",
    "gs_stagesurface_create": "gs_stagesurface_destroy",
}


class FakeLibObs:
    """Stands in for `obs_plugin.libobs.LibObs`; any other function returns 0 and is recorded in ``calls``."""

    def __init__(self, version: tuple[int, int, int] = (29, 0, 2)) -> None:
        self.version = version
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.settings: dict[str, Any] = {}
        self.alive: dict[int, str] = {}
        self.drawn: list[int] = []
        self.camera_count = 0
        self.captured_count = 0
        self.target_size = (640, 360)
        self.is_removed = False
        self.registered: list[tuple[bytes, int]] = []
        self.obs_get_module: Callable[[bytes], int] | None = None
        self.obs_module_add_source: Callable[[int, bytes], None] | None = None
        self._depth = 0
        self._next = 1000
        self._loops = 0
        self._camera_pixels = ctypes.create_string_buffer(640 * 640 * 4)
        self.image = ctypes.create_string_buffer(64)
        self.image_size = (4, 4)
        self.freed_images = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            if name in CREATES:
                self._next += 1
                self.alive[self._next] = name
                return self._next
            if name in CREATES.values():
                assert CREATES[self.alive.pop(arguments[0])] == name
            return 0

        return call

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    # --- types ---

    def obs_get_version(self) -> int:
        major, minor, patch = self.version
        return major << 24 | minor << 16 | patch

    def obs_register_source_s(self, info: Any, size: int) -> None:
        identifier = ctypes.string_at(info._obj.id)
        self.registered.append((identifier, size))

    def obs_source_get_display_name(self, identifier: bytes) -> bytes | None:
        return b"Stream Motion Animator" if any(identifier == known for known, _ in self.registered) else None

    def obs_get_frame_interval_ns(self) -> int:
        return 16_666_667

    def address(self, name: str) -> str:
        return f"&{name}"

    def obs_queue_task(self, kind: int, task: ctypes.c_void_p, parameter: None, waits: bool) -> None:
        self.calls.append(("obs_queue_task", (kind, task, parameter, waits)))
        if kind != TASK_UI:
            return
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(task.value)(None)

    # --- settings ---

    def obs_data_get_string(self, _data: int, key: bytes) -> bytes:
        return str(self.settings.get(key.decode(), "")).encode()

    def obs_data_get_bool(self, _data: int, key: bytes) -> bool:
        return bool(self.settings.get(key.decode(), False))

    def obs_data_get_double(self, _data: int, key: bytes) -> float:
        return float(self.settings.get(key.decode(), 0.0))

    def obs_data_get_int(self, _data: int, key: bytes) -> int:
        return int(self.settings.get(key.decode(), 0))

    def obs_data_set_default_string(self, _data: int, key: bytes, value: bytes) -> None:
        self.settings.setdefault(key.decode(), value.decode())

    def obs_data_set_default_bool(self, _data: int, key: bytes, value: bool) -> None:
        self.settings.setdefault(key.decode(), value)

    obs_data_set_default_double = obs_data_set_default_int = obs_data_set_default_bool

    # --- sources ---

    def obs_filter_get_target(self, _source: int) -> int:
        return 0 if self.is_removed else 77

    def obs_source_get_base_width(self, _source: int) -> int:
        return self.target_size[0]

    def obs_source_get_base_height(self, _source: int) -> int:
        return self.target_size[1]

    def obs_source_get_color_space(self, _source: int, _count: int, _preferred: int | None) -> int:
        return 2

    def obs_filter_get_parent(self, _source: int) -> int:
        return self.obs_filter_get_target(_source)

    def obs_source_default_render(self, source: int) -> None:
        assert source, "OBS crashes"
        if self._depth:
            self.captured_count += 1
        else:
            self.camera_count += 1

    # --- graphics ---

    def gs_texrender_get_texture(self, texrender: int) -> int:
        return texrender

    def gs_texrender_begin_with_color_space(self, *_arguments: Any) -> bool:
        self._depth += 1
        return True

    def gs_texrender_end(self, _texrender: int) -> None:
        self._depth -= 1

    def gs_stagesurface_map(self, _stage: int, data: Any, stride: Any) -> bool:
        data._obj.value = ctypes.addressof(self._camera_pixels)
        stride._obj.value = 640 * 4
        return True

    def gs_effect_loop(self, _effect: int, _technique: bytes) -> bool:
        self._loops += 1
        return self._loops % 2 == 1

    def gs_draw_sprite_subregion(self, texture: int, *_arguments: int) -> None:
        assert texture in self.alive, "a texture is drawn that is gone"
        self.drawn.append(texture)

    def gs_create_texture_file_data3(self, path: bytes, _mode: int, form: Any, width: Any, height: Any, _: Any) -> int:
        form._obj.value = 5
        width._obj.value, height._obj.value = self.image_size
        return ctypes.addressof(self.image) if path.endswith(b"good.png") else 0

    def bfree(self, _pointer: int) -> None:
        self.freed_images += 1

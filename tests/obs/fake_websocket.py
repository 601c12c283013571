"""A libobs in which obs-websocket is loaded, as far as a vendor sees it."""

from __future__ import annotations

import ctypes
import itertools
import json
from typing import Any

from fake_libobs import FakeLibObs

_POINTER = ctypes.c_void_p
_GLOBAL, _OURS, _VENDOR = 11, 12, 13


class _Callback(ctypes.Structure):
    _fields_ = [("callback", _POINTER), ("priv_data", _POINTER)]


class _Response(ctypes.Structure):
    _fields_ = [("status_code", ctypes.c_uint), ("comment", _POINTER), ("response_data", _POINTER)]


class WebsocketLibObs(FakeLibObs):
    """Keeps a vendor's requests and events as obs-websocket does, and refuses what that refuses."""

    def __init__(self, *, is_installed: bool = True, filters: dict[tuple[str, str], int] | None = None) -> None:
        """is_installed: whether obs-websocket is. filters: the handle of each by the names of source and filter."""
        super().__init__()
        self.is_installed = is_installed
        self.filters = filters or {}
        self.vendors: set[str] = set()
        self.requests: dict[str, tuple[int, int]] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.refused: list[str] = []
        self.freed: list[int] = []
        self._parameters: dict[int, dict[str, bytes]] = {}
        self._contents: dict[int, Any] = {}
        self._texts: dict[int, Any] = {}
        self._handles = itertools.count(9000)

    # --- a client ---

    def request(self, name: str, content: Any = None, *, text: bytes | None = None) -> dict[str, Any]:
        """Call a vendor's request as obs-websocket does, and return the answer; text: instead of the content."""
        question, answer = next(self._handles), next(self._handles)
        self._contents[question] = json.dumps(content or {}).encode() if text is None else text
        self._contents[answer] = {}
        address, private = self.requests[name]
        ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _POINTER)(address)(question, answer, private)
        return dict(self._contents[answer])

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the data of the events of one name so far, and forget them all."""
        found = [data for name, data in self.events if name == event]
        self.events.clear()
        return found

    # --- procedures ---

    def obs_get_proc_handler(self) -> int:
        return _GLOBAL

    def _of(self, data: Any) -> dict[str, bytes]:
        """Return the parameters in a ``calldata_t``; its size tells a new one from an older at the same address."""
        if not data._obj.size:
            data._obj.size = next(self._handles)
        return self._parameters.setdefault(data._obj.size, {})

    def calldata_set_data(self, data: Any, name: bytes, value: Any, size: int) -> None:
        self._of(data)[name.decode()] = ctypes.string_at(ctypes.addressof(value._obj), size)

    def calldata_get_data(self, data: Any, name: bytes, out: Any, size: int) -> bool:
        stored = self._of(data).get(name.decode(), b"")
        if len(stored) != size:
            return False
        ctypes.memmove(ctypes.addressof(out._obj), stored, size)
        return True

    def proc_handler_call(self, handler: int, name: bytes, data: Any) -> bool:
        parameters = self._of(data)
        if handler == _GLOBAL:
            assert name == b"obs_websocket_api_get_ph"
            if self.is_installed:
                parameters["ph"] = bytes(_POINTER(_OURS))
            return self.is_installed
        assert handler == _OURS, "OBS crashes"
        given: dict[str, Any] = {}
        for key, value in parameters.items():
            is_text = key in ("name", "type", "request_type")
            given[key] = value[:-1].decode() if is_text else _POINTER.from_buffer_copy(value).value
        assert given.pop("vendor", _VENDOR) == _VENDOR, "OBS crashes"
        parameters.update(getattr(self, f"_{name.decode()}")(**given))
        return True

    def _vendor_register(self, name: str) -> dict[str, bytes]:
        if name in self.vendors:
            self.refused.append(name)
            return {}
        self.vendors.add(name)
        return {"vendor": bytes(_POINTER(_VENDOR))}

    def _vendor_request_register(self, type: str, callback: int) -> dict[str, bytes]:
        if type in self.requests:
            self.refused.append(type)
            return {"success": b"\0"}
        kept = _Callback.from_address(callback)
        self.requests[type] = kept.callback, kept.priv_data
        return {"success": b"\1"}

    def _vendor_request_unregister(self, type: str) -> dict[str, bytes]:
        if self.requests.pop(type, None) is None:
            self.refused.append(type)
        return {"success": b"\1"}

    def _vendor_event_emit(self, type: str, data: int) -> dict[str, bytes]:
        self.events.append((type, self._contents[data]))
        return {"success": b"\1"}

    def _call_request(self, request_type: str) -> dict[str, bytes]:
        sources = list(dict.fromkeys(source for source, _ in self.filters))
        answers = {"GetInputList": {"inputs": [{"inputName": name} for name in sources]}, "GetSceneList": {}}
        answer = answers.get(request_type)
        text = None if answer is None else ctypes.create_string_buffer(json.dumps(answer).encode())
        response = _Response(100, None, ctypes.addressof(text) if text else None)
        self._texts[ctypes.addressof(response)] = response, text
        return {"response": bytes(_POINTER(ctypes.addressof(response)))}

    def bfree(self, pointer: int) -> None:
        self.freed.append(pointer)

    # --- data ---

    def obs_data_get_json(self, data: int) -> int:
        text = self._texts[data] = ctypes.create_string_buffer(self._contents[data])
        return ctypes.addressof(text)

    def obs_data_create_from_json(self, text: bytes) -> int:
        handle = next(self._handles)
        self._contents[handle] = json.loads(text)
        return handle

    def obs_data_release(self, data: int) -> None:
        self.calls.append(("obs_data_release", (data,)))

    def obs_data_apply(self, target: int, data: int) -> None:
        self._contents[target].update(self._contents[data])

    def obs_data_set_string(self, _data: int, key: bytes, value: bytes) -> None:
        self.settings[key.decode()] = value.decode()

    def obs_data_set_double(self, _data: int, key: bytes, value: float) -> None:
        self.settings[key.decode()] = value

    obs_data_set_bool = obs_data_set_double

    # --- sources ---

    def obs_source_get_weak_source(self, source: int) -> int:
        return source

    def obs_weak_source_get_source(self, weak: int) -> int:
        return weak

    def obs_source_get_name(self, source: int) -> bytes:
        return next(name for (_, name), handle in self.filters.items() if handle == source).encode()

    def obs_get_source_by_name(self, name: bytes) -> int:
        return 1 + next((i for i, (source, _) in enumerate(self.filters) if source == name.decode()), -1)

    def obs_source_get_filter_by_name(self, parent: int, name: bytes) -> int:
        source = list(self.filters)[parent - 1][0]
        return self.filters.get((source, name.decode()), 0)

"""The vendor of this plugin in obs-websocket: requests from other programs, and events for them.

obs-websocket 5 offers its functions through a procedure handler (obs-websocket-api.h). It calls requests on threads of
its own, and on the graphics thread in a batch that is bound to frames: an answer must not wait.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import contextlib
import ctypes
import json
import logging
import threading
from ctypes import CFUNCTYPE, c_bool, c_char, c_char_p, c_size_t, c_uint, c_void_p
from typing import Callable, Iterator, Mapping

from obs_plugin.libobs import LibObs
from obs_plugin.request_data import Content, RequestError

logger = logging.getLogger(__name__)

VENDOR = "stream-motion-animator"
LONGEST_REQUEST = 4096
"""Bytes of a request as JSON; a longer one is refused unread, as reading it would keep the interpreter from OBS."""
_LONGEST_ANSWER_SECONDS = 1.0


class _CallData(ctypes.Structure):
    """``calldata_t``: the named parameters of a procedure; libobs allocates ``stack``."""

    _fields_ = [("stack", c_void_p), ("size", c_size_t), ("capacity", c_size_t), ("fixed", c_bool)]


class _RequestCallback(ctypes.Structure):
    """``struct obs_websocket_request_callback``, of which obs-websocket keeps a copy."""

    _fields_ = [("callback", c_void_p), ("priv_data", c_void_p)]


class _Response(ctypes.Structure):
    """``struct obs_websocket_request_response``; the texts are freed by `bfree`."""

    _fields_ = [("status_code", c_uint), ("comment", c_void_p), ("response_data", c_void_p)]


_RESULTS = {
    b"obs_websocket_api_get_ph": (b"ph", c_void_p),
    b"vendor_register": (b"vendor", c_void_p),
    b"call_request": (b"response", c_void_p),
}
"""The parameter in which a procedure leaves its result, and its type; the others leave ``success``."""


class Vendor:
    """The vendor; must live as long as the process, as obs-websocket keeps the address of its callback."""

    def __init__(self, lib: LibObs) -> None:
        self._lib = lib
        self._procedures = 0
        self._vendor = 0
        self._requests: list[tuple[str, Callable[[Content], Content]]] = []
        self._callback = CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)(self._on_request)
        self._is_open = False
        # Held during an event: after `close`, OBS may unload obs-websocket at any time. Sending an event waits for
        # nothing, as obs-websocket queues it for threads of its own.
        self._lock = threading.Lock()
        self._answering = 0
        self._answered = threading.Condition()

    def open(self, requests: Mapping[str, Callable[[Content], Content]]) -> None:
        """Register the requests, each with the function that answers it; without obs-websocket nothing happens.

        A function may raise `RequestError`. User interface thread only.
        """
        if self._is_open or not self._find_vendor():
            return
        self._requests, self._is_open = list(requests.items()), True
        address = ctypes.cast(self._callback, c_void_p).value
        for place, (name, _) in enumerate(self._requests, 1):
            callback = _RequestCallback(address, place)
            self._call_vendor(b"vendor_request_register", type=name.encode(), callback=ctypes.addressof(callback))

    def close(self) -> None:
        """Take the requests away, and send no more events; the vendor's name stays ours. User interface thread only.

        Waits for requests that are being answered, as Python may end at any time afterwards: for moments, as they wait
        for nothing.
        """
        with self._lock:
            is_open, self._is_open = self._is_open, False
        for name, _ in self._requests if is_open else ():
            self._call_vendor(b"vendor_request_unregister", type=name.encode())
        with self._answered:
            self._answered.wait_for(lambda: not self._answering, _LONGEST_ANSWER_SECONDS)

    def emit(self, event: str, content: Content) -> None:
        """Send an event to all clients; any thread."""
        with self._data(content) as data, self._lock:
            if self._is_open and data:
                self._call_vendor(b"vendor_event_emit", type=event.encode(), data=data)

    def ask(self, request: str) -> Content:
        """Return obs-websocket's own answer to a request without data, {} if it has none; any thread."""
        if not self._is_open:
            return {}
        address = self._call(self._procedures, b"call_request", request_type=request.encode())
        if not address:
            return {}
        response = _Response.from_address(address)
        text = ctypes.cast(response.response_data, c_char_p).value
        for each in (response.comment, response.response_data, address):
            if each:
                self._lib.bfree(each)
        answer = json.loads(text) if text else {}
        return answer if isinstance(answer, dict) else {}

    # --- procedures ---

    def _find_vendor(self) -> bool:
        if not self._procedures:
            handler = self._lib.obs_get_proc_handler()
            self._procedures = self._call(handler, b"obs_websocket_api_get_ph")
        if self._procedures and not self._vendor:
            # obs-websocket has no function to give a name back: a reloaded script uses the vendor it has.
            self._vendor = self._call(self._procedures, b"vendor_register", name=VENDOR.encode())
            if not self._vendor:
                logger.info("another plugin has the name %s in obs-websocket; ours cannot be controlled by it", VENDOR)
        return bool(self._vendor)

    def _call_vendor(self, procedure: bytes, **parameters: bytes | int) -> bool:
        return bool(self._call(self._procedures, procedure, vendor=self._vendor, **parameters))

    def _call(self, handler: int, procedure: bytes, **parameters: bytes | int) -> int:
        """Call a procedure and return its result, 0 if it has none; bytes are passed as a text, numbers as pointers."""
        lib, data = self._lib, _CallData()
        name, kind = _RESULTS.get(procedure, (b"success", c_bool))
        result = kind()
        try:
            for key, value in parameters.items():
                stored = ctypes.create_string_buffer(value) if isinstance(value, bytes) else c_void_p(value)
                lib.calldata_set_data(ctypes.byref(data), key.encode(), ctypes.byref(stored), ctypes.sizeof(stored))
            if lib.proc_handler_call(handler, procedure, ctypes.byref(data)):
                lib.calldata_get_data(ctypes.byref(data), name, ctypes.byref(result), ctypes.sizeof(result))
            return int(result.value or 0)
        finally:
            if data.stack:
                lib.bfree(data.stack)

    # --- requests ---

    def _on_request(self, request: int, response: int, place: int) -> None:
        with self._answered:
            self._answering += 1
        try:
            with self._data(self._answer(request, place)) as data:
                self._lib.obs_data_apply(response, data)
        except Exception:
            logger.exception("a request from obs-websocket is not answered")
        finally:
            with self._answered:
                self._answering -= 1
                self._answered.notify_all()

    def _answer(self, request: int, place: int) -> Content:
        name, answer = self._requests[place - 1]
        try:
            return answer(self._read(request))
        except RequestError as exc:
            return {"error": exc.message, "remedy": exc.remedy}
        except Exception:
            logger.exception("%s from obs-websocket failed", name)
            return {"error": "The request failed", "remedy": "Tools → Scripts → Script Log says why"}

    def _read(self, request: int) -> Content:
        address = self._lib.obs_data_get_json(request)
        # An array's value ends at the first zero byte: nothing beyond the text is read, however short it is.
        text = (c_char * (LONGEST_REQUEST + 1)).from_address(address).value if address else b""
        if len(text) > LONGEST_REQUEST:
            raise RequestError(f"The request has more than {LONGEST_REQUEST} bytes", "Send less")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise RequestError("The request cannot be read", "Send a JSON object with the keys of the request")
        return content

    @contextlib.contextmanager
    def _data(self, content: Content) -> Iterator[int]:
        """Yield an ``obs_data_t`` of the content."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        data = self._lib.obs_data_create_from_json(text) or 0
        try:
            yield data
        finally:
            if data:
                self._lib.obs_data_release(data)

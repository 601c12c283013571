"""A client of obs-websocket that controls our filter in a running OBS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import obsws_python
from conftest import noise
from obs_session import CAMERA, CANVAS, Installation, ObsSession, shows, wait_for

VENDOR, FILTER = "stream-motion-animator", "Stream Motion Animator"
OURS = {"source": "Camera", "filter": FILTER}
WORKER_FRAME = noise(*CANVAS, seed=1)


class Remote:
    """A client of a running OBS, and the events that it got."""

    def __init__(self, session: ObsSession) -> None:
        self.obs = session
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._listener: Any = None

    def listen(self) -> None:
        def on_vendor_event(event: Any) -> None:
            if event.vendor_name == VENDOR:
                self.events.append((event.event_type, event.event_data))

        self._listener = obsws_python.EventClient(host="127.0.0.1", port=self.obs.port)
        self._listener.callback.register(on_vendor_event)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.disconnect()
            self._listener = None

    def request(self, name: str, **keys: Any) -> dict[str, Any]:
        return dict(self.obs.client.call_vendor_request(VENDOR, name, keys).response_data)

    def told(self, name: str, **fields: Any) -> bool:
        """Return whether an event of this name with these fields came."""
        return any(event == name and fields.items() <= data.items() for event, data in list(self.events))

    def batch(self, names: list[str], execution: int) -> list[dict[str, Any]]:
        """Make requests in one batch of obs-websocket, and return the answers."""
        each = [{"vendorName": VENDOR, "requestType": name} for name in names]
        requests = [{"requestType": "CallVendorRequest", "requestData": data} for data in each]
        socket = self.obs.client.base_client.ws
        socket.send(json.dumps({"op": 8, "d": {"requestId": "1", "executionType": execution, "requests": requests}}))
        answer = json.loads(socket.recv())
        assert answer["op"] == 9, answer
        results = answer["d"]["results"]
        assert all(result["requestStatus"]["result"] for result in results), results
        return [result["responseData"]["responseData"] for result in results]


def make_installation(folder: Path) -> Installation:
    installation = Installation(folder)
    for seed, name in enumerate(("amber.png", "mira.png", "zoe.png"), 2):
        installation.add_character(name, noise(200, 300, seed=seed))
    installation.set_frame(WORKER_FRAME)
    return installation


def animate_camera(session: ObsSession) -> None:
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera", FILTER)
    wait_for(lambda: shows(session, WORKER_FRAME), "the animated frame is shown")

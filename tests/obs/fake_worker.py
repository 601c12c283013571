"""A worker with no brain, for tests of the OBS side: standard library only, behaves as its control file says.

The control file (environment variable FAKE_WORKER_CONTROL, JSON, read again whenever it changes) may hold:
  mode: "run" (default), "die_at_start", "silent" (does not say Ready), "hang" (stops everything once it was seen)
  frame: path of raw BGRA pixels to publish for every driving frame; frame_size: [width, height]
  characters: [[file, display name, path, problem], ...]
  version: the protocol version to claim
  state, fps, latency_ms, renderer, message, remedy: what the statuses say
  dump: path to which each driving frame is written (raw RGBA rows, tight; its size in "<dump>.json")
It appends every message that it gets to "<control>.log", one JSON object a line.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, os.environ["FAKE_WORKER_ROOT"])

from animator_core.ipc.frame_ring import FORMAT_BGRA_PREMULTIPLIED, RingError, RingMemory, RingReader, RingWriter
from animator_core.ipc.protocol import (
    PROTOCOL_VERSION,
    CharacterEntry,
    CharacterList,
    CloseFilter,
    FilterOpened,
    FilterStatus,
    LineDecoder,
    NeutralPose,
    OpenFilter,
    Ready,
    RefreshCharacters,
    Shutdown,
    UpdateFilter,
    encode,
)


class FakeFilter:
    """Answers every driving frame with the picture of the control file."""

    def __init__(self, message: OpenFilter) -> None:
        self.id = message.filter_id
        self.settings = message.settings
        self.memories = [RingMemory.attach(message.driving), RingMemory.attach(message.animated)]
        self.reader, self.writer = RingReader(self.memories[0]), RingWriter(self.memories[1])
        self.count = 0

    def step(self, control: dict[str, Any]) -> None:
        self.writer.beat()
        info = self.reader.poll()
        if info is None:
            return
        self.reader.mark_seen(info)
        if "dump" in control:
            self.dump(info, control["dump"])
        width, height = control["frame_size"]
        pixels = control["pixels"]
        self.writer.begin()[: len(pixels)] = pixels
        self.writer.publish(width, height, width * 4, FORMAT_BGRA_PREMULTIPLIED, info.captured_ns)
        self.count += 1

    def dump(self, info: Any, path: str) -> None:
        rows, payload = bytearray(), self.reader.payload(info)
        for row in range(info.height):
            rows += payload[row * info.stride : row * info.stride + info.width * 4]
        temporary = Path(path + ".part")
        temporary.write_bytes(rows)
        temporary.replace(path)
        Path(path + ".json").write_text(json.dumps([info.width, info.height]))

    def close(self) -> None:
        self.reader.close()
        self.writer.close()
        for memory in self.memories:
            memory.close()


class FakeWorker:
    def __init__(self, control_path: str) -> None:
        self.control_path = Path(control_path)
        self.control: dict[str, Any] = {}
        self.control_time = 0
        self.filters: dict[str, FakeFilter] = {}
        self.read_control()

    def read_control(self) -> None:
        changed = self.control_path.stat().st_mtime_ns
        if changed != self.control_time:
            self.control_time = changed
            control = {
                "mode": "run",
                "state": "tracking",
                "frame_size": [64, 64],
                **json.loads(self.control_path.read_text()),
            }
            width, height = control["frame_size"]
            control["pixels"] = (
                Path(control["frame"]).read_bytes() if "frame" in control else b"\xff" * (width * height * 4)
            )
            self.control = control

    def say(self, message: Any) -> None:
        os.write(1, encode(message))

    def handle(self, message: Any) -> bool:
        with open(f"{self.control_path}.log", "a") as log:
            log.write(json.dumps([os.getpid(), json.loads(encode(message))]) + "\n")
        if isinstance(message, Shutdown):
            return False
        if isinstance(message, OpenFilter) and message.filter_id == self.control.get("refuses"):
            self.say(FilterStatus(message.filter_id, "error", message="no memory"))
        elif isinstance(message, OpenFilter):
            try:
                self.filters[message.filter_id] = FakeFilter(message)
            except RingError as exc:  # the filter is gone already, and its rings with it
                self.say(FilterStatus(message.filter_id, "error", message=exc.message))
            else:
                self.say(FilterOpened(message.filter_id))
                if "neutral" in self.control:
                    self.say(NeutralPose(message.filter_id, self.control["neutral"]))
        elif isinstance(message, UpdateFilter):
            if message.filter_id in self.filters:
                self.filters[message.filter_id].settings = message.settings
        elif isinstance(message, CloseFilter):
            closed = self.filters.pop(message.filter_id, None)
            if closed is not None:
                closed.close()
        elif isinstance(message, RefreshCharacters) and "characters" in self.control:
            self.say(CharacterList(tuple(CharacterEntry(*entry) for entry in self.control["characters"])))
        return True

    def run(self) -> int:
        if self.control["mode"] == "die_at_start":
            print("the fake worker dies as it was told", file=sys.stderr)
            return 3
        while self.control["mode"] == "silent":
            time.sleep(0.1)
            self.read_control()
        self.say(Ready(self.control.get("version", PROTOCOL_VERSION), os.getpid()))
        decoder, last_status = LineDecoder(), 0.0
        while True:
            self.read_control()
            while self.control["mode"] == "hang":
                time.sleep(0.1)
            if select.select([0], [], [], 0.005)[0]:
                data = os.read(0, 65536)
                if not data:
                    return 0
                for message in decoder.feed(data):
                    if not self.handle(message):
                        return 0
            for each in self.filters.values():
                each.step(self.control)
            if time.monotonic() - last_status > 0.5:
                last_status = time.monotonic()
                for each in self.filters.values():
                    self.report(each)

    def report(self, each: FakeFilter) -> None:
        texts = {name: self.control.get(name, "") for name in ("message", "remedy")}
        renderer = self.control.get("renderer", "warp")
        numbers = (self.control.get("fps", 30.0), self.control.get("latency_ms", 12.0))
        self.say(
            FilterStatus(each.id, self.control["state"], *numbers, renderer, "CPU", each.settings.character, **texts)
        )


if __name__ == "__main__":
    sys.exit(FakeWorker(os.environ["FAKE_WORKER_CONTROL"]).run())

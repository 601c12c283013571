"""Two computers on one machine: network namespaces, a cable between them that can be slow, and unplugged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_BURST_KB = 256
_QUEUE_MS = 50


def why_not() -> str:
    """Return why this machine cannot have them, or ""."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and its root"
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install iproute2)"
    probe = f"sma-probe-{os.getpid()}"
    if _run("ip", "netns", "add", probe, check=False).returncode:
        return "network namespaces are not allowed here"
    _run("ip", "netns", "delete", probe)
    return ""


class TwoNetworks:
    """Two namespaces; `first` and `second` are their addresses, `in_first` and `in_second` run programs in them."""

    first, second = "10.91.7.1", "10.91.7.2"

    def __init__(self) -> None:
        self._names = [f"sma-{side}-{os.getpid()}" for side in "ab"]
        self._ends = ["sma-a", "sma-b"]
        self.in_first, self.in_second = (("ip", "netns", "exec", name) for name in self._names)

    def __enter__(self) -> TwoNetworks:
        for name in self._names:
            _run("ip", "netns", "add", name)
        peers = ["type", "veth", "peer", "name", self._ends[1], "netns", self._names[1]]
        _run("ip", "-n", self._names[0], "link", "add", self._ends[0], *peers)
        for name, end, address in zip(self._names, self._ends, (self.first, self.second)):
            _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", end)
            for device in ("lo", end):
                _run("ip", "-n", name, "link", "set", device, "up")
        return self

    def __exit__(self, *raised: object) -> None:
        for name in self._names:
            _run("ip", "netns", "delete", name, check=False)

    def limit(self, megabits: int) -> None:
        """Let both directions carry this much a second."""
        for name, end in zip(self._names, self._ends):
            rate = ["tbf", "rate", f"{megabits}mbit", "burst", f"{_BURST_KB}kb", "latency", f"{_QUEUE_MS}ms"]
            _run("tc", "-n", name, "qdisc", "replace", "dev", end, "root", *rate)

    def plug(self, is_in: bool) -> None:
        """Plug the cable in or out, at the second computer."""
        _run("ip", "-n", self._names[1], "link", "set", self._ends[1], "up" if is_in else "down")


def _run(*command: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, check=check, capture_output=True)

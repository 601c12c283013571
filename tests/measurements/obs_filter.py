"""Measures what the filter costs in a running OBS: Python on the graphics thread, and frames that OBS skips.

`PYTHONPATH=tests:tests/obs python -m measurements.obs_filter [--rounds N] [--seconds S]`
The worker is the tests' own, which answers every driving frame at once and hardly works.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from obs_session import HELPER_SCRIPT, Installation, ObsSession, wait_for, why_not, xvfb

CAMERA = "Camera"
CAMERA_SIZE = (1280, 720)
CHARACTER_SIDE = 512

_START = """
import sys, threading, time
from obs_plugin import registration
from obs_plugin.filter import AnimatorFilter

measured = {"tick": [], "render": [], "calls": []}
sys.modules["obs_plugin.registration"].measured = measured
away = threading.local()
away.ns = away.calls = 0

def in_libobs(function):
    def call(*arguments):
        began = time.perf_counter_ns()
        try:
            return function(*arguments)
        finally:
            away.ns = getattr(away, "ns", 0) + time.perf_counter_ns() - began
            away.calls = getattr(away, "calls", 0) + 1
    return call

def ours(name):
    method = getattr(AnimatorFilter, name)
    def call(self):
        away.ns = away.calls = 0
        began = time.perf_counter_ns()
        method(self)
        all_ns = time.perf_counter_ns() - began
        measured[name].append((all_ns - away.ns, all_ns))
        if name == "render":
            measured["calls"].append(away.calls)
    setattr(AnimatorFilter, name, call)

lib = registration._registration._lib
for name, function in list(vars(lib).items()):
    if callable(function):
        setattr(lib, name, in_libobs(function))
ours("tick")
ours("render")
"""
_READ = """
import sys
result = sys.modules["obs_plugin.registration"].measured
"""


def main() -> None:
    """Print both measurements."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=6, help="how often the filter is turned off and on")
    options.add_argument("--seconds", type=float, default=6.0, help="length of each half of a round")
    chosen = options.parse_args()
    if why_not():
        raise SystemExit(why_not())
    with tempfile.TemporaryDirectory() as folder, xvfb() as display:
        installation = Installation(Path(folder) / "installation")
        picture = np.random.default_rng(1).integers(0, 256, (CHARACTER_SIDE, CHARACTER_SIDE, 4), dtype=np.uint8)
        installation.add_character("a.png", picture)
        installation.set_frame(picture)
        session = ObsSession(Path(folder), display, [installation.script, HELPER_SCRIPT], installation.environment)
        try:
            session.add_color(CAMERA, (90, 120, 150), CAMERA_SIZE)
            session.add_filter(CAMERA)
            wait_for(lambda: session.call(_IS_LIVE), "the filter is live")
            compare_skipped(session, chosen.rounds, chosen.seconds)
            session.call(_START)
            time.sleep(chosen.rounds * chosen.seconds)
            print_callbacks(session.call(_READ))
            session.quit()
        finally:
            session.close()


_IS_LIVE = """
from obs_plugin import registration
result = any(f.link and f.link.shown_count > 30 for f in registration._registration.session.filters())
"""


def compare_skipped(session: ObsSession, rounds: int, seconds: float) -> None:
    """Print the share of frames that OBS skipped, and its render time, by turns without and with the filter."""
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(rounds):
        for is_enabled in (False, True):
            session.client.set_source_filter_enabled(CAMERA, "Animator", is_enabled)
            time.sleep(1.5)
            before = session.client.get_stats()
            time.sleep(seconds)
            after = session.client.get_stats()
            total = after.render_total_frames - before.render_total_frames
            skipped = after.render_skipped_frames - before.render_skipped_frames
            found[is_enabled].append((100 * skipped / max(total, 1), after.average_frame_render_time))
    for is_enabled, rows in found.items():
        shares, times = zip(*rows)
        name = "with" if is_enabled else "without"
        print(
            f"{name} the filter: {statistics.median(shares):.1f} % of the frames skipped "
            f"(rounds {', '.join(f'{share:.1f}' for share in shares)}), OBS's frame {statistics.median(times):.2f} ms"
        )


def print_callbacks(measured: dict[str, list[list[int]]]) -> None:
    """Print the times of both callbacks: what is ours (with that of measuring), and all with libobs and GL."""
    for name in ("tick", "render"):
        rows = np.array(measured[name][30:]) / 1e6
        middle, high = np.percentile(rows, 50, axis=0), np.percentile(rows, 99, axis=0)
        print(
            f"{name}: {len(rows)} calls; Python {middle[0]:.3f} ms (p99 {high[0]:.3f}), "
            f"with libobs and GL {middle[1]:.2f} ms (p99 {high[1]:.2f})"
        )
    print(f"libobs functions called by a render: {statistics.median(measured['calls']):.0f}")


if __name__ == "__main__":
    main()

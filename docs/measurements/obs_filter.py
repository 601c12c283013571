"""Measures what the filter costs in a running OBS: Python on the graphics thread, and frames that OBS skips.

`python -m docs.measurements.obs_filter [--rounds N] [--seconds S]`
The worker is the tests' own, which answers every driving frame at once and hardly works.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from obs_session import HELPER_SCRIPT, Installation, ObsSession, wait_for, why_not, xvfb

CAMERA = "Camera"
CAMERA_SIZE = (1280, 720)
CHARACTER_SIDE = 512

_START = """
import ctypes, sys, time
from obs_plugin import registration
from obs_plugin.filter import AnimatorFilter

clock = time.perf_counter_ns
measured = {"tick": [], "render": []}
sys.modules["obs_plugin.registration"].measured = measured
libobs, copying = [0, 0], [0, 0]

def clocked(function, total):
    def call(*arguments):
        began = clock()
        result = function(*arguments)
        total[0] += clock() - began
        total[1] += 1
        return result
    return call

def cost_of_clocking():
    def nothing():
        pass
    total, count = [0, 0], 20000
    clocked_nothing = clocked(nothing, total)
    began = clock()
    for _ in range(count):
        clocked_nothing()
    return (clock() - began - total[0]) / count

measured["clocking_ns"] = cost_of_clocking()

def ours(name):
    method = getattr(AnimatorFilter, name)
    def call(self):
        libobs[:] = copying[:] = 0, 0
        began = clock()
        method(self)
        measured[name].append((clock() - began, *libobs, *copying))
    setattr(AnimatorFilter, name, call)

lib = registration._registration._lib
for name, function in list(vars(lib).items()):
    if callable(function):
        setattr(lib, name, clocked(function, libobs))
ctypes.memmove = clocked(ctypes.memmove, copying)
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
result = any(f.rings and f.rings.shown_count > 30 for f in registration._registration.session.filters())
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


def print_callbacks(measured: dict[str, Any]) -> None:
    """Print the times of both callbacks: Python's own, less what clocking the calls cost; the copy; all of it."""
    print(f"clocking a call costs {measured['clocking_ns'] / 1e3:.2f} us, taken off below")
    for name in ("tick", "render"):
        all_ns, libobs_ns, calls, copying_ns, copies = np.array(measured[name][30:], np.float64).T
        python_ns = all_ns - libobs_ns - copying_ns - measured["clocking_ns"] * (calls + copies)
        print(
            f"{name}: {len(all_ns)} times, {np.median(calls):.0f} calls of libobs; Python {percentiles(python_ns)}, "
            f"copying the driving frame {percentiles(copying_ns)}, with libobs and GL {percentiles(all_ns)}"
        )


def percentiles(times_ns: np.ndarray) -> str:
    """Return median and 99th percentile in milliseconds."""
    middle, high = np.percentile(times_ns / 1e6, (50, 99))
    return f"{middle:.3f} ms (p99 {high:.3f})"


if __name__ == "__main__":
    main()

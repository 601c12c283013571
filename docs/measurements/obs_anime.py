"""Counts the frames that OBS skips while an anime character is live, against the same scene without the filter.

`python -m docs.measurements.obs_anime CLIP [--seconds S]`
The whole product in a real OBS, at 30 and 60 frames a second; the motion basis is computed first, if it is not kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from obs_session import HELPER_SCRIPT, STATUS, ObsSession, wait_for, why_not, xvfb

from animator_core.config import PROJECT_ROOT

CAMERA = "Camera"
CHARACTER = "mira_anime.png"
SCRIPT = PROJECT_ROOT / "obs_plugin" / "stream_motion_animator.py"


def main(clip: Path, seconds: float) -> None:
    for fps in (30, 60):
        with tempfile.TemporaryDirectory() as folder, xvfb() as display:
            environment = {"STREAM_MOTION_ANIMATOR_PYTHON": sys.executable}
            session = ObsSession(Path(folder), display, [SCRIPT, HELPER_SCRIPT], environment)
            try:
                session.client.set_video_settings(fps, 1, 1280, 720, 1280, 720)
                session.add_input(CAMERA, "ffmpeg_source", {"local_file": str(clip.resolve()), "looping": True})
                time.sleep(3)
                print(f"{fps} fps, without the filter: {skipped(session, seconds)}", flush=True)
                session.add_filter(CAMERA, character=CHARACTER)
                wait_for(lambda session=session: is_ready(session), "the motion basis is computed", 600)
                time.sleep(5)
                print(f"{fps} fps, {CHARACTER}: {skipped(session, seconds)}; {session.call(STATUS)[0]}", flush=True)
                session.quit()
            finally:
                session.close()


def is_ready(session: ObsSession) -> bool:
    line = session.call(STATUS)[0]
    return "Renderer: Anime · CPU" in line and "motion basis" not in line


def skipped(session: ObsSession, seconds: float) -> str:
    """Return how many of the frames of some seconds OBS skipped."""
    before = session.client.get_stats()
    time.sleep(seconds)
    after = session.client.get_stats()
    lost = after.render_skipped_frames - before.render_skipped_frames
    return f"{lost} of {after.render_total_frames - before.render_total_frames} frames skipped"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path, help="plays as the camera")
    parser.add_argument("--seconds", type=float, default=12.0)
    options = parser.parse_args()
    if why_not():
        sys.exit(why_not())
    main(options.clip, options.seconds)

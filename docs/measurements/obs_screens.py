"""Takes the documents' screenshots from a real OBS with the real worker.

`python -m docs.measurements.obs_screens CLIP`. CLIP: a video of a face, which plays as the camera; only the character
is seen. Needs Linux with what `.ci/run` installs, and a computer that does nothing else.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from obs_session import (
    HELPER_SCRIPT,
    OPEN_FILTERS,
    PANELS,
    STATUS,
    UNFOLD,
    ObsSession,
    settled,
    wait_for,
    why_not,
    xvfb,
)
from PIL import Image

from animator_core.config import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "docs" / "images"
SECTIONS = ("", "characters", "emotes", "movement")
_SCREEN = "1366x768"
_DIALOG = (100, 0, 960, 729)
"""Left, top, right and bottom of OBS's window of filters, where no window manager places it."""
_LIVE_SECONDS = 90


def main(clip: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, xvfb(_SCREEN) as display:
        script = PROJECT_ROOT / "obs_plugin" / "stream_motion_animator.py"
        session = ObsSession(
            Path(folder), display, [script, HELPER_SCRIPT], {"STREAM_MOTION_ANIMATOR_PYTHON": sys.executable}
        )
        try:
            session.add_input("Camera", "ffmpeg_source", {"local_file": str(clip.resolve()), "looping": True})
            session.add_filter("Camera", "Stream Motion Animator", character="mira.png", renderer="warp")
            wait_for(lambda: "Live" in session.call(STATUS)[0], "the character moves", _LIVE_SECONDS)
            time.sleep(3)
            session.call(OPEN_FILTERS)
            wait_for(lambda: [count for count, _ in session.call(PANELS)] == [1], "the panel is open")
            for section in SECTIONS:
                session.call(UNFOLD.format(section=section) + "result = None")
                name = f"obs-panel{'-' if section else ''}{section}.png"
                shown = Image.fromarray(settled(display)).crop(_DIALOG)
                shown.quantize(128).save(FOLDER / name, optimize=True)
                print(FOLDER / name, flush=True)
            session.quit()
        finally:
            session.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    options = parser.parse_args()
    if why_not() or shutil.which("obs") is None:
        sys.exit(why_not())
    main(options.clip)

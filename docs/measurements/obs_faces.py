"""Shows characters live in a real OBS, from the middle of a word on, and keeps screenshots.

`python -m docs.measurements.obs_faces CLIP... [--characters NAME...] [--seconds 120] [--renderer warp]
[--sheets FOLDER]`

Each clip starts at its most open mouth and repeats; it plays in two sources, one with the filter. A sheet per clip and
character has the camera over the character: from the first second on at short intervals, then at longer ones. Prints
the panel's status, the worker's frame rate and OBS's skipped frames.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from obs_session import HELPER_SCRIPT, SCENE, STATUS, ObsSession, why_not, xvfb
from obsws_python.error import OBSSDKRequestError

from animator_core.config import PROJECT_ROOT
from docs.measurements.face_signals import NAMES, Watcher, signals

CAMERA, DRIVER = "Camera", "Driver"
SCRIPT = PROJECT_ROOT / "obs_plugin" / "stream_motion_animator.py"
_SIDE = 512
_EARLY = (0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
"""Seconds after the filter was added; then every `_EVERY` seconds."""
_EVERY = 10.0
_COLUMNS = 6


def main(options: argparse.Namespace) -> None:
    options.sheets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for clip in options.clips:
            playing = from_mid_word(clip, Path(folder))
            for character in options.characters:
                sheet, text = shown(playing, character, options)
                cv2.imwrite(str(options.sheets / f"{clip.stem}-{Path(character).stem}.png"), sheet)
                print(f"{clip.stem}, {character}: {text}", flush=True)


def from_mid_word(clip: Path, folder: Path) -> Path:
    """Return a copy of a clip that starts at the most open mouth, as if the streamer spoke."""
    video, watcher, openings = cv2.VideoCapture(str(clip)), Watcher(), []
    while (read := video.read())[0]:
        openings.append(signals(watcher.look(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)))[NAMES.index("mouth")])
    watcher.close()
    start = int(np.nanargmax(openings)) / video.get(cv2.CAP_PROP_FPS)
    path = folder / f"{clip.stem}.mp4"
    halves = f"[0:v]trim=start={start},setpts=PTS-STARTPTS[a];[0:v]trim=end={start}[b];[a][b]concat=n=2:v=1[v]"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", str(clip), "-filter_complex", halves, "-map", "[v]", str(path)],
        check=True,
    )
    return path


def shown(clip: Path, character: str, options: argparse.Namespace) -> tuple[np.ndarray, str]:
    """Run OBS with one clip and character; return the sheet, BGR, and a line on how it went."""
    with tempfile.TemporaryDirectory() as folder, xvfb() as display:
        environment = {"STREAM_MOTION_ANIMATOR_PYTHON": sys.executable}
        session = ObsSession(Path(folder), display, [SCRIPT, HELPER_SCRIPT], environment)
        try:
            media = {"local_file": str(clip), "looping": True}
            # A hidden source is stopped: the worker is ready before the clip starts.
            items = [
                session.client.create_input(SCENE, name, "ffmpeg_source", media, False).scene_item_id
                for name in (CAMERA, DRIVER)
            ]
            session.add_filter(CAMERA, character=character, renderer=options.renderer)
            time.sleep(options.warm_up)
            for item in items:
                session.client.set_scene_item_enabled(SCENE, item, True)
            before = session.client.get_stats()
            tiles = screenshots(session, options.seconds)
            after, status = session.client.get_stats(), session.call(STATUS)[0]
            code = session.quit()
        finally:
            session.close()
    skipped = after.render_skipped_frames - before.render_skipped_frames
    total = after.render_total_frames - before.render_total_frames
    return sheet_of(tiles), f"{status}; {skipped} of {total} frames skipped; OBS's exit code {code}"


def screenshots(session: ObsSession, seconds: float) -> list[tuple[float, np.ndarray]]:
    """Return the seconds since now of each screenshot, and camera over character, BGR."""
    tiles, start = [], time.monotonic()
    for at in [each for each in (*_EARLY, *np.arange(20, seconds + 0.1, _EVERY)) if each <= seconds]:
        time.sleep(max(0.0, start + at - time.monotonic()))
        seconds_since = time.monotonic() - start
        pair = [fitted(shown_by(session, name)) for name in (DRIVER, CAMERA)]
        tiles.append((seconds_since, np.vstack(pair)))
    return tiles


def shown_by(session: ObsSession, source: str) -> np.ndarray:
    """Return the source's picture, RGBA; a transparent one of a clip that has no frame yet."""
    try:
        return session.screenshot(source)
    except OBSSDKRequestError:
        return np.zeros((_SIDE, _SIDE, 4), np.uint8)


def fitted(picture: np.ndarray) -> np.ndarray:
    """Return (H, W, 4) RGBA over grey, as a square of BGR."""
    share = picture[..., 3:] / 255
    over = picture[..., 2::-1] * share + 90 * (1 - share)
    scale = _SIDE / max(over.shape[:2])
    small = cv2.resize(over, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    square = np.full((_SIDE, _SIDE, 3), 90, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square


def sheet_of(tiles: list[tuple[float, np.ndarray]]) -> np.ndarray:
    """Return the tiles in rows, each with its time."""
    for at, tile in tiles:
        cv2.putText(tile, f"{at:.1f} s", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    pictures = [tile for _, tile in tiles]
    pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % _COLUMNS)
    return np.vstack([np.hstack(pictures[first : first + _COLUMNS]) for first in range(0, len(pictures), _COLUMNS)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    parser.add_argument("--characters", nargs="+", default=["astronaut.png", "mira.png"], metavar="NAME")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each clip and character")
    parser.add_argument("--warm-up", type=float, default=15.0, help="seconds before the clip starts")
    parser.add_argument("--renderer", default="warp")
    parser.add_argument("--sheets", type=Path, default=Path("output"), metavar="FOLDER")
    if why_not():
        sys.exit(why_not())
    main(parser.parse_args())

"""The contact sheets of a face's artefacts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from animator_core.config import PROJECT_ROOT, load_config
from animator_core.motion.rotation import euler_angles
from docs.measurements import face_against, face_sheets
from docs.measurements.face_rendering import load


@pytest.fixture(scope="module")
def marked() -> dict[str, object]:
    return face_sheets.marked_motions([PROJECT_ROOT / "assets" / "motions" / "sample.npz"], load_config(), 240)


def test_the_most_marked_expressions_are_found_without_the_heads_turn(marked):
    assert set(marked) == {"open mouth", "smile", "pucker", "funnel"}
    widths = {name: float(motion.expression[291, 0] - motion.expression[61, 0]) for name, motion in marked.items()}
    gaps = {name: float(motion.expression[14, 1] - motion.expression[13, 1]) for name, motion in marked.items()}
    assert gaps["open mouth"] == max(gaps.values()) > 0.03
    assert widths["smile"] == max(widths.values()) > 0
    assert all(np.array_equal(motion.rotation, np.eye(3)) for motion in marked.values())


def test_a_turn_of_20_degrees_is_one(marked):
    yaw, pitch, roll = euler_angles(face_sheets.turned(marked["smile"], yaw=20).rotation)
    assert (abs(yaw), pitch, roll) == pytest.approx((20, 0, 0), abs=0.01)


def test_a_row_shows_every_motion_and_grey_pictures_are_grey(marked):
    config = load_config()
    (mira,) = load(["mira"], config)
    sheets = face_sheets.sheets(marked)
    row = face_sheets.row_of(mira, sheets["closed_lids"], config)
    side = face_sheets.CELL
    assert row.shape == (side + 22, 3 * side, 3)
    first, last = row[30:, :side].astype(int), row[30:, -side:].astype(int)
    assert np.abs(first - last).mean() > 1
    grey = face_sheets.row_of(mira, sheets["grey"], config).astype(int)
    # The cavity of the mouth has no colour either.
    assert np.abs(grey - grey.mean(axis=2, keepdims=True)).max() <= 6


def test_with_another_revision_its_rows_stand_above(marked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def older_run(tree: Path, module: str, arguments: list[str]) -> None:
        folder = Path(arguments[arguments.index("--output") + 1])
        folder.mkdir()
        cv2.imwrite(str(folder / "jaw.png"), np.full((2 * 342, 320, 3), 200, np.uint8))

    monkeypatch.setattr(face_against, "older_tree", lambda revision, folder: folder)
    monkeypatch.setattr(face_against, "run", older_run)
    cv2.imwrite(str(tmp_path / "jaw.png"), np.full((2 * 342, 320, 3), 50, np.uint8))
    options = face_sheets.parser().parse_args(["--output", str(tmp_path), "--against", "abc"])
    face_sheets.add_before(options, 2)
    combined = cv2.imread(str(tmp_path / "jaw.png"))
    assert combined.shape == (4 * 342, 320, 3)
    assert combined[10::342, 200, 0].tolist() == [200, 50, 200, 50]

"""How head, neck and body of a separate person move together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_layers import FACE, MOTIONS, SIDE, portrait

from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import rotation_from_euler
from animator_core.tracking.face_model import CHIN
from animator_core.tracking.pose import HeadPose, fit_pose, with_true_depth
from animator_core.warp.depth_map import DepthMap
from animator_core.warp.face_shape import FaceShape
from animator_core.warp.head import HeadGrid, moved_pose
from animator_core.warp.layers import Layers


class Moving:
    """A portrait's grid as a separate person, or as a picture that is all one."""

    def __init__(self, is_separate: bool = True) -> None:
        picture, landmarks, _ = portrait()
        landmarks = with_true_depth(landmarks)
        self.pose = fit_pose(landmarks)
        depth = DepthMap(landmarks, self.pose)
        shape = self.pose.to_head(landmarks)
        self.chin = landmarks[CHIN, :2]
        self.shape = FaceShape(shape)
        self.grid = HeadGrid(Layers(picture, None, is_separate=is_separate), landmarks, shape=shape, depth=depth)

    def by(self, motion: DrivingMotion) -> tuple[np.ndarray, HeadPose]:
        """Return the nodes' shift in pixels, (N, 2), and the moved head."""
        pose = moved_pose(self.pose, motion, self.grid.limits)
        return self.grid.moved(pose, self.shape.bent(motion), motion) - self.grid.nodes, pose

    def near(self, x: float, y: float) -> int:
        """Return the node next to a place in face units from the chin."""
        return int(np.linalg.norm(self.grid.nodes - self.chin - FACE * np.array([x, y]), axis=1).argmin())


def test_hair_ears_and_hat_move_as_one_with_the_head() -> None:
    moving = Moving()
    for motion in MOTIONS:
        shift, pose = moving.by(motion)
        # Above, beside the forehead, and at the ears.
        for x, y in ((0, -1.5), (-0.5, -1.2), (0.6, -1.0), (0.55, -0.6), (-0.55, -0.6)):
            node = moving.near(x, y)
            flattening = moving.grid._depth.turn_share(pose) * moving.grid._flattening
            exact = pose.to_frame(moving.grid._shape + flattening)[node, :2] - moving.grid.nodes[node]
            assert shift[node] == pytest.approx(exact, abs=0.02 * FACE)


def test_the_body_shifts_and_leans_less_than_the_head() -> None:
    moving = Moving()
    chest, waist = moving.near(0, 1.0), moving.near(0, 1.7)
    shift, pose = moving.by(DrivingMotion(translation=np.array([0.2, 0.2], np.float32)))
    head = (pose.translation - moving.pose.translation)[:2]
    assert (shift[chest] > 0.25 * head).all()
    assert (shift[chest] < 0.6 * head).all()
    tilted, _ = moving.by(DrivingMotion(rotation=rotation_from_euler(0, 0, 20)))
    assert tilted[chest, 0] > tilted[waist, 0] > 0
    assert tilted[moving.near(0, -1), 0] > 2 * tilted[chest, 0]


def test_shoulders_keep_still_if_they_are_to() -> None:
    moving = Moving()
    below = [moving.near(x, y) for x in (-0.6, 0, 0.6) for y in (0.9, 1.3, 1.7)]
    for motion in MOTIONS:
        still, _ = moving.by(replace(motion, torso=0.0, breath=0.0))
        assert np.abs(still[below]).max() < 0.01
    turned = DrivingMotion(rotation=rotation_from_euler(15, -5, 10))
    top = moving.near(0, -1)
    assert moving.by(replace(turned, torso=0.0))[0][top] == pytest.approx(moving.by(turned)[0][top], abs=1e-3)


def test_the_neck_bends_without_a_kink() -> None:
    moving = Moving()
    shift, _ = moving.by(DrivingMotion(translation=np.array([0.3, 0], np.float32)))
    column = shift[[moving.near(0, y) for y in np.arange(-0.3, 1.2, 0.09)], 0]
    assert (np.diff(column) <= 1e-3).all()
    assert column[0] > 2 * column[-1]
    # A straight line from head to chest would have steps of a ninth.
    assert np.abs(np.diff(column)).max() < 0.3 * (column[0] - column[-1])


@pytest.mark.parametrize("turn", [(25, 0, 0), (-25, 8, 10), (0, 0, 20), (0, 0, -20), (10, -20, -15), (-10, 20, 15)])
@pytest.mark.parametrize("shift", [(0, 0), (0.3, -0.3), (-0.3, 0.3)])
@pytest.mark.parametrize("torso", [1.0, 0.0])
def test_nothing_folds_over(turn: tuple[float, float, float], shift: tuple[float, float], torso: float) -> None:
    moving, grid = Moving(), Moving().grid
    motion = DrivingMotion(rotation=rotation_from_euler(*turn), translation=np.array(shift, np.float32), torso=torso)
    moved = (grid.nodes + moving.by(motion)[0]).reshape(grid.rows, grid.columns, 2)
    across, down = np.diff(moved, axis=1)[:-1], np.diff(moved, axis=0)[:, :-1]
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    # At the jaw itself the face's mesh covers the grid.
    below = (grid.nodes[:, 1] > moving.chin[1] - 0.05 * FACE).reshape(grid.rows, grid.columns)[:-1, :-1]
    assert area[below].min() > 0


def test_the_edges_of_a_picture_that_is_all_one_stay() -> None:
    moving = Moving(is_separate=False)
    edge = (moving.grid.nodes[:, 0] < 1) | (moving.grid.nodes[:, 1] < 1) | (moving.grid.nodes > SIDE - 2).any(1)
    for motion in MOTIONS:
        assert np.abs(moving.by(motion)[0][edge]).max() < 0.01


def test_a_person_at_rest_is_the_picture() -> None:
    assert np.abs(Moving().by(DrivingMotion())[0]).max() < 0.01

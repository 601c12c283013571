"""Heads that turn: no fold, no tear, a smooth jaw, and a shape near a real rotation's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from animator_core.characters.character import Character
from animator_core.characters.description import read_description
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import rotation_from_euler
from animator_core.tracking.face_model import FACE_OVAL, LEFT_EYE, NOSE_TIP, RIGHT_EYE, face_model, fit_landmarks
from animator_core.tracking.pose import DEPTH_SCALE, HeadPose, with_true_depth
from animator_core.warp.backward_map import grid_triangles
from animator_core.warp.depth_map import DepthMap
from animator_core.warp.head import moved_pose
from animator_core.warp.renderer import WarpRenderer, _Puppet
from animator_core.warp.turn_limits import limited_turn
from animator_core.warp.unfolding import double_areas

SIDE, FACE = 512, 210.0
TURNS = [(yaw, pitch) for yaw in (-60, -25, -12, 0, 12, 25, 60) for pitch in (-50, -15, 0, 15, 50)]
SPECK = 5e-4
"""Twice the area in face units of what nobody sees: ten pixels of a face of 200."""
DRAWN = sorted(
    path for path in (Path(__file__).parents[1] / "assets" / "characters").glob("*.png")
    if read_description(path).key_points
)  # fmt: skip


def landmarks_at(yaw: float, pitch: float) -> np.ndarray:
    """Return the mean face in this pose as a tracker sees it, (478, 3) pixels."""
    pose = HeadPose(rotation_from_euler(yaw, pitch, 0), np.array([SIDE / 2, SIDE / 2, 0], np.float32), FACE)
    return pose.to_frame(with_true_depth(face_model().mean)) / np.array([1, 1, DEPTH_SCALE], np.float32)


def puppet_of(landmarks: np.ndarray) -> _Puppet:
    picture = np.full((SIDE, SIDE, 4), 200, np.uint8)
    return _Puppet(Character("face.png", "Face", picture, landmarks.astype(np.float32), f"turned-{landmarks.sum()}"))


def drawn_landmarks(path: Path) -> np.ndarray:
    points = fit_landmarks(read_description(path).key_points or {})
    return points * SIDE / 1024


PICTURES = {
    **{f"yaw {yaw} pitch {pitch}": landmarks_at(yaw, pitch) for yaw in (-35, -20, 0, 20, 35) for pitch in (-10, 10)},
    **{path.stem: drawn_landmarks(path) for path in DRAWN},
}


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_folds_and_nothing_is_stretched_beyond_its_pixels(name: str) -> None:
    puppet = puppet_of(PICTURES[name])
    grid, still = puppet._head_grid, puppet._shape.bent(DrivingMotion())
    size = puppet._pose.scale
    cells = grid_triangles(grid.columns, grid.rows)
    whole = double_areas(grid.nodes, cells)
    shown = puppet.placed(puppet._pose, still)[:, :2] / size
    seen = double_areas(shown, face_model().triangles)
    for yaw, pitch in TURNS:
        motion = DrivingMotion(rotation=rotation_from_euler(yaw, pitch, 0))
        pose = moved_pose(puppet._pose, motion, grid.limits)
        cell_shares = double_areas(grid.moved(pose, still, motion), cells) / whole
        assert cell_shares.min() > 0.05, (yaw, pitch)
        assert cell_shares.max() < 2.5, (yaw, pitch)
        areas = double_areas(puppet.placed(pose, still)[:, :2] / size, face_model().triangles)
        assert areas[seen > SPECK].min() > -SPECK, (yaw, pitch)
        large = seen > 2 * SPECK
        assert (areas[large] / seen[large]).max() < 2.5, (yaw, pitch)


@pytest.mark.parametrize("turn", [(9, 0), (20, 0), (-30, 0), (20, 15), (-25, -15), (0, 20)])
def test_the_jaw_stays_a_smooth_curve(turn: tuple[float, float]) -> None:
    landmarks = landmarks_at(0, 0)
    outline = smooth_outline(landmarks[list(FACE_OVAL), :2])
    picture = np.full((4 * SIDE, 4 * SIDE, 4), (30, 60, 90, 255), np.uint8)
    cv2.fillPoly(picture, [np.rint(4 * outline + 1.5).astype(np.int32)], (230, 200, 180, 255))
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    # A tracker's landmarks are not exactly on the outline, and their depths not on a smooth curve.
    noise = np.random.default_rng(3).normal(0, 1, (len(FACE_OVAL), 3))
    landmarks[list(FACE_OVAL)] += noise * np.array([0.008, 0.008, 0.03]) * FACE
    renderer = WarpRenderer()
    renderer.set_character(Character("jaw.png", "Jaw", picture, landmarks.astype(np.float32), "jaw"))
    assert renderer._puppet is not None
    still = jaw_roughness(renderer.render(DrivingMotion()), landmarks[:, :2])
    motion = DrivingMotion(rotation=rotation_from_euler(*turn, 0))
    frame = renderer.render(motion)
    pose = moved_pose(renderer._puppet._pose, motion, renderer._puppet._head_grid.limits)
    points = renderer._puppet.placed(pose, renderer._puppet._shape.bent(motion))[:, :2]
    assert still < 0.35
    assert jaw_roughness(frame, points) < 0.6


def smooth_outline(oval: np.ndarray) -> np.ndarray:
    """Return (720, 2), the curve of few harmonics through the outline of a face."""
    centre = oval.mean(0)
    angles = np.arctan2(*(oval - centre).T[::-1])

    def harmonics(at: np.ndarray) -> np.ndarray:
        return np.stack([f(k * at) for k in range(4) for f in (np.cos, np.sin)], 1)

    weights = np.linalg.lstsq(harmonics(angles), np.linalg.norm(oval - centre, axis=1), rcond=None)[0]
    around = np.linspace(-np.pi, np.pi, 720)
    return centre + (harmonics(around) @ weights)[:, None] * np.stack([np.cos(around), np.sin(around)], 1)


def jaw_roughness(frame: np.ndarray, points: np.ndarray) -> float:
    """Return the jaw's largest distance from a smooth curve, in pixels, between the ears' lower ends."""
    centre = points[[172, 397]].mean(0)
    angles = np.radians(np.linspace(25, 155, 261))
    radii = np.arange(20, 260, 0.25)
    x = (centre[0] + radii[None] * np.cos(angles)[:, None]).astype(np.float32)
    y = (centre[1] + radii[None] * np.sin(angles)[:, None]).astype(np.float32)
    light = cv2.remap(np.ascontiguousarray(frame[..., 2]), x, y, cv2.INTER_LINEAR)
    last = light.shape[1] - 1 - np.argmax((light > 130)[:, ::-1], axis=1)
    inside, beyond = (np.take_along_axis(light.astype(float), at[:, None], 1)[:, 0] for at in (last, last + 1))
    edge = radii[last] + 0.25 * (inside - 130) / (inside - beyond)
    # Twelve degrees of freedom: enough for the jaw's corners and the chin, too few for scallops at every landmark.
    smooth = np.polynomial.Polynomial.fit(angles, edge, 12)(angles)
    return float(np.abs(edge - smooth).max())


@pytest.mark.parametrize("yaw", [-20, -10, 10, 20])
def test_a_turned_face_is_near_a_real_rotation(yaw: float) -> None:
    """The mean face from the front, turned, against the mean face in that pose."""
    puppet = puppet_of(landmarks_at(0, 0))
    pose = moved_pose(puppet._pose, DrivingMotion(rotation=rotation_from_euler(yaw, 0, 0)), puppet._head_grid.limits)
    drawn = puppet.placed(pose, puppet._shape.bent(DrivingMotion()))[:, :2]
    # A tracker's mean face has the proportions of MediaPipe's metric one: 0.51 against 0.495, see below.
    truth = pose.to_frame(face_model().mean)[:, :2]
    off = np.linalg.norm(drawn - truth, axis=1) / FACE
    inner = [*RIGHT_EYE, *LEFT_EYE, 13, 14, 61, 291, 129, 358, 2, 168, 6, NOSE_TIP, 152, 10]
    assert off[inner].mean() < 0.008
    assert off[NOSE_TIP] < 0.02
    far = LEFT_EYE if drawn[NOSE_TIP, 0] > drawn[[33, 263], 0].mean() else RIGHT_EYE
    widths = [np.linalg.norm(points[far[0]] - points[far[8]]) for points in (drawn, truth)]
    assert widths[0] == pytest.approx(widths[1], rel=0.15), "the far eye is as narrow as it should be"


def test_small_turns_show_the_face_in_the_proportions_of_a_head() -> None:
    landmarks = with_true_depth(landmarks_at(0, 0))
    pose = HeadPose(np.eye(3, dtype=np.float32), np.array([SIDE / 2, SIDE / 2, 0], np.float32), FACE)
    relief, flattening = DepthMap(landmarks, pose).face(landmarks)
    assert np.abs(relief[:, :2]).max() == np.abs(flattening[:, :2]).max() == 0
    shape = pose.to_head(landmarks) + relief
    eyes = shape[[RIGHT_EYE[0], LEFT_EYE[0]]]
    protrusion = (eyes[:, 2].mean() - shape[4, 2]) / (eyes[1, 0] - eyes[0, 0])
    # MediaPipe's metric face model, from its landmarks 4, 33 and 263.
    assert protrusion == pytest.approx(0.495, rel=0.12)


def test_the_surface_changes_smoothly_with_the_turn() -> None:
    landmarks = with_true_depth(landmarks_at(0, 0))
    pose = HeadPose(np.eye(3, dtype=np.float32), np.array([SIDE / 2, SIDE / 2, 0], np.float32), FACE)
    depth = DepthMap(landmarks, pose)
    shares = [
        depth.turn_share(HeadPose(rotation_from_euler(yaw, 0, 0), pose.translation, FACE))
        for yaw in np.arange(0, 50, 0.5)
    ]
    assert shares[0] == 0 and shares[-1] == 1
    assert np.diff(shares).min() >= 0 and np.diff(shares).max() < 0.05
    rolled = HeadPose(rotation_from_euler(0, 0, 40), pose.translation, FACE)
    assert depth.turn_share(rolled) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("own", [0, 8, 20, 30, 50])
def test_turns_are_limited_smoothly_by_the_pose_of_the_picture(own: float) -> None:
    turns = np.arange(-80, 80, 0.5)
    limited = np.array([limited_turn(turn, 0, own_yaw=own, own_pitch=0)[0] for turn in turns])
    assert (np.diff(limited) >= 0).all() and np.diff(limited).max() <= 0.5 + 1e-6
    towards, away = -limited[0], limited[-1]
    assert towards <= 34 and away <= 34
    if own >= 20:
        assert towards < 26, "the far side shows no more"
    if own == 50:
        assert towards < 7
    near = limited_turn(-2, 1, own_yaw=own, own_pitch=0)
    assert near == pytest.approx((-2, 1), abs=1e-9)


def test_yaw_and_pitch_share_their_limit() -> None:
    yaw, pitch = limited_turn(80, 80, own_yaw=0, own_pitch=0)
    assert 20 < yaw < 30
    assert 15 < pitch < 23
    assert limited_turn(12, 8, own_yaw=0, own_pitch=0) == pytest.approx((12, 8))

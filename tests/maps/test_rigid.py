"""Rigid motions: of maps, of poses, and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.rotations import geodesic_degrees, random_rotations

VOXEL = 2.0
SHIFT = (1.3, -2.4, 0.7)


@pytest.mark.parametrize("box", [40, 41])
def test_moved_map_is_the_map_of_moved_blobs(
    box: int, blobs: Callable[..., np.ndarray], some_rotation: np.ndarray
) -> None:
    """Moving the map gives what drawing the moved particle gives; the map itself is unchanged."""
    volume = blobs(box)
    before = volume.copy()
    transform = RigidTransform(some_rotation, VOXEL * np.array(SHIFT))
    moved = transform.move_map(volume, VOXEL)
    np.testing.assert_allclose(moved, blobs(box, some_rotation, SHIFT), atol=1e-3)
    np.testing.assert_allclose(transform.inverse().move_map(moved, VOXEL), before, atol=1e-2)
    np.testing.assert_array_equal(volume, before)


def test_identity_leaves_noise_as_it_is() -> None:
    """Interpolation is exact at the voxels, up to the Nyquist planes of an even box."""
    noise = np.random.default_rng(1).normal(size=(21, 21, 21)).astype(np.float32)
    np.testing.assert_allclose(RigidTransform.identity().move_map(noise, 1.0), noise, atol=1e-4)


def test_moved_poses_show_the_moved_particle_in_the_same_place(some_rotation: np.ndarray) -> None:
    """A moved point seen under the moved pose falls where the point fell under the old pose."""
    generator = np.random.default_rng(2)
    transform = RigidTransform(some_rotation, np.array([11.0, -7.0, 4.0]))
    poses, shifts = random_rotations(20, generator), generator.normal(0, 5, (20, 2))
    points = generator.normal(0, 30, (50, 3))
    moved_points = points @ some_rotation.T + transform.shift_angstrom
    moved_poses, moved_shifts = transform.move_poses(poses, shifts)
    seen = (points @ np.swapaxes(poses, 1, 2))[..., :2] - shifts[:, None]
    seen_again = (moved_points @ np.swapaxes(moved_poses, 1, 2))[..., :2] - moved_shifts[:, None]
    np.testing.assert_allclose(seen_again, seen, atol=1e-10)


def test_projections_of_moved_maps_under_moved_poses_are_the_same(
    blobs: Callable[..., np.ndarray], some_rotation: np.ndarray
) -> None:
    """Summed along its view, a map gives the image that the moved map gives under its new pose."""
    box = 40
    pose = random_rotations(1, np.random.default_rng(3))
    transform = RigidTransform(some_rotation, VOXEL * np.array(SHIFT))
    new_pose, new_shift = transform.move_poses(pose, np.zeros((1, 2)))

    def image(volume: np.ndarray, rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
        view = RigidTransform(rotation, np.array([-shift[0], -shift[1], 0.0]))
        return view.move_map(volume, VOXEL).sum(axis=0)

    volume = blobs(box)
    expected = image(volume, pose[0], np.zeros(2))
    found = image(transform.move_map(volume, VOXEL), new_pose[0], new_shift[0])
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.max())


def test_angle_and_axis(some_rotation: np.ndarray) -> None:
    """A quarter turn about y is 90 degrees about y; no motion has no axis."""
    quarter = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    transform = RigidTransform(quarter, np.zeros(3))
    assert transform.angle_degrees == pytest.approx(90)
    np.testing.assert_allclose(transform.axis, [0, 1, 0], atol=1e-12)
    np.testing.assert_array_equal(RigidTransform.identity().axis, 0)
    there_and_back = some_rotation @ RigidTransform(some_rotation, np.zeros(3)).inverse().rotation
    assert geodesic_degrees(there_and_back, np.eye(3)) < 1e-6


def test_what_is_no_rotation_is_refused() -> None:
    """A mirror and a stretch are no rigid motions."""
    for matrix in (np.diag([1.0, 1, -1]), 1.1 * np.eye(3)):
        with pytest.raises(ValueError, match="is no rotation matrix"):
            RigidTransform(matrix, np.zeros(3))

"""Class maps that have drifted come back onto their scaffold, and particles with them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.masks import sphere_mask
from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.poses.scaffold import fit_to_scaffold, move_by_class

from .planted_poses import plant

BOX, VOXEL = 32, 5.0


def test_a_drifted_class_is_brought_back() -> None:
    """A map turned and shifted by known amounts is fitted back by the part that is the same."""
    volume = plant(2, BOX, 0.0).volume
    turn = Rotation.from_rotvec(np.radians([3.0, -2.0, 4.0])).as_matrix()
    drift = RigidTransform(turn, np.array([4.0, -3.0, 2.0]))
    mask = sphere_mask(BOX, VOXEL, (0.0, 0.0, 0.0), 60.0, 10.0)
    still, back = fit_to_scaffold(
        [volume, drift.move_map(volume, VOXEL)], volume, mask, VOXEL, 2.5 * VOXEL
    )
    assert still.angle_degrees < 0.05
    assert geodesic_degrees(back.rotation, drift.inverse().rotation) < 0.3
    np.testing.assert_allclose(
        back.shift_angstrom, drift.inverse().shift_angstrom, atol=0.1 * VOXEL
    )


def test_only_particles_of_a_moved_class_move() -> None:
    """Poses of one class follow its map; those of the other stay as they are."""
    rng = np.random.default_rng(1)
    rotation = Rotation.random(6, rng=rng).as_matrix()
    shift = rng.normal(size=(6, 2))
    labels = np.array([0, 1, 0, 1, 1, 0])
    turn = Rotation.from_rotvec([0.1, 0.0, 0.2]).as_matrix()
    moves = [RigidTransform.identity(), RigidTransform(turn, np.array([1.0, 2.0, 3.0]))]
    moved, shifted = move_by_class(rotation, shift, labels, moves)
    np.testing.assert_array_equal(moved[labels == 0], rotation[labels == 0])
    np.testing.assert_array_equal(shifted[labels == 0], shift[labels == 0])
    # A point of the map is seen at the same place of the image before and after.
    point = np.array([7.0, -5.0, 3.0])
    before = (rotation[1] @ point)[:2] - shift[1]
    after = (moved[1] @ (turn @ point + moves[1].shift_angstrom))[:2] - shifted[1]
    np.testing.assert_allclose(after, before, atol=1e-12)

"""Pose errors up to symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cryofocus.maths.rotations import random_rotations
from cryofocus.maths.symmetry import OperatorSet, pose_errors


@pytest.mark.parametrize("group", ["C1", "C2", "D3"])
def test_copies_of_a_pose_have_no_error(group: str) -> None:
    """A pose under any operator of the map's symmetry is the true pose, and names the operator."""
    operators, rng = OperatorSet.point_group(group), np.random.default_rng(1)
    rotation, shift = random_rotations(20, rng), rng.normal(size=(20, 2))
    copies, shifts = operators.apply(rotation, shift)
    chosen = rng.integers(len(operators), size=20)
    copy = (copies[range(20), chosen], shifts[range(20), chosen])
    errors = pose_errors(copy, (rotation, shift), operators)
    assert errors.angle_degrees.max() < 1e-6
    assert errors.shift_angstrom.max() < 1e-9
    np.testing.assert_array_equal(errors.operator, chosen)


def test_errors_are_the_angle_and_the_distance() -> None:
    """A turn by 5 degrees and a shift by (3, 4) Å are errors of 5 degrees and 5 Å."""
    rotation = random_rotations(10, np.random.default_rng(2))
    turned = rotation @ Rotation.from_rotvec([0, np.radians(5), 0]).as_matrix()
    errors = pose_errors((turned, np.tile([3.0, 4.0], (10, 1))), (rotation, np.zeros((10, 2))))
    np.testing.assert_allclose(errors.angle_degrees, 5)
    np.testing.assert_allclose(errors.shift_angstrom, 5)

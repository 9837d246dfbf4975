"""Poses: RELION's Euler angles, matrices and the angle between them."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.rotations import (
    euler_from_rotation,
    geodesic_degrees,
    order_by_view,
    random_rotations,
    rotation_from_euler,
)


def passive_z(degrees: float) -> np.ndarray:
    """Rotation of the axes about z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def passive_y(degrees: float) -> np.ndarray:
    """Rotation of the axes about y."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def test_matrix_is_the_product_of_relions_passive_factors() -> None:
    """A = Z(psi) Y(tilt) Z(rot), the definition in RELION's and XMIPP's conventions."""
    rot, tilt, psi = 25.0, 70.0, -130.0
    expected = passive_z(psi) @ passive_y(tilt) @ passive_z(rot)
    found = rotation_from_euler(np.array([[rot, tilt, psi]]))[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_last_row_is_the_viewing_direction() -> None:
    """The viewing direction has azimuth rot and polar angle tilt."""
    rot, tilt = np.radians(40.0), np.radians(65.0)
    direction = [np.sin(tilt) * np.cos(rot), np.sin(tilt) * np.sin(rot), np.cos(tilt)]
    found = rotation_from_euler(np.array([[40.0, 65.0, 11.0]]))[0, 2]
    np.testing.assert_allclose(found, direction, atol=1e-12)


def test_euler_angles_survive_a_round_trip() -> None:
    """Angles in their principal ranges come back as they were."""
    rng = np.random.default_rng(3)
    low, high = [-179, 1, -179], [179, 179, 179]
    euler = rng.uniform(low, high, size=(200, 3))
    np.testing.assert_allclose(euler_from_rotation(rotation_from_euler(euler)), euler, atol=1e-9)


@pytest.mark.parametrize("tilt", [0.0, 1e-9, 1e-6, 180.0, 180.0 - 1e-7])
def test_matrix_survives_where_the_angles_are_degenerate(tilt: float) -> None:
    """At tilt 0 and 180 the angles are not unique, but they still give the matrix."""
    rotation = rotation_from_euler(np.array([[31.0, tilt, -77.0]]))
    again = rotation_from_euler(euler_from_rotation(rotation))
    np.testing.assert_allclose(again, rotation, atol=1e-12)


@pytest.mark.parametrize("degrees", [1e-5, 0.1, 90.0, 179.9])
def test_geodesic_is_the_angle_of_the_relative_rotation(degrees: float) -> None:
    """A rotation by a known angle is measured as such, however small."""
    a = rotation_from_euler(np.array([[10.0, 20.0, 30.0]]))
    b = passive_y(degrees) @ a
    assert geodesic_degrees(a, b)[0] == pytest.approx(degrees, rel=1e-6)


def test_random_rotations_are_uniform_and_proper() -> None:
    """Every matrix element averages to 0 and its square to 1/3; determinants are +1."""
    rotation = random_rotations(20_000, np.random.default_rng(4))
    np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-12)
    assert np.abs(rotation.mean(axis=0)).max() < 5 * np.sqrt(1 / 3 / 20_000)
    np.testing.assert_allclose((rotation**2).mean(axis=0), 1 / 3, atol=0.01)
    assert random_rotations(0, np.random.default_rng(4)).shape == (0, 3, 3)


def test_similar_views_become_neighbours() -> None:
    """Every particle once, and neighbours look along closer axes than at random."""
    rotation = random_rotations(500, np.random.default_rng(1))
    order = order_by_view(rotation[:, 2])
    np.testing.assert_array_equal(np.sort(order), np.arange(500))
    axis = rotation[order, 2]
    closeness = np.abs((axis[1:] * axis[:-1]).sum(axis=1)).mean()
    assert closeness > 0.95

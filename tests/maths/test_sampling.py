"""Directions and rotations are spread evenly."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.maths.sampling import even_rotations, hemisphere_directions


def test_directions_are_even() -> None:
    """Unit vectors of the upper half whose second moments, mates included, are a sphere's."""
    directions = hemisphere_directions(500)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert (directions[:, 2] > 0).all()
    np.testing.assert_allclose(directions.T @ directions / 500, np.eye(3) / 3, atol=0.01)
    both = np.concatenate([directions, -directions])
    nearest = cKDTree(both).query(both, k=2)[0][:, 1]
    assert np.degrees(nearest.min()) > 3.0


def test_rotations_are_even() -> None:
    """Rotations, none far from its neighbours: every other rotation is close to one of them."""
    rotations = even_rotations(2000)
    np.testing.assert_allclose(np.linalg.det(rotations), 1)
    np.testing.assert_allclose(rotations.mean(axis=0), 0, atol=0.01)
    others = even_rotations(37)
    distances = [geodesic_degrees(rotations, np.broadcast_to(a, (2000, 3, 3))) for a in others]
    assert max(d.min() for d in distances) < 16

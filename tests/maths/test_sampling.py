"""Directions and rotations are spread evenly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from cryofocus.maths.rotations import geodesic_degrees, random_rotations
from cryofocus.maths.sampling import (
    HEALPIX_DEGREES,
    even_rotations,
    healpix_directions,
    hemisphere_directions,
    neighbouring_turns,
    rotations_to_views,
    shifts_in_disc,
    turns_in_plane,
    view_directions,
)
from cryofocus.maths.symmetry import OperatorSet


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


@pytest.mark.parametrize("n_side", [1, 2, 5])
def test_healpix_cells_are_equal(n_side: int) -> None:
    """All 12 n_side^2 cells are found by chance alike, and no place is far from a centre."""
    directions = healpix_directions(n_side)
    assert len(directions) == 12 * n_side**2
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    np.testing.assert_allclose(directions.sum(axis=0), 0, atol=1e-9)
    anywhere = np.random.default_rng(1).normal(size=(40_000, 3))
    anywhere /= np.linalg.norm(anywhere, axis=1, keepdims=True)
    away, cell = cKDTree(directions).query(anywhere)
    assert np.degrees(away.max()) < HEALPIX_DEGREES / n_side
    expected = len(anywhere) / len(directions)
    # The nearest centre is nearly, not quite, that of the cell.
    assert np.bincount(cell).std() < 0.08 * expected + np.sqrt(expected)


def test_healpix_centres_are_those_published() -> None:
    """The coarsest grid: two rings of four at cos 2/3, half a cell turned, and the equator's."""
    directions = healpix_directions(1)
    np.testing.assert_allclose(directions[:, 2], np.repeat([2 / 3, 0, -2 / 3], 4), atol=1e-12)
    longitude = np.degrees(np.arctan2(directions[:, 1], directions[:, 0])) % 360
    np.testing.assert_allclose(longitude, [45, 135, 225, 315, 0, 90, 180, 270, 45, 135, 225, 315])


@pytest.mark.parametrize("group", ["C1", "C2", "C7", "D3", "T", "O", "I"])
def test_views_of_one_unit_reach_all(group: str) -> None:
    """Every direction has an equivalent one near a view, and views are about one in a unit."""
    operators, step = OperatorSet.point_group(group), 8.0
    views = view_directions(step, operators)
    anywhere = random_rotations(500, np.random.default_rng(2))[:, 2]
    orbit = np.einsum("kij,nj->nki", operators.rotation, anywhere)
    away = cKDTree(views).query(orbit)[0].min(axis=1)
    assert np.degrees(away.max()) < 0.8 * step
    whole = len(view_directions(step))
    # The rim is kept on both sides; it is longer than the unit is wide only for I.
    assert whole / len(operators) <= len(views) < 1.6 * whole / len(operators) + 30


def test_views_and_turns_reach_all_rotations() -> None:
    """Views with their turns in the plane are a grid of all rotations, with the step promised."""
    step = 15.0
    views = rotations_to_views(view_directions(step))
    turns = turns_in_plane(np.arange(0, 360, step))
    grid = (turns[:, None] @ views).reshape(-1, 3, 3)
    others = random_rotations(60, np.random.default_rng(3))
    nearest = [geodesic_degrees(grid, np.broadcast_to(a, grid.shape)).min() for a in others]
    assert max(nearest) < step


def test_views_look_along_their_directions() -> None:
    """The third row of a view's rotation is its direction; a turn leaves it there."""
    directions = view_directions(30.0)
    views = rotations_to_views(directions)
    np.testing.assert_allclose(views[:, 2], directions, atol=1e-12)
    turned = turns_in_plane(np.full(len(views), 90.0)) @ views
    np.testing.assert_allclose(turned[:, 2], directions, atol=1e-12)
    # What was along x is along y.
    np.testing.assert_allclose(turned[:, 1], views[:, 0], atol=1e-12)


def test_neighbours_of_a_rotation() -> None:
    """The 27 neighbours hold the rotation itself, and the farthest is three steps in all."""
    turns = neighbouring_turns(2.0)
    angles = geodesic_degrees(turns, np.broadcast_to(np.eye(3), turns.shape))
    assert angles[0] == 0
    np.testing.assert_allclose(np.sort(angles)[[1, 6, -1]], [2, 2, 2 * np.sqrt(3)], rtol=1e-3)


def test_shifts_cover_their_disc() -> None:
    """Every place of the disc has a shift within reach, and none lies outside."""
    shifts = shifts_in_disc(3.0, 12.0)
    assert np.linalg.norm(shifts, axis=1).max() <= 12.0 + 1e-6
    assert (shifts == 0).all(axis=1).any()
    assert len(shifts_in_disc(3.0, 3.0)) == 7
    rng = np.random.default_rng(4)
    places = rng.uniform(-10, 10, (2000, 2))
    inside = places[np.linalg.norm(places, axis=1) < 12.0 - 3.0]
    assert cKDTree(shifts).query(inside)[0].max() <= 3.0 / np.sqrt(3) + 1e-9

"""Masses of class maps and their correlation."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.covariance.classes import (
    correlate_classes,
    match_states,
    merge_copies,
    separate_states,
    variation_p_values,
)
from cryofocus.covariance.regions import (
    Region,
    RunMasses,
    pooled_errors,
    region_masses,
    require_density,
    solvent_contour,
)
from cryofocus.errors import RegionError
from cryofocus.maths.masks import sphere_mask

BOX = 16


def runs_of(
    truth: np.ndarray, error: float, generator: np.random.Generator, n_runs: int = 3
) -> list[RunMasses]:
    """Runs on the same particles: one error a state, and a little of each run's own."""
    shared = truth + error * generator.standard_normal(truth.shape)
    return [
        RunMasses(
            shared + 0.2 * error * generator.standard_normal(truth.shape),
            np.full(truth.shape, error),
        )
        for _ in range(n_runs)
    ]


def test_regions_that_vary_together_and_one_that_does_not() -> None:
    """Hand and foot correlate with an interval far from 0; the constant one is undetermined."""
    generator = np.random.default_rng(1)
    truth = np.array([[0.0, 0.1, 1.0], [0.0, 0.1, 1.0], [1.0, 0.9, 1.0], [1.0, 0.9, 1.0]])
    runs = runs_of(truth, 0.02, generator)
    found = correlate_classes(runs, [np.arange(4)] * 3, generator)
    assert found.varies.tolist() == [True, True, False]
    assert found.correlation[0, 1] > 0.95
    assert found.low[0, 1] > 0.9
    assert np.isnan(found.correlation[2, :2]).all()
    assert np.isnan(found.correlation[:2, 2]).all()
    np.testing.assert_array_equal(np.diag(found.correlation), 1)
    assert found.spread[2] < 0.1
    assert (found.n_points, found.n_states) == (12, 4)


def test_independent_regions_have_an_interval_around_zero() -> None:
    """Hands and arms in all four combinations do not correlate, and the interval says so."""
    generator = np.random.default_rng(2)
    truth = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    found = correlate_classes(runs_of(truth, 0.02, generator), [np.arange(4)] * 3, generator)
    assert abs(found.correlation[0, 1]) < 0.05
    assert found.low[0, 1] < 0 < found.high[0, 1]


def test_constant_regions_are_rarely_said_to_vary() -> None:
    """Masses that differ by their errors only pass for varying in about one of a hundred."""
    generator = np.random.default_rng(3)
    halves = generator.standard_normal((4, 2, 4000)) * np.sqrt(2)
    errors = pooled_errors(halves[:, 0] - halves[:, 1], np.full(4, 0.25))
    p_values = variation_p_values(1 + halves.mean(axis=1), errors**2)
    assert 0.005 < (p_values < 0.01).mean() < 0.015


def test_a_single_class_says_nothing() -> None:
    """With one class everything is undetermined, and nothing fails."""
    run = RunMasses(np.ones((1, 2)), np.full((1, 2), 0.1))
    found = correlate_classes([run], [np.arange(1)], np.random.default_rng(1))
    np.testing.assert_array_equal(np.isnan(found.correlation), [[False, True], [True, False]])
    assert not found.varies.any()


def test_of_three_states_no_correlation_is_drawn() -> None:
    """Whatever the masses of two or three states, pairs of regions are undetermined."""
    generator = np.random.default_rng(5)
    truth = np.array([[0.0, 0.1], [0.5, 0.4], [1.0, 0.9]])
    found = correlate_classes(runs_of(truth, 0.01, generator), [np.arange(3)] * 3, generator)
    assert found.varies.all()
    for matrix in (found.correlation, found.low, found.high):
        assert np.isnan(matrix[0, 1])
        assert matrix[0, 0] == pytest.approx(1)


def test_copies_count_once() -> None:
    """A class written twice has the mass of the one, and an empty class has none."""
    posteriors = np.eye(2)[np.arange(100) % 2]
    split = np.stack([0.7 * posteriors[:, 0], posteriors[:, 1], 0.3 * posteriors[:, 0]], axis=1)
    split = np.concatenate([split, np.zeros((100, 1))], axis=1)
    masses = RunMasses(np.array([[1.0], [3.0], [1.1], [50.0]]), np.full((4, 1), 0.1))
    merged, of_groups = merge_copies(masses, split)
    assert sorted(merged.masses[:, 0].tolist()) == pytest.approx([1.03, 3.0])
    np.testing.assert_allclose(of_groups.sum(axis=1), 1)
    assert merged.errors.max() <= 0.1


def test_states_of_matching_classes() -> None:
    """Classes get the state of the class that holds their particles; surplus ones a new state."""
    labels = np.random.default_rng(3).integers(0, 3, 300)
    first, second = np.eye(3)[labels], np.eye(4)[(labels + 1) % 3]
    states = match_states([first, second])
    assert states[0].tolist() == [0, 1, 2]
    assert states[1].tolist() == [2, 0, 1, 3]
    assert [s.tolist() for s in separate_states([2, 3])] == [[0, 1], [2, 3, 4]]


def test_mass_is_linear_in_the_map() -> None:
    """Voxels are chosen once, so that half a density has half the mass."""
    inside = np.zeros((BOX,) * 3, dtype=bool)
    inside[4:8, 4:8, 4:8] = True
    density = inside.astype(np.float32)
    region = Region("hand", inside)
    whole = region_masses(density, [region], density > 0.5, 2.0)
    assert whole[0] == pytest.approx(64 * 8)
    half = region_masses(0.5 * density, [region], density > 0.5, 2.0)
    np.testing.assert_allclose(half, 0.5 * whole)


def test_contour_stands_above_the_solvent() -> None:
    """Solvent hardly reaches the contour; neither a particle nor masked corners move it."""
    noise = np.random.default_rng(4).normal(1.0, 0.1, (32, 32, 32)).astype(np.float32)
    level = solvent_contour(noise)
    assert level == pytest.approx(1.3, abs=0.02)
    noise[12:20, 12:20, 12:20] += 50
    noise[sphere_mask(32, 1.0, (0.0, 0.0, 0.0), 15.0, 0.0) == 0] = 0
    assert solvent_contour(noise) == pytest.approx(level)


def test_a_region_without_density() -> None:
    """A region in the solvent is refused by name."""
    inside = np.zeros((BOX,) * 3, dtype=bool)
    inside[0, 0, 0] = True
    message = "region hand: no voxel reaches the contour in any map"
    with pytest.raises(RegionError, match=message):
        require_density([Region("hand", inside)], np.zeros((BOX,) * 3, dtype=bool))


def test_errors_from_half_maps() -> None:
    """Errors estimated from half maps are those of the full maps, larger for rare classes."""
    generator = np.random.default_rng(6)
    weights = np.array([0.5, 0.3, 0.2])
    sigma = 0.1 / np.sqrt(weights)
    halves = sigma[:, None, None] * np.sqrt(2) * generator.standard_normal((3, 2, 4000))
    errors = pooled_errors(halves[:, 0] - halves[:, 1], weights)
    np.testing.assert_allclose(np.sqrt((errors**2).mean(axis=1)), sigma, rtol=0.05)

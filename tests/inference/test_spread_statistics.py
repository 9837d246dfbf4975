"""Statistics in several ranges say what they say in one."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.execution.serial import Serial
from cryofocus.inference import em
from cryofocus.inference.posterior import random_posteriors
from cryofocus.inference.spread_statistics import SpreadStatistics

from .planted import plant, prepare


def divided(n_ranges: int) -> SpreadStatistics:
    """Return the planted statistics in so many ranges."""
    held = prepare(plant())[0].statistics
    executor = Serial(n_ranges)
    ranges = executor.ranges(len(held))
    shards = [held.whole().take(np.arange(rows.start, rows.stop)) for rows in ranges]
    return SpreadStatistics(
        held.box, held.band, held.scale, executor.place(shards, ranges), held.kernels, executor
    )


@pytest.mark.parametrize("n_ranges", [2, 5])
def test_any_division_gives_the_same_moments_and_sums(n_ranges: int) -> None:
    """Moments of a particle do not depend on its range; sums differ by rounding."""
    problem, _, _ = prepare(plant())
    rng = np.random.default_rng(3)
    d = problem.statistics.box.diameter
    grid = problem.space.to_grid(rng.standard_normal((2, d, d, d)).astype(np.float32))
    whole, parts = problem.statistics, divided(n_ranges)
    np.testing.assert_array_equal(
        parts.class_log_likelihoods(grid), whole.class_log_likelihoods(grid)
    )
    for found, expected in zip(
        parts.latent_moments(grid), whole.latent_moments(grid), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    weights = rng.random((len(whole), 2))
    found, expected = (s.sum_slices(weights, weights[:, :1]) for s in (parts, whole))
    for name in ("data", "precision"):
        a, b = getattr(found, name), getattr(expected, name)
        assert np.abs(a - b).max() < 1e-6 * np.abs(b).max()


@pytest.mark.parametrize("n_ranges", [2, 5])
def test_cycles_agree_for_any_division(n_ranges: int) -> None:
    """After cycles that learn the prior and cycles that climb, posteriors agree to 1e-4."""
    problem, spectrum, _ = prepare(plant())
    start = random_posteriors(len(problem.statistics), 2, np.random.default_rng(0))
    states = []
    for statistics in (problem.statistics, divided(n_ranges)):
        same = em.FocusProblem(statistics, problem.space, problem.support)
        state = em.init(same, start, spectrum)
        while state.learns_prior or len(state.history) < 5:
            state = em.step(same, state)
        states.append(state)
    first, second = (state.posteriors for state in states)
    assert np.abs(first - second).max() < 1e-4


def test_spread_statistics_are_not_gathered() -> None:
    """Who needs all of them in one place is told that they are not."""
    with pytest.raises(ValueError, match="larger than one process may hold"):
        divided(2).whole()

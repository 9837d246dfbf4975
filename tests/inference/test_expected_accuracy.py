"""What images allow, against the normal distribution's own tables and against a planted set."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from cryofocus.inference.comparison import ClassMoments, RunPlan
from cryofocus.inference.deviations.comparison import ResidualComparison
from cryofocus.inference.expected_accuracy import expected_accuracy
from cryofocus.inference.posterior import estimate_class_weights
from cryofocus.maths.copies import EffectiveClasses
from planted import plant, prepare

TWO = EffectiveClasses(((0,), (1,)), ())


def overlaps(distance: float, n: int = 4000) -> ClassMoments:
    """Two maps that are so many standard deviations of the noise apart."""
    maps = np.array([[distance / 2], [-distance / 2]])
    overlap = np.broadcast_to(maps @ maps.T, (n, 2, 2)).copy()
    return ClassMoments(np.zeros((n, 2)), overlap, np.eye(2))


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_two_equal_classes_are_those_of_the_textbook(distance: float) -> None:
    """Two equal normal distributions are told apart with probability Phi(d/2)."""
    found = expected_accuracy(
        overlaps(distance), np.array([0.5, 0.5]), TWO, np.random.default_rng(1)
    )
    assert found == pytest.approx(norm.cdf(distance / 2), abs=0.01)


def test_unequal_classes_are_never_worse_than_the_larger_one() -> None:
    """Images that say nothing leave the larger class's share."""
    found = expected_accuracy(overlaps(0.0), np.array([0.8, 0.2]), TWO, np.random.default_rng(1))
    assert found == pytest.approx(0.8)


def test_copies_cost_nothing() -> None:
    """A class and its copy count as one."""
    rng = np.random.default_rng(2)
    maps = np.array([[1.5], [-1.5], [-1.5]])
    overlap = np.broadcast_to(maps @ maps.T, (4000, 3, 3)).copy()
    moments = ClassMoments(np.zeros((4000, 3)), overlap, np.eye(3))
    merged = EffectiveClasses(((1, 2), (0,)), ())
    found = expected_accuracy(moments, np.array([0.5, 0.25, 0.25]), merged, rng)
    assert found == pytest.approx(norm.cdf(1.5), abs=0.01)


def test_planted_classes_are_right_as_often_as_expected() -> None:
    """On a planted set the fraction of particles in their true class is the one foretold."""
    planted = plant(1200, seed=4, noise_sd=24.0)
    problem, _ = prepare(planted)
    comparison = ResidualComparison(problem, RunPlan(2, "subspace", 1))
    state = comparison.begin(np.eye(2)[planted.labels])
    state, _ = comparison.step(state)
    rng, weights = np.random.default_rng(3), estimate_class_weights(state.posteriors)
    found = expected_accuracy(comparison.class_moments(state), weights, TWO, rng)
    right = float((state.posteriors.argmax(axis=1) == planted.labels).mean())
    assert 0.55 < right < 0.98
    assert found == pytest.approx(right, abs=0.06)

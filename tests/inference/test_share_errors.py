"""Errors of class shares, on images drawn from known classes."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.inference.comparison import ClassMoments
from cryofocus.inference.share_errors import estimate_share_errors, widen_for_copies

# Two parts: the second is there in the last class alone.
CENTRES = np.array([[-1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
SHARES = np.array([0.5, 0.3, 0.2])


def draw(
    strength: float, n: int, seed: int, held_back: float = 1.0
) -> tuple[ClassMoments, np.ndarray]:
    """Draw what images say of the maps of classes, held towards the mean of all.

    Returns:
        The moments, and the shares that such maps lead to.
    """
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, n, p=SHARES)
    mean = SHARES @ CENTRES
    maps = mean + held_back * (CENTRES - mean)
    data = strength * CENTRES[truth] + np.sqrt(strength) * generator.standard_normal((n, 2))
    quadratic = np.broadcast_to(strength * maps @ maps.T, (n, 3, 3))
    moments = ClassMoments(data @ maps.T, quadratic, np.eye(3))
    weights, likelihood = SHARES.copy(), np.exp(moments.log_likelihood)
    for _ in range(100):
        posteriors = likelihood * weights
        posteriors /= posteriors.sum(axis=1, keepdims=True)
        weights = posteriors.mean(axis=0)
    return moments, weights


def test_certain_classes_have_the_error_of_a_sample() -> None:
    """Where every class is certain, only chance is left: the error of a binomial share."""
    moments, weights = draw(strength=100.0, n=1000, seed=1)
    expected = np.sqrt(weights * (1 - weights) / 1000)
    np.testing.assert_allclose(estimate_share_errors(moments, weights), expected, rtol=0.02)


def test_uncertain_classes_have_larger_errors() -> None:
    """The less images tell, the less is known; an eighth of the images knows less by root 8."""
    clear, poor = (estimate_share_errors(*draw(s, n=4000, seed=2)) for s in (20.0, 3.0))
    assert (poor[1:] > 1.5 * clear[1:]).all()
    few = estimate_share_errors(*draw(20.0, n=500, seed=2))
    np.testing.assert_allclose(few / clear, np.sqrt(8), rtol=0.3)


@pytest.mark.parametrize("held_back", [1.0, 0.7])
def test_true_shares_are_within_twice_the_error(held_back: float) -> None:
    """Also where maps are held back, which moves shares by more than chance does."""
    off, by_chance = [], []
    for seed in range(6):
        moments, weights = draw(6.0, n=1500, seed=seed, held_back=held_back)
        away = np.abs(weights - SHARES)
        off.append(away / estimate_share_errors(moments, weights))
        by_chance.append(away / np.sqrt(weights * (1 - weights) / 1500))
    assert (np.array(off) < 2).mean() > 0.9
    if held_back < 1:
        assert (np.array(by_chance) < 2).mean() < 0.8


def test_copies_leave_their_shares_open() -> None:
    """Between copies of one class any share is as good; of all together, nothing is lost."""
    moments, weights = draw(20.0, n=1000, seed=3)
    pick = [0, 1, 2, 2]
    twice = ClassMoments(
        moments.linear[:, pick], moments.quadratic[:, pick][:, :, pick], np.eye(4)
    )
    shares = np.append(weights[:2], [weights[2] / 2, weights[2] / 2])
    errors = estimate_share_errors(twice, shares)
    assert np.isfinite(errors).all()
    assert (errors[2:] > 3 * errors[0]).all()
    assert (errors <= np.sqrt(shares * (1 - shares))).all()


def test_one_class_holds_all() -> None:
    """Nothing is uncertain about the share of everything."""
    alone = ClassMoments(np.zeros((5, 1)), np.ones((5, 1, 1)), np.eye(1))
    assert estimate_share_errors(alone, np.ones(1)) == 0


def test_symmetry_copies_in_one_class_count_once() -> None:
    """The error of a share is that of the particles if their copies never differ."""
    generator = np.random.default_rng(4)
    of_particle = generator.dirichlet((1, 2), 1000)
    every = np.arange(1000)
    alike, parents = np.repeat(of_particle, 2, axis=0), np.repeat(every, 2)
    np.testing.assert_allclose(widen_for_copies(alike, parents), np.sqrt(2))
    np.testing.assert_allclose(widen_for_copies(of_particle, every), 1)
    apart = generator.dirichlet((1, 2), 2000)
    np.testing.assert_allclose(widen_for_copies(apart, parents), 1, atol=0.05)
    # Where exactly one copy of each is in the class, the share is known; nothing is taken off.
    opposed = np.where(np.arange(2000)[:, None] % 2, [0.0, 1.0], [1.0, 0.0])
    np.testing.assert_allclose(widen_for_copies(opposed, parents), 1)

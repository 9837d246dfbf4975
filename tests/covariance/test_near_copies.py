"""How much the posteriors of two runs differ."""

from __future__ import annotations

import numpy as np

from cryofocus.covariance.near_copies import SAME, posterior_difference

N, K = 3000, 3


def posteriors(sharpness: float, seed: int = 1, own: float = 0.0) -> np.ndarray:
    """Of particles with scores of their own, and errors of the run's own beside them."""
    score = np.random.default_rng(1).standard_normal((N, K))
    score += own * np.random.default_rng(seed).standard_normal((N, K))
    weight = np.exp(sharpness * (score - score.max(axis=1, keepdims=True)))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def test_the_order_of_classes_is_no_matter() -> None:
    """The same posteriors under other numbers do not differ; nearly the same hardly do."""
    plain = posteriors(3)
    assert posterior_difference(plain, plain[:, [2, 0, 1]]) < 1e-12
    rounded = np.round(plain[:, [1, 2, 0]], 4)
    assert posterior_difference(plain, rounded) < SAME


def test_starts_of_their_own_differ() -> None:
    """Runs that put nearly all particles alike differ by more than copies do, however sure."""
    for sharpness, own in ((1.0, 0.1), (5.0, 0.05), (50.0, 0.01)):
        first, second = (posteriors(sharpness, seed, own) for seed in (2, 3))
        assert (first.argmax(axis=1) == second.argmax(axis=1)).mean() > 0.9
        assert SAME < posterior_difference(first, second) < 1


def test_posteriors_that_cannot_tell() -> None:
    """Runs sure of everything, runs that found nothing, and other numbers of classes are apart."""
    sure = np.eye(K)[np.arange(N) % K]
    assert np.isinf(posterior_difference(sure, sure))
    nothing = np.full((N, K), 1 / K)
    assert np.isinf(posterior_difference(nothing, nothing))
    assert np.isinf(posterior_difference(sure, sure[:, :2]))

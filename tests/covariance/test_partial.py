"""Correlations given all other regions."""

from __future__ import annotations

import numpy as np

from cryofocus.covariance.partial import partial_correlations


def test_a_common_cause_explains_two_regions() -> None:
    """Two regions that both follow a third are independent given it."""
    generator = np.random.default_rng(1)
    cause = generator.standard_normal(200_000)
    values = np.stack([cause, cause, cause], axis=1)
    values[:, 1:] += generator.standard_normal((200_000, 2))
    found = partial_correlations(np.cov(values.T), np.array([True, True, True]))
    assert abs(found[1, 2]) < 0.01
    assert found[0, 1] > 0.5
    np.testing.assert_array_equal(np.diag(found), 1)


def test_it_is_the_correlation_of_what_others_leave() -> None:
    """Regress the others out of both regions and correlate what is left."""
    generator = np.random.default_rng(2)
    mixing = np.eye(4) + 0.3 * generator.standard_normal((4, 4))
    values = generator.standard_normal((500, 4)) @ mixing
    values -= values.mean(axis=0)
    found = partial_correlations(np.cov(values.T), np.ones(4, bool))
    others = values[:, 2:]
    left = values[:, :2] - others @ np.linalg.lstsq(others, values[:, :2], rcond=None)[0]
    np.testing.assert_allclose(found[0, 1], np.corrcoef(left.T)[0, 1], atol=1e-6)


def test_regions_that_do_not_vary_are_left_out() -> None:
    """They are undetermined, and change nothing for the others."""
    covariance = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.0]])
    found = partial_correlations(covariance, np.array([True, True, False]))
    assert np.isnan(found[2, :2]).all()
    np.testing.assert_allclose(found[0, 1], 0.5)


def test_a_nearly_singular_estimate_stays_within_bounds() -> None:
    """Covariances that no data could have give correlations nevertheless."""
    covariance = np.array([[1.0, 0.99, -0.9], [0.99, 1.0, 0.2], [-0.9, 0.2, 1.0]])
    found = partial_correlations(covariance, np.ones(3, bool))
    assert (np.abs(found) <= 1 + 1e-9).all()

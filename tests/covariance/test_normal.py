"""Covariance behind noisy measurements."""

from __future__ import annotations

import numpy as np

from cryofocus.covariance.normal import correlation_matrix, fit_normal
from cryofocus.covariance.occupancy import Occupancies
from cryofocus.covariance.particles import correlate_particles, shuffle_regions

TRUE = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 0.5]])


def measure(
    n: int, covariance: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw true values and measure them with errors that differ and correlate."""
    size = len(covariance)
    factor = generator.standard_normal((n, size, size)) * generator.uniform(0.2, 1.2, (n, 1, 1))
    noise = factor @ np.swapaxes(factor, 1, 2) + 0.1 * np.eye(size)
    true = generator.multivariate_normal(np.arange(size), covariance, size=n)
    error = np.einsum(
        "nij,nj->ni", np.linalg.cholesky(noise), generator.standard_normal((n, size))
    )
    return true + error, noise


def test_noise_is_taken_off() -> None:
    """Mean and covariance of the true values are recovered within their standard errors."""
    values, noise = measure(4000, TRUE, np.random.default_rng(1))
    fit = fit_normal(values, noise)
    np.testing.assert_allclose(fit.mean, np.arange(3), atol=0.1)
    np.testing.assert_allclose(
        np.diag(fit.covariance), np.diag(TRUE), atol=4 * fit.variance_error.max()
    )
    np.testing.assert_array_less(
        np.abs(fit.correlation - correlation_matrix(TRUE)), 4 * fit.correlation_error + 1e-9
    )


def test_known_values_have_their_plain_covariance() -> None:
    """Where the noise is negligible, the estimate is the covariance of the values."""
    generator = np.random.default_rng(2)
    values = generator.multivariate_normal(np.zeros(3), TRUE, size=500)
    noise = np.tile(1e-6 * np.eye(3), (500, 1, 1))
    np.testing.assert_allclose(
        fit_normal(values, noise).covariance, np.cov(values.T, bias=True), atol=1e-3
    )


def test_constant_region_is_undetermined() -> None:
    """What varies by its noise only has no correlation, and pairs of others keep theirs."""
    constant = TRUE.copy()
    constant[2, 2] = 0.0
    values, noise = measure(1500, constant, np.random.default_rng(3))
    found = correlate_particles(
        Occupancies(("a", "b", "c"), values, noise), np.random.default_rng(1)
    )
    assert found.varies.tolist() == [True, True, False]
    assert np.isnan(found.correlation[2]).all()
    assert abs(found.correlation[0, 1] - 0.8) < 0.1
    assert found.p_values[0, 1] < 0.001
    assert abs(found.null[0, 1]) < 0.15


def test_shuffled_regions_keep_their_errors() -> None:
    """Shuffling moves each value together with its own variance and drops shared errors."""
    values, noise = measure(50, TRUE, np.random.default_rng(4))
    shuffled, errors = shuffle_regions(values, noise, np.random.default_rng(5))
    before = sorted(zip(values[:, 1], noise[:, 1, 1], strict=True))
    after = sorted(zip(shuffled[:, 1], errors[:, 1, 1], strict=True))
    np.testing.assert_array_equal(before, after)
    assert not errors[:, 0, 1].any()

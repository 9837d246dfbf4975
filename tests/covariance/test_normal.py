"""Covariance behind noisy measurements."""

from __future__ import annotations

import numpy as np

from cryofocus.covariance.normal import bootstrap_covariances, fit_normal
from cryofocus.covariance.occupancy import Occupancies
from cryofocus.covariance.particles import (
    ParticleCorrelation,
    correlate_particles,
    shuffle_regions,
)

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


def correlate(
    values: np.ndarray,
    noise: np.ndarray,
    *,
    is_seen: tuple[bool, ...] = (True, True, True),
    moved_by: float = 0.0,
) -> ParticleCorrelation:
    """Correlate three regions; moves of the fields change the first one's values."""
    there, back = values.copy(), values.copy()
    there[:, 0] += moved_by * values[:, 1]
    back[:, 0] -= moved_by * values[:, 1]
    names, seen = ("a", "b", "c"), np.array(is_seen)
    pair = tuple(Occupancies(names, moved, noise, seen) for moved in (there, back))
    return correlate_particles(
        Occupancies(names, values, noise, seen),
        np.random.default_rng(1),
        perturbed=[(pair[0], pair[1])] if moved_by else [],
    )


def test_noise_is_taken_off() -> None:
    """Mean and covariance of the true values are recovered within their bootstrapped errors."""
    generator = np.random.default_rng(1)
    values, noise = measure(4000, TRUE, generator)
    fit = fit_normal(values, noise)
    np.testing.assert_allclose(fit.mean, np.arange(3), atol=0.1)
    error = bootstrap_covariances(values, noise, fit, generator).std(axis=0)
    np.testing.assert_array_less(np.abs(fit.covariance - TRUE), 4 * error)


def test_bootstrap_of_known_values_has_the_textbook_error() -> None:
    """Without noise, the variance's standard error is sqrt(2 / n) of it, a correlation's 1 / n."""
    generator = np.random.default_rng(6)
    values = generator.multivariate_normal(np.zeros(3), TRUE, size=2000)
    noise = np.tile(1e-6 * np.eye(3), (2000, 1, 1))
    fit = fit_normal(values, noise)
    drawn = bootstrap_covariances(values, noise, fit, generator)
    relative = drawn.std(axis=0)[range(3), range(3)] / np.diag(TRUE)
    np.testing.assert_allclose(relative, np.sqrt(2 / 2000), rtol=0.2)
    independent = drawn[:, 0, 2] / np.sqrt(drawn[:, 0, 0] * drawn[:, 2, 2])
    assert abs(independent.std() * np.sqrt(2000) - 1) < 0.2


def test_copies_are_drawn_together() -> None:
    """A particle written twice tells no more than once."""
    generator = np.random.default_rng(7)
    values, noise = measure(800, TRUE, generator)
    fit = fit_normal(values, noise)
    once = bootstrap_covariances(values, noise, fit, generator).std(axis=0)
    twice = bootstrap_covariances(
        np.repeat(values, 2, axis=0), np.repeat(noise, 2, axis=0), fit, generator, n_copies=2
    ).std(axis=0)
    np.testing.assert_allclose(twice, once, rtol=0.25)


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
    found = correlate(values, noise)
    assert found.varies.tolist() == [True, True, False]
    for matrix in (found.correlation, found.low, found.high, found.p_values, found.null):
        assert np.isnan(matrix[2, :2]).all()
    np.testing.assert_array_equal(np.diag(found.correlation), 1)
    assert abs(found.correlation[0, 1] - 0.8) < 0.1
    assert found.p_values[0, 1] < 0.001
    assert abs(found.null[0, 1]) < 0.15


def test_what_the_images_do_not_show_is_undetermined() -> None:
    """A region whose field is noise has no correlation, whatever its variance."""
    values, noise = measure(1500, TRUE, np.random.default_rng(3))
    found = correlate(values, noise, is_seen=(True, True, False))
    assert found.varies.tolist() == [True, True, False]
    assert np.isnan(found.p_values[2, 0])


def test_uncertain_fields_widen_the_intervals() -> None:
    """Moves of the fields that change a correlation make all of them less certain."""
    values, noise = measure(1500, TRUE, np.random.default_rng(8))
    plain, moved = correlate(values, noise), correlate(values, noise, moved_by=0.3)
    np.testing.assert_allclose(moved.correlation, plain.correlation)
    width, wider = plain.high - plain.low, moved.high - moved.low
    assert (wider[np.triu_indices(3, 1)] > 1.5 * width[np.triu_indices(3, 1)]).all()
    assert moved.p_values[0, 2] >= plain.p_values[0, 2]


def test_the_order_of_regions_is_no_matter() -> None:
    """Regions named in another order have the same correlations."""
    values, noise = measure(1500, TRUE, np.random.default_rng(9))
    order = np.array([2, 0, 1])
    plain = correlate(values, noise)
    other = correlate(values[:, order], noise[:, order][:, :, order])
    np.testing.assert_allclose(
        other.correlation, plain.correlation[np.ix_(order, order)], atol=1e-3
    )


def test_shuffled_regions_keep_their_errors() -> None:
    """Shuffling moves each value together with its own variance and drops shared errors."""
    values, noise = measure(50, TRUE, np.random.default_rng(4))
    shuffled, errors = shuffle_regions(values, noise, np.random.default_rng(5))
    before = sorted(zip(values[:, 1], noise[:, 1, 1], strict=True))
    after = sorted(zip(shuffled[:, 1], errors[:, 1, 1], strict=True))
    np.testing.assert_array_equal(before, after)
    assert not errors[:, 0, 1].any()

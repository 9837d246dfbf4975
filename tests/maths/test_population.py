"""The normal population behind measurements with known errors."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.population import fit_normal_population

GENERATOR_SEED = 11


def measure(n: int, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return linear and quadratic terms of measurements, and the true values."""
    generator = np.random.default_rng(GENERATOR_SEED)
    size = len(covariance)
    true = generator.multivariate_normal(np.arange(size), covariance, size=n)
    design = generator.standard_normal((n, 2 * size, size))
    data = np.einsum("npq,nq->np", design, true) + generator.standard_normal((n, 2 * size))
    linear = np.einsum("npq,np->nq", design, data)
    return linear, np.einsum("npq,npr->nqr", design, design), true


def log_likelihood(
    linear: np.ndarray, quadratic: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> float:
    """Sum the densities of what was measured, one member after the other."""
    total = 0.0
    for one, weight in zip(linear, quadratic, strict=True):
        spread = covariance + np.linalg.inv(weight)
        off = np.linalg.solve(weight, one) - mean
        total -= 0.5 * float(off @ np.linalg.solve(spread, off))
        total -= 0.5 * float(np.linalg.slogdet(spread)[1])
    return total


def test_what_always_goes_together_is_found_so() -> None:
    """A singular covariance is reached: three values of which one is the sum of the others."""
    mix = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    truth = mix @ np.array([[0.2, -0.1], [-0.1, 0.2]]) @ mix.T
    linear, quadratic, _ = measure(4000, truth)
    _, found = fit_normal_population(linear, quadratic, (np.zeros(3), 0.1 * np.eye(3)))
    np.testing.assert_allclose(found, truth, atol=0.03)
    assert np.linalg.eigvalsh(found)[0] < 0.004


def test_no_neighbour_is_more_likely() -> None:
    """Any small change of mean or covariance loses, by a likelihood that is written out."""
    truth = np.array([[1.0, 0.6], [0.6, 0.8]])
    linear, quadratic, _ = measure(300, truth)
    mean, covariance = fit_normal_population(linear, quadratic, (np.zeros(2), np.eye(2)))
    best = log_likelihood(linear, quadratic, mean, covariance)
    changes = np.random.default_rng(2).standard_normal((8, 2, 3)) * 0.05
    for change in changes:
        moved = change[:, :2] + change[:, :2].T
        assert log_likelihood(linear, quadratic, mean + change[:, 2], covariance + moved) < best


@pytest.mark.parametrize("start", [0.01, 1.0, 30.0])
def test_the_start_does_not_matter(start: float) -> None:
    """From far too little and far too much variance alike."""
    truth = np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.2], [0.0, 0.2, 0.3]])
    linear, quadratic, _ = measure(1500, truth)
    begin = (np.zeros(3), np.eye(3))
    _, usual = fit_normal_population(linear, quadratic, begin)
    _, found = fit_normal_population(linear, quadratic, (np.zeros(3), start * np.eye(3)))
    np.testing.assert_allclose(found, usual, atol=6e-3)


def test_units_carry_along() -> None:
    """Values measured in other units have the covariance in these."""
    linear, quadratic, _ = measure(800, np.array([[1.0, -0.4], [-0.4, 0.5]]))
    unit = np.array([1e-3, 50.0])
    mean, covariance = fit_normal_population(linear, quadratic, (np.zeros(2), np.eye(2)))
    scaled = fit_normal_population(
        linear / unit, quadratic / np.outer(unit, unit), (np.zeros(2), np.diag(unit**2))
    )
    np.testing.assert_allclose(scaled[0] / unit, mean, atol=2e-3)
    np.testing.assert_allclose(scaled[1] / np.outer(unit, unit), covariance, atol=5e-3)


def test_what_no_measurement_sees_stays_finite() -> None:
    """A value of which nothing is said varies no more than at the start, nor disturbs others."""
    linear, quadratic, _ = measure(500, np.eye(1))
    alone = fit_normal_population(linear, quadratic, (np.zeros(1), np.eye(1)))[1]
    linear = np.pad(linear, ((0, 0), (0, 1)))
    quadratic = np.pad(quadratic, ((0, 0), (0, 1), (0, 1)))
    _, found = fit_normal_population(linear, quadratic, (np.zeros(2), np.eye(2)))
    assert found[1, 1] < 1.01
    assert found[0, 1] == pytest.approx(0, abs=1e-3)
    assert found[0, 0] == pytest.approx(alone[0, 0], rel=1e-3)


def test_a_known_mean_stays() -> None:
    """Off its mean, a value varies by as much more as the square of what the mean is off."""
    linear, quadratic, true = measure(2000, np.array([[0.5, 0.2], [0.2, 0.3]]))
    start = (np.zeros(2), np.eye(2))
    mean, covariance = fit_normal_population(linear, quadratic, start, keep_mean=True)
    assert not mean.any()
    np.testing.assert_allclose(covariance, true.T @ true / len(true), atol=0.05)

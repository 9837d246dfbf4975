"""Contents of regions as measurements with known errors."""

from __future__ import annotations

import numpy as np

from cryofocus.covariance.occupancy import Occupancies, content_rows, measure_contents

ROWS = np.array([[0.0, 1.0, 0.2], [0.0, -0.1, 0.8]])
MEAN = np.array([0.0, 0.3, -0.1])
COVARIANCE = np.array([[0.1, 0.02, 0.0], [0.02, 1.0, 0.4], [0.0, 0.4, 0.7]])


def locate(linear: np.ndarray, quadratic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of coordinates, as the textbook has it."""
    precision = np.linalg.inv(COVARIANCE)
    covariance = np.linalg.inv(quadratic + precision)
    mean = np.einsum("nij,nj->ni", covariance, linear + precision @ MEAN)
    return mean, covariance


def observe(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True coordinates, and what images of four numbers each say of them."""
    generator = np.random.default_rng(1)
    true = generator.multivariate_normal(MEAN, COVARIANCE, size=n)
    design = generator.standard_normal((n, 4, 3))
    data = np.einsum("npq,nq->np", design, true) + generator.standard_normal((n, 4))
    linear = np.einsum("npq,np->nq", design, data)
    return true, linear, np.einsum("npq,npr->nqr", design, design)


def test_measurement_and_population_give_the_posterior() -> None:
    """What an image measures, joined with the population, is what the model says of contents."""
    _, linear, quadratic = observe(40)
    mean, covariance = locate(linear, quadratic)
    values, noise = measure_contents(ROWS, (MEAN, COVARIANCE), (mean, covariance))
    prior = ROWS @ COVARIANCE @ ROWS.T
    joined = np.linalg.inv(np.linalg.inv(noise) + np.linalg.inv(prior))
    expected = ROWS @ covariance @ ROWS.T
    np.testing.assert_allclose(joined, expected, rtol=1e-3, atol=1e-5)
    pull = np.einsum("nij,njk,nk->ni", joined, np.linalg.inv(noise), values)
    np.testing.assert_allclose(pull, (mean - MEAN) @ ROWS.T, rtol=1e-3, atol=1e-4)


def test_measurements_are_unbiased_with_the_errors_they_claim() -> None:
    """Errors have mean zero and, whitened by their covariance, unit variance."""
    true, linear, quadratic = observe(6000)
    posterior = locate(linear, quadratic)
    values, noise = measure_contents(ROWS, (MEAN, COVARIANCE), posterior)
    error = values - (true - MEAN) @ ROWS.T
    white = np.linalg.solve(np.linalg.cholesky(noise), error[..., None])[..., 0]
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(white.T), np.eye(2), atol=0.1)


def test_what_no_image_tells_has_a_large_error() -> None:
    """Without information an image's measurement has an error far beyond the spread."""
    prior = (np.zeros(2), np.eye(2))
    posterior = (np.zeros((1, 2)), np.diag([0.5, 1.0])[None])
    values, noise = measure_contents(np.eye(2), prior, posterior)
    assert np.isfinite(values).all()
    assert noise[0, 0, 0] < 1.1
    assert noise[0, 1, 1] > 1e4


def test_grey_scale_is_no_content() -> None:
    """A particle brighter as a whole, its reference with it, holds no more of any region."""
    masses = np.array([[5.0, 1.0, 0.3], [-2.0, 0.1, 0.9]])
    reference = np.array([1.0, 0.05, -0.02])
    rows = content_rows(masses, reference, np.array([10.0, 4.0]))
    np.testing.assert_allclose(rows[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(rows[0, 1:], (masses[0, 1:] - 5 * reference[1:]) / 10)


def test_chosen_particles_keep_their_order() -> None:
    """Taking particles takes their values and errors, and keeps what is known of regions."""
    occupancies = Occupancies(
        ("a", "b"),
        np.arange(6.0).reshape(3, 2),
        np.tile(np.eye(2), (3, 1, 1)) * np.arange(1.0, 4)[:, None, None],
        np.array([True, False]),
    )
    taken = occupancies.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken.values[:, 0], [4, 0])
    np.testing.assert_array_equal(taken.noise[:, 0, 0], [3, 1])
    assert taken.is_seen.tolist() == [True, False]
    assert len(taken) == 2

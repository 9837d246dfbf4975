"""Principal deviations of particles with a planted difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from cryofocus.inference.deviations.deviation import DeviationPrior
from cryofocus.inference.deviations.subspace import Subspace, fit_subspace
from planted import KERNELS, plant, prepare
from samples import correlation


def fit(
    n_dimensions: int = 1, seed: int = 0, begin: np.random.Generator | Subspace | None = None
) -> Subspace:
    """Fit a subspace to the planted set, from random coordinates unless others are given."""
    problem, _ = prepare(plant())
    return fit_subspace(
        problem.statistics,
        problem.space,
        DeviationPrior(problem.spectrum.widened().spectrum, problem.support, np.eye(n_dimensions)),
        np.random.default_rng(seed) if begin is None else begin,
    )


def test_the_planted_deviation_is_found() -> None:
    """One dimension finds the difference of the two classes, up to sign, from any start."""
    problem, _ = prepare(plant())
    box = problem.space.box
    truth = box.mask * box.cut(plant().difference)
    for seed in range(3):
        assert abs(correlation(fit(1, seed).deviations[0], truth)) > 0.85


def test_coordinates_separate_the_classes() -> None:
    """Posterior coordinates of the two classes lie on either side of zero."""
    subspace = fit()
    mean = subspace.linear[:, 0] / (1 + subspace.quadratic[:, 0, 0])
    agreement = ((mean > 0) == plant().labels.astype(bool)).mean()
    assert max(agreement, 1 - agreement) > 0.9


def test_coordinates_have_unit_covariance() -> None:
    """Deviations are scaled such that coordinates have unit covariance over the set."""
    subspace = fit(2)
    covariance = np.linalg.inv(np.eye(2) + subspace.quadratic)
    mean = np.einsum("nij,nj->ni", covariance, subspace.linear)
    total = covariance.mean(axis=0) + mean.T @ mean / len(mean)
    np.testing.assert_allclose(total, np.eye(2), atol=0.15)


def test_information_is_sorted_and_separate() -> None:
    """Dimensions come by rising information per image, with none shared between them."""
    subspace = fit(2)
    assert subspace.information[0] <= subspace.information[1]
    mean = subspace.quadratic.mean(axis=0)
    np.testing.assert_allclose(np.diag(mean), subspace.information, rtol=1e-3)
    assert abs(mean[0, 1]) < 1e-3 * mean[1, 1]


def test_moments_are_log_likelihoods_of_the_deviations() -> None:
    """The returned moments are those of the returned deviations."""
    problem, _ = prepare(plant())
    statistics, subspace = problem.statistics.whole(), fit(2)
    linear, quadratic = KERNELS.latent_moments(
        problem.space.to_grid(subspace.deviations),
        statistics.geometry,
        statistics.data,
        statistics.precision,
    )
    np.testing.assert_allclose(linear, subspace.linear, atol=1e-3 * np.abs(linear).max())
    np.testing.assert_allclose(quadratic, subspace.quadratic, atol=1e-3 * np.abs(quadratic).max())


def test_close_to_the_end_few_cycles_do() -> None:
    """From what images tell of deviations blurred a little, the same is found in fewer cycles."""
    problem, _ = prepare(plant())
    random = fit(2)
    blurred = np.stack([gaussian_filter(one, 0.6) for one in random.deviations])
    grid = problem.space.to_grid(blurred.astype(np.float32))
    moments = problem.statistics.latent_moments(grid)
    again = fit(2, begin=replace(random, linear=moments[0], quadratic=moments[1]))
    assert again.n_cycles < random.n_cycles
    assert abs(correlation(again.deviations[-1], random.deviations[-1])) > 0.99
    np.testing.assert_allclose(again.information[-1], random.information[-1], rtol=0.02)

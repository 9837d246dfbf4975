"""Covariance of quantities that were measured with known errors, by maximum likelihood.

Each particle's measurement x_i is normal about its true value with covariance N_i, and true
values are normal with mean mu and covariance S. The plain covariance of the x_i holds the mean of
the N_i as well, and where N_i differ, it is dominated by the worst of them; the likelihood weighs
each measurement by what it knows (docs/derivations/covariance.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from cryofocus.calls import checked
from cryofocus.maths.population import fit_normal_population

# Where the start of a variance would not be positive, this part of the noise is taken.
SMALLEST_START = 1e-3
N_BOOTSTRAP = 400


@dataclass(frozen=True, eq=False)
class NormalFit:
    """Mean and covariance of the true values.

    Attributes:
        mean: `(region,)`.
        covariance: `(region, region)`, without the measurements' noise.
    """

    mean: Float64[np.ndarray, " region"]
    covariance: Float64[np.ndarray, "region region"]

    @property
    def correlation(self) -> Float64[np.ndarray, "region region"]:
        """Correlations; NaN where a variance is nothing."""
        return correlation_matrix(self.covariance)


def correlation_matrix(covariance: Float64[np.ndarray, "r r"]) -> Float64[np.ndarray, "r r"]:
    """Scale a covariance to unit variances; NaN where a variance is not positive."""
    variance = np.diag(covariance)
    deviation = np.sqrt(np.where(variance > 0, variance, np.nan))
    correlation = covariance / np.outer(deviation, deviation)
    return np.asarray(np.clip(correlation, -1.0, 1.0))


@checked
def fit_normal(
    values: Float64[np.ndarray, "n r"],
    noise: Float64[np.ndarray, "n r r"],
    start: NormalFit | None = None,
) -> NormalFit:
    """Fit mean and covariance of true values behind noisy measurements.

    Started from the moments unless told where.
    """
    precision = np.linalg.inv(noise)
    weighted = np.einsum("nij,nj->ni", precision, values)
    if start is None:
        start = NormalFit(values.mean(axis=0), _start(values, noise))
    return NormalFit(*fit_normal_population(weighted, precision, (start.mean, start.covariance)))


def _start(
    values: Float64[np.ndarray, "n r"], noise: Float64[np.ndarray, "n r r"]
) -> Float64[np.ndarray, "r r"]:
    """Return the covariance by moments, typical noise taken off, made positive definite."""
    typical = np.median(noise, axis=0)
    floor = SMALLEST_START * float(np.trace(typical)) / len(typical)
    low, high = np.percentile(values, [16, 84], axis=0)
    robust = np.maximum(((high - low) / 2) ** 2 - np.diag(typical), floor)
    return np.asarray(np.diag(robust))


def bootstrap_covariances(
    values: Float64[np.ndarray, "n r"],
    noise: Float64[np.ndarray, "n r r"],
    fit: NormalFit,
    generator: np.random.Generator,
    *,
    n_copies: int = 1,
) -> Float64[np.ndarray, "draw r r"]:
    """Return the covariances that particles drawn with replacement would give.

    One step of Fisher scoring from the fit, with the scores' own products as information, instead
    of a new fit of every draw (estimating function bootstrap, Hu & Kalbfleisch 2000).

    Args:
        values: Measurements.
        noise: Covariances of their errors.
        fit: To all particles.
        generator: Draws the particles.
        n_copies: Consecutive rows that belong to one particle, drawn together.
    """
    precision = np.linalg.inv(fit.covariance + noise)
    pull = np.einsum("nij,nj->ni", precision, values - fit.mean)
    gradient = 0.5 * (pull[:, :, None] * pull[:, None, :] - precision)
    first, second = np.triu_indices(values.shape[1])
    twice = np.where(first == second, 1.0, 2.0)
    scores = np.concatenate([twice * gradient[:, first, second], pull], axis=1)
    scale = np.sqrt(np.maximum((scores**2).sum(axis=0), np.finfo(float).tiny))
    information = (scores / scale).T @ (scores / scale)
    inverse = np.linalg.pinv(information, rcond=1e-8, hermitian=True) / np.outer(scale, scale)
    # Copies may say the same: information is of rows, what is drawn are particles.
    of_particles = scores.reshape(-1, n_copies, scores.shape[1]).sum(axis=1)
    influence = (of_particles - of_particles.mean(axis=0)) @ inverse
    n = len(influence)
    drawn = np.empty((N_BOOTSTRAP, *fit.covariance.shape))
    for number in range(N_BOOTSTRAP):
        counts = generator.multinomial(n, np.full(n, 1 / n))
        change = (counts @ influence)[: len(first)]
        drawn[number, first, second] = drawn[number, second, first] = change
    return np.asarray(fit.covariance + drawn)

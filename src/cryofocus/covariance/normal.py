"""Covariance of quantities that were measured with known errors: maximum likelihood by EM.

Each particle's measurement x_i is normal about its true value with covariance N_i, and true
values are normal with mean mu and covariance S. The plain covariance of the x_i holds the mean of
the N_i as well, and where N_i differ, it is dominated by the worst of them; the likelihood weighs
each measurement by what it knows (docs/derivations/covariance.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

MAX_CYCLES = 500
TOLERANCE = 1e-4
# Where the start of a variance would not be positive, this part of the noise is taken.
SMALLEST_START = 1e-3


@dataclass(frozen=True, eq=False)
class NormalFit:
    """Mean and covariance of the true values, and the covariance's standard errors.

    Attributes:
        mean: `(region,)`.
        covariance: `(region, region)`, without the measurements' noise.
        variance_error: `(region,)` standard error of each variance.
        correlation_error: `(region, region)` standard error of each correlation; 0 on the
            diagonal.
    """

    mean: Float64[np.ndarray, " region"]
    covariance: Float64[np.ndarray, "region region"]
    variance_error: Float64[np.ndarray, " region"]
    correlation_error: Float64[np.ndarray, "region region"]

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


def fit_normal(
    values: Float64[np.ndarray, "n r"], noise: Float64[np.ndarray, "n r r"]
) -> NormalFit:
    """Fit mean and covariance of true values behind noisy measurements.

    EM for a normal random effect with known error covariances (Laird & Ware, Biometrics 38
    (1982) 963), started from the moments.
    """
    precision = np.linalg.inv(noise)
    weighted = np.einsum("nij,nj->ni", precision, values)
    mean, covariance = values.mean(axis=0), _start(values, noise)
    identity = np.eye(values.shape[1])
    for _ in range(MAX_CYCLES):
        spread = np.linalg.solve(
            identity + covariance @ precision, np.broadcast_to(covariance, noise.shape)
        )
        centred = weighted - precision @ mean
        expected = np.einsum("nij,nj->ni", spread, centred)
        new_mean = mean + expected.mean(axis=0)
        expected += mean - new_mean
        new = spread.mean(axis=0) + expected.T @ expected / len(values)
        new = 0.5 * (new + new.T)
        change = np.abs(new - covariance).max() / max(np.abs(new).max(), np.finfo(float).tiny)
        mean, covariance = new_mean, new
        if change < TOLERANCE:
            break
    return NormalFit(mean, covariance, *_errors(covariance, noise))


def _start(
    values: Float64[np.ndarray, "n r"], noise: Float64[np.ndarray, "n r r"]
) -> Float64[np.ndarray, "r r"]:
    """Return the covariance by moments, typical noise taken off, made positive definite."""
    typical = np.median(noise, axis=0)
    floor = SMALLEST_START * float(np.trace(typical)) / len(typical)
    low, high = np.percentile(values, [16, 84], axis=0)
    robust = np.maximum(((high - low) / 2) ** 2 - np.diag(typical), floor)
    return np.asarray(np.diag(robust))


def _errors(
    covariance: Float64[np.ndarray, "r r"], noise: Float64[np.ndarray, "n r r"]
) -> tuple[Float64[np.ndarray, " r"], Float64[np.ndarray, "r r"]]:
    """Return standard errors from the Fisher information of each pair's three numbers."""
    n_regions = len(covariance)
    variance_error = np.sqrt(
        2 / ((covariance + noise)[:, range(n_regions), range(n_regions)] ** -2.0).sum(axis=0)
    )
    correlation_error = np.zeros((n_regions, n_regions))
    for first in range(n_regions):
        for second in range(first):
            pair = np.ix_([first, second], [first, second])
            inverse = np.linalg.inv((covariance + noise)[:, *pair])
            error = _correlation_error(covariance[pair], inverse)
            correlation_error[first, second] = correlation_error[second, first] = error
    return variance_error, correlation_error


def _correlation_error(
    covariance: Float64[np.ndarray, "2 2"], inverse: Float64[np.ndarray, "n 2 2"]
) -> float:
    """Propagate the information on (variance, covariance, variance) to the correlation."""
    directions = np.array([[[1.0, 0], [0, 0]], [[0, 1], [1, 0]], [[0, 0], [0, 1]]])
    moved = np.einsum("nij,ajk->naik", inverse, directions)
    information = 0.5 * np.einsum("naij,nbji->ab", moved, moved, optimize=True)
    (a, c), (_, b) = covariance
    if min(a, b) <= 0:
        return float("nan")
    slope = np.array([-0.5 * c / a, 1.0, -0.5 * c / b]) / np.sqrt(a * b)
    return float(np.sqrt(slope @ np.linalg.solve(information, slope)))

"""The normal population behind measurements whose errors are known and differ.

Member i's measurement says `linear_i.x - x.quadratic_i.x / 2` of its true value x, up to a
constant; true values are normal over the members. Expectation maximisation (Laird & Ware,
Biometrics 38 (1982) 963) creeps where the most likely covariance is singular, as it is where two
values always go together. Quasi-Newton steps of a factor of the covariance do not.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize

Linear = Float64[np.ndarray, "n q"]
Quadratic = Float64[np.ndarray, "n q q"]
Mean = Float64[np.ndarray, " q"]
Square = Float64[np.ndarray, "q q"]

MAX_STEPS, STEPS_KEPT = 100, 20
# Steps end when one gains less of the log-likelihood than this.
SMALLEST_GAIN = 0.0003
# Of correlations of the start: a factor that is zero would stay so.
SMALLEST_START = 1e-3
# Of a value of the start's size: what is hardly seen must not vary without bound.
SMALLEST_INFORMATION = 1e-4
MEMBERS_AT_ONCE = 2048


def fit_normal_population(
    linear: Linear,
    quadratic: Quadratic,
    start: tuple[Mean, Square],
    *,
    keep_mean: bool = False,
) -> tuple[Mean, Square]:
    """Return the mean and covariance of true values that measurements make most likely.

    Args:
        linear: Of each member's log-likelihood.
        quadratic: Likewise; positive semidefinite.
        start: Mean and covariance to start from, variances of the right order.
        keep_mean: Whether the mean is known, and stays.

    Returns:
        The covariance is positive semidefinite, and may be singular.
    """
    n, q = linear.shape
    # In units in which the start has unit variances, all steps are of one size.
    unit = np.sqrt(np.diag(start[1]))
    scaled = linear * unit
    weights = quadratic * np.outer(unit, unit) + SMALLEST_INFORMATION * np.eye(q)
    # Taken off, so that what a step gains is compared with what there is to gain.
    own = np.linalg.solve(weights, scaled[..., None])[..., 0]
    at_best = 0.5 * float((scaled * own).sum())
    mean, covariance = start[0] / unit, start[1] / np.outer(unit, unit)
    triangle = np.tril_indices(q)
    factor = np.linalg.cholesky(covariance + SMALLEST_START * np.eye(q))

    def unpack(values: Float64[np.ndarray, " p"]) -> tuple[Mean, Square]:
        lower = np.zeros((q, q))
        lower[triangle] = values[q:]
        return values[:q], lower

    def descend(values: Float64[np.ndarray, " p"]) -> tuple[float, Float64[np.ndarray, " p"]]:
        centre, lower = unpack(values)
        total, of_mean, of_covariance = -at_best, np.zeros(q), np.zeros((q, q))
        for first in range(0, n, MEMBERS_AT_ONCE):
            part = slice(first, first + MEMBERS_AT_ONCE)
            gain, pull, curvature = _score(scaled[part], weights[part], centre, lower)
            total += gain
            of_mean += pull
            of_covariance += curvature
        return -total / n, -np.concatenate([of_mean, (2 * of_covariance @ lower)[triangle]]) / n

    held = [(value, value) for value in mean] if keep_mean else [(None, None)] * q
    best = minimize(
        descend,
        np.concatenate([mean, factor[triangle]]),
        jac=True,
        bounds=held + [(None, None)] * len(triangle[0]),
        method="L-BFGS-B",
        options={
            "maxiter": MAX_STEPS,
            "maxcor": STEPS_KEPT,
            "ftol": SMALLEST_GAIN / n,
            "gtol": 0.0,
        },
    )
    centre, lower = unpack(best.x)
    return centre * unit, (lower @ lower.T) * np.outer(unit, unit)


def _score(
    linear: Linear, quadratic: Quadratic, mean: Mean, factor: Square
) -> tuple[float, Mean, Square]:
    """Return the log-likelihood and its gradients by the mean and by the covariance.

    With the covariance `L L^T` and `B = 1 + L^T A L`, nothing that may be singular is inverted.
    """
    centred = linear - quadratic @ mean
    seen = quadratic @ factor
    inner = np.eye(len(mean)) + np.einsum("ji,njk->nik", factor, seen)
    inverse = np.linalg.inv(inner)
    projected = centred @ factor
    solved = np.einsum("nij,nj->ni", inverse, projected)
    volume = np.log(np.diagonal(np.linalg.cholesky(inner), axis1=1, axis2=2)).sum()
    at_mean = float(linear.sum(axis=0) @ mean - 0.5 * mean @ quadratic.sum(axis=0) @ mean)
    likelihood = 0.5 * float((projected * solved).sum()) - float(volume) + at_mean
    pull = centred - np.einsum("nij,nj->ni", seen, solved)
    precision = quadratic.sum(axis=0) - np.einsum("nij,njk,nlk->il", seen, inverse, seen)
    return likelihood, pull.sum(axis=0), 0.5 * (pull.T @ pull - precision)

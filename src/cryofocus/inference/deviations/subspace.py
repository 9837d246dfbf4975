"""Principal deviations inside the focus mask, found without knowing any class.

Probabilistic principal component analysis (Tipping & Bishop 1999) on the small-box statistics:
particle i's deviation is a combination of q deviations with standard normal coordinates x_i. Its
posterior is normal with covariance `S = (1 + A)^-1` and mean `S b`, where `b` and `A` are the
linear and quadratic moments of the q slices (docs/derivations/subspace.md). Cycles alternate
between coordinates and deviations; after each, the coordinates are rotated and scaled to unit
covariance, so that the deviations separate by how much the images tell about them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.execution.monitor import Advance, uncounted
from cryofocus.inference.deviations.deviation import Coefficients, DeviationPrior, DeviationSpace
from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics
from cryofocus.placement import beside, namespace

# Out of random coordinates, information grows slowly before it settles.
MIN_CYCLES, MAX_CYCLES = 6, 36
# What is known of coordinates when they start from others' moments shows after a cycle.
MIN_CYCLES_ON = 2
TOLERANCE = 0.02
# Information of a coordinate that is too little to wait for; in pure noise all vanish.
NEGLIGIBLE = 0.003
# The less an image tells of a coordinate, the slower the cycles. So deviations go further than a
# cycle takes them, once coordinates are no longer random: by this factor where little is told. Of
# much, a cycle leaves little to go, and more of it would swing.
OVERSHOOT, PLAIN_CYCLES = 2.0, 3


@dataclass(frozen=True)
class Subspace:
    """Principal deviations and what each image tells about their coordinates.

    Attributes:
        deviations: `(q, d, d, d)` principal deviations, unit coordinate variance.
        linear: `(particle, q)`; the log-likelihood of coordinates x is `linear.x - x.quadratic.x /
            2`.
        quadratic: `(particle, q, q)`.
        information: `(q,)` mean signal-to-noise ratio of each coordinate in one image, ascending.
        n_cycles: Cycles it took.
    """

    deviations: Float32[np.ndarray, "q d d d"]
    linear: Float64[np.ndarray, "particle q"]
    quadratic: Float64[np.ndarray, "particle q q"]
    information: Float64[np.ndarray, " q"]
    n_cycles: int


def fit_subspace(
    statistics: ShardedStatistics,
    space: DeviationSpace,
    prior: DeviationPrior,
    begin: np.random.Generator | Subspace,
    advance: Advance = uncounted,
) -> Subspace:
    """Find principal deviations, as many as the prior has.

    The prior is kept: estimating it here, while nothing is known yet, would let weak deviations
    die out before they are found. There are at most `MAX_CYCLES` steps.

    Args:
        statistics: Of the images.
        space: What deviations can be.
        prior: Of the deviations.
        begin: Draws starting coordinates; or other deviations, close to those sought, and what
            the images tell of coordinates along them.
        advance: Called after each cycle.
    """
    n_dimensions = len(prior.mixing)
    if isinstance(begin, Subspace):
        _, mean, second, information = _standardise(begin.linear, begin.quadratic)
        n_plain, n_least = 0, MIN_CYCLES_ON
    else:
        mean = begin.standard_normal((len(statistics), n_dimensions))
        second, information = np.ones_like(mean), np.zeros(n_dimensions)
        n_plain, n_least = PLAIN_CYCLES, MIN_CYCLES
    coefficients: Coefficients | None = None
    for cycle in range(1, MAX_CYCLES + 1):
        sums = statistics.sum_slices(mean, second)
        found = space.solve(sums, prior, start=coefficients).coefficients
        if coefficients is not None and cycle > n_plain:
            further = (OVERSHOOT / (1 + 4 * information)).astype(np.float32)
            found += beside(further[:, None, None, None], found) * (found - coefficients)
        coefficients = found
        deviations = space.expand(coefficients, prior)
        linear, quadratic = statistics.latent_moments(space.to_grid(deviations))
        basis, mean, second, new_information = _standardise(linear, quadratic)
        # Coefficients follow the coordinates, so that the next solution starts close.
        rotation = beside(basis.T.astype(np.complex64), coefficients)
        coefficients = namespace(coefficients).tensordot(rotation, coefficients, axes=1)
        change = np.abs(new_information - information) / np.maximum(new_information, NEGLIGIBLE)
        information = new_information
        advance(note=f"strongest differences, cycle {cycle}")
        if cycle >= n_least and change.max() < TOLERANCE:
            break
    return Subspace(
        np.einsum("jk,jzyx->kzyx", basis.astype(np.float32), deviations),
        linear @ basis,
        np.einsum("ja,njk,kb->nab", basis, quadratic, basis, optimize=True),
        information,
        cycle,
    )


def _standardise(
    linear: Float64[np.ndarray, "particle q"], quadratic: Float64[np.ndarray, "particle q q"]
) -> tuple[
    Float64[np.ndarray, "q q"],
    Float64[np.ndarray, "particle q"],
    Float64[np.ndarray, "particle q"],
    Float64[np.ndarray, " q"],
]:
    """Choose the basis in which coordinates have unit covariance and information is diagonal.

    Returns the basis (old coordinates = basis @ new), posterior means and second moments of the
    new coordinates, and the mean information on each.
    """
    identity = np.eye(linear.shape[1])
    covariance = np.linalg.inv(identity + quadratic)
    mean = np.einsum("nij,nj->ni", covariance, linear)
    total = covariance.mean(axis=0) + mean.T @ mean / len(mean)
    root = np.linalg.cholesky(total)
    information, rotation = np.linalg.eigh(root.T @ quadratic.mean(axis=0) @ root)
    basis = root @ rotation
    inverse = np.linalg.inv(basis)
    new_mean = mean @ inverse.T
    variance = np.einsum("ai,nij,aj->na", inverse, covariance, inverse, optimize=True)
    return basis, new_mean, variance + new_mean**2, information

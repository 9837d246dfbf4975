"""Correlation of regions over single particles, corrected for the images' noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import ndtr

from cryofocus.arrays import AnyArray
from cryofocus.covariance.normal import (
    NormalFit,
    bootstrap_covariances,
    correlation_matrix,
    fit_normal,
)
from cryofocus.covariance.occupancy import Occupancies
from cryofocus.covariance.partial import partial_correlations
from cryofocus.covariance.significance import n_permutations, pair_p_values

# A region varies when its variance exceeds so many standard errors,
SIGNIFICANT = 3.0
# and its content this part of what a region as dense as the reference holds (standard deviation):
# smaller things happen where a neighbour moves or a mask is a little too small.
SMALLEST_SPREAD = 0.1
NORMAL_95, ONE_SIDED = 1.96, 0.025
# Of correlations: what a linear model with few fields leaves out, measured where the truth is
# known (docs/decisions/0019).
MODEL_ERROR = 0.02
# Correlations of 1 have no finite transform.
LARGEST_CORRELATION = 0.9995

Matrix = Float64[np.ndarray, "region region"]
Draws = Float64[np.ndarray, "draw region region"]


@dataclass(frozen=True, eq=False)
class ParticleCorrelation:
    """How regions vary over particles, and together; NaN where a region does not vary.

    Attributes:
        names: Of the regions.
        n_particles: Whose images told.
        fit: Mean and covariance of the contents, noise taken off.
        correlation: `(region, region)`; 1 on the diagonal.
        low: Lower ends of the 95 % intervals.
        high: Upper ends.
        spread: `(region,)` standard deviation of the content over the particles.
        spread_error: `(region,)` its standard error.
        noise_spread: `(region,)` median standard error of one particle's content.
        varies: `(region,)` whether it varies at all.
        p_values: `(region, region)` of the hypothesis that the two do not vary together.
        n_permutations: Behind the p-values.
        null: Correlations after every region's contents were shuffled over the particles.
        partial: Correlations given all other regions that vary.
        partial_low: Lower ends of their 95 % intervals.
        partial_high: Upper ends.
        inflation: By how much the uncertainty of the model's fields widens variances.
    """

    names: tuple[str, ...]
    n_particles: int
    fit: NormalFit
    correlation: Matrix
    low: Matrix
    high: Matrix
    spread: Float64[np.ndarray, " region"]
    spread_error: Float64[np.ndarray, " region"]
    noise_spread: Float64[np.ndarray, " region"]
    varies: Bool[np.ndarray, " region"]
    p_values: Matrix
    n_permutations: int
    null: Matrix
    partial: Matrix
    partial_low: Matrix
    partial_high: Matrix
    inflation: float


def correlate_particles(
    occupancies: Occupancies,
    generator: np.random.Generator,
    *,
    perturbed: Iterable[tuple[Occupancies, Occupancies]] = (),
    n_copies: int = 1,
) -> ParticleCorrelation:
    """Correlate regions over particles, test every pair, and repeat with shuffled regions.

    Intervals hold what another sample of particles would change, by bootstrap, what the
    uncertainty of the model's fields would, by its repetition with perturbed fields, and what
    the model leaves out. A pair's p-value is the larger one of a permutation of particles and of
    its covariance's error.

    Args:
        occupancies: Of every particle, with the covariance of their errors.
        generator: Of permutations, shuffles and the bootstrap.
        perturbed: The same measured with fields moved at random, there and back.
        n_copies: Consecutive rows that are copies of one particle under symmetry operators.
    """
    values, noise = occupancies.values, occupancies.noise
    fit = fit_normal(values, noise)
    drawn = bootstrap_covariances(values, noise, fit, generator, n_copies=n_copies)
    variance_error = np.diagonal(drawn, axis1=1, axis2=2).std(axis=0)
    varies = region_varies(fit, variance_error) & occupancies.is_seen
    both = np.outer(varies, varies)
    moves = [_half_difference(*pair, fit) for pair in perturbed]
    inflation = _inflation(moves, drawn, both)
    own = np.stack([correlation_matrix(one) for one in drawn])
    own_variance = np.maximum(np.nanvar(np.where(both, _transform(own), 0.0), axis=0), 1e-12)
    widened = inflation + MODEL_ERROR**2 / own_variance
    low, high = _reach_one(*_interval(fit.correlation, own, widened), fit, own, inflation)
    partial = partial_correlations(fit.covariance, varies)
    of_draws = np.stack([partial_correlations(one, varies) for one in drawn])
    partial_low, partial_high = _interval(partial, of_draws, widened)
    permuted = pair_p_values(values, noise, fit.covariance, generator, n_copies=n_copies)
    null = fit_normal(*shuffle_regions(values, noise, generator)).correlation
    spread = _spread(fit)
    identity = np.eye(len(varies), dtype=bool)

    def of_pairs(matrix: Matrix, diagonal: float) -> Matrix:
        return np.where(identity, diagonal, np.where(both, matrix, np.nan))

    return ParticleCorrelation(
        names=occupancies.names,
        n_particles=len(occupancies),
        fit=fit,
        correlation=of_pairs(fit.correlation, 1.0),
        low=of_pairs(low, 1.0),
        high=of_pairs(high, 1.0),
        spread=spread,
        spread_error=variance_error / (2 * np.maximum(spread, np.finfo(float).tiny)),
        noise_spread=np.sqrt(np.median(np.diagonal(noise, axis1=1, axis2=2), axis=0)),
        varies=varies,
        p_values=of_pairs(np.maximum(_wald_p_values(fit, drawn, inflation), permuted), 0.0),
        n_permutations=n_permutations(len(occupancies)),
        null=of_pairs(null, 1.0),
        partial=of_pairs(partial, 1.0),
        partial_low=of_pairs(partial_low, 1.0),
        partial_high=of_pairs(partial_high, 1.0),
        inflation=inflation,
    )


def region_varies(
    fit: NormalFit, variance_error: Float64[np.ndarray, " region"]
) -> Bool[np.ndarray, " region"]:
    """Tell regions that vary from those that do so only as much as noise and neighbours do."""
    variance = np.diag(fit.covariance)
    return np.asarray(variance > np.maximum(SMALLEST_SPREAD**2, SIGNIFICANT * variance_error))


def shuffle_regions(
    values: Float64[np.ndarray, "n r"],
    noise: Float64[np.ndarray, "n r r"],
    generator: np.random.Generator,
) -> tuple[Float64[np.ndarray, "n r"], Float64[np.ndarray, "n r r"]]:
    """Give each region the contents, with their errors, of other particles at random."""
    shuffled, errors = np.empty_like(values), np.zeros_like(noise)
    for region in range(values.shape[1]):
        order = generator.permutation(len(values))
        shuffled[:, region] = values[order, region]
        errors[:, region, region] = noise[order, region, region]
    return shuffled, errors


def _transform(correlation: AnyArray) -> AnyArray:
    """Fisher's z, whose errors are nearly normal."""
    within = np.clip(correlation, -LARGEST_CORRELATION, LARGEST_CORRELATION)
    return np.asarray(np.arctanh(within))


def _interval(correlation: Matrix, drawn: Draws, widened: Matrix) -> tuple[Matrix, Matrix]:
    """Return the ends of 95 % intervals, from the variance over draws, so many times as large."""
    centre = _transform(correlation)
    reach = NORMAL_95 * np.sqrt(np.var(_transform(drawn), axis=0) * widened)
    return np.tanh(centre - reach), np.tanh(centre + reach)


def _reach_one(
    low: Matrix, high: Matrix, fit: NormalFit, drawn: Draws, inflation: float
) -> tuple[Matrix, Matrix]:
    """Let intervals end at 1, or -1, where more than one draw in forty gets there."""
    centre, largest = _transform(fit.correlation), np.arctanh(LARGEST_CORRELATION)
    widest = centre + np.sqrt(inflation) * (_transform(drawn) - centre)
    may_be_one = np.mean(widest >= largest, axis=0) > ONE_SIDED
    may_be_minus_one = np.mean(widest <= -largest, axis=0) > ONE_SIDED
    return np.where(may_be_minus_one, -1.0, low), np.where(may_be_one, 1.0, high)


def _wald_p_values(fit: NormalFit, drawn: Draws, inflation: float) -> Matrix:
    """Compare covariances with their errors: near 1, a correlation's are far from normal."""
    spread = _spread(fit)
    of_model = (MODEL_ERROR * np.outer(spread, spread)) ** 2
    error = np.sqrt(np.maximum(inflation * drawn.var(axis=0) + of_model, np.finfo(float).tiny))
    return np.asarray(2 * ndtr(-np.abs(fit.covariance) / error))


def _spread(fit: NormalFit) -> Float64[np.ndarray, " region"]:
    """Return the standard deviations of the contents."""
    return np.asarray(np.sqrt(np.maximum(np.diag(fit.covariance), 0.0)))


def _half_difference(there: Occupancies, back: Occupancies, start: NormalFit) -> Matrix:
    """Return how far a move of the fields moves the correlations."""
    ends = [fit_normal(one.values, one.noise, start).correlation for one in (there, back)]
    return np.asarray((ends[0] - ends[1]) / 2)


def _inflation(
    moves: list[Matrix],
    drawn: Draws,
    both: Bool[np.ndarray, "region region"],
) -> float:
    """Return by how much moves of the fields widen the bootstrap's variances, over all pairs.

    Of the correlations themselves: pairs near 1, whose transforms are unbounded, count little.
    """
    pairs = both & np.triu(np.ones_like(both), 1)
    if not moves or not pairs.any():
        return 1.0
    moved = np.mean([one[pairs] ** 2 for one in moves], axis=0)
    variance = np.var([correlation_matrix(one)[pairs] for one in drawn], axis=0)
    return 1.0 + float(moved.sum() / max(variance.sum(), 1e-12))

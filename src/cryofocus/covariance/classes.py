"""Correlation of regions over the classes of independent runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.optimize import linear_sum_assignment
from scipy.special import fdtrc

from cryofocus.covariance.normal import correlation_matrix
from cryofocus.covariance.regions import RunMasses
from cryofocus.maths.copies import find_effective_classes

# Of fewer classes no correlation is drawn: two points always lie on a line, and of three chance
# puts half of all pairs beyond 0.7.
FEWEST_STATES = 4
# A region varies when chance would make it vary as much in fewer than one of a hundred cases.
SIGNIFICANCE = 0.01
N_BOOTSTRAP = 2000
INTERVAL_PERCENT = (2.5, 97.5)
# A resampled set in which a region varies less than this many times its error cannot tell.
TELLING_RATIO = 2.0
SMALLEST_TELLING = 0.1
Matrix = Float64[np.ndarray, "region region"]


@dataclass(frozen=True, eq=False)
class ClassCorrelation:
    """How regions vary over classes, and together.

    Attributes:
        correlation: `(region, region)` Pearson; NaN where a region does not vary, and everywhere
            but on the diagonal with fewer than four states.
        low: Lower ends of their 95 % intervals; NaN likewise, or where too few samples could tell.
        high: Upper ends.
        varies: `(region,)` whether a region's mass varies beyond its error.
        variation_p: `(region,)` p-value of the hypothesis that it does not.
        spread: `(region,)` largest less smallest mass of a state.
        error: `(region,)` root mean square standard error of the masses.
        n_points: Classes of all runs.
        n_states: Classes after matching over the runs.
    """

    correlation: Matrix
    low: Matrix
    high: Matrix
    varies: Bool[np.ndarray, " region"]
    variation_p: Float64[np.ndarray, " region"]
    spread: Float64[np.ndarray, " region"]
    error: Float64[np.ndarray, " region"]
    n_points: int
    n_states: int


def correlate_classes(
    runs: Sequence[RunMasses],
    states: Sequence[Int[np.ndarray, " class"]],
    generator: np.random.Generator,
) -> ClassCorrelation:
    """Correlate the regions' masses over the classes of all runs.

    Runs that share their particles also share the errors of matching classes: averaging runs
    makes masses no more certain. So a region varies if the states' mean masses do, by their
    errors; and the bootstrap draws states and runs with replacement and adds each state one error.

    Args:
        runs: Masses of each run's classes.
        states: For each run, the state each class was matched to, counted from 0; runs that do not
            share particles have states of their own.
        generator: Of the bootstrap.
    """
    state = np.concatenate(states)
    masses = np.concatenate([run.masses for run in runs])
    n_states = int(state.max()) + 1
    mean = _by_state(masses, state, n_states)
    variance = _by_state(np.concatenate([run.errors for run in runs]) ** 2, state, n_states)
    p_value = variation_p_values(mean, variance)
    varies = p_value < SIGNIFICANCE
    low, high = _intervals(runs, states, np.sqrt(variance), generator)
    both, correlation = np.outer(varies, varies), _correlation(masses)
    both &= n_states >= FEWEST_STATES
    both |= np.eye(len(varies), dtype=bool)
    np.fill_diagonal(correlation, 1.0)
    # Errors added to masses that have them already draw high correlations down, so that the
    # interval may miss what was found; it is widened to hold it.
    return ClassCorrelation(
        correlation=np.where(both, correlation, np.nan),
        low=np.where(both, np.fmin(low, correlation), np.nan),
        high=np.where(both, np.fmax(high, correlation), np.nan),
        varies=varies,
        variation_p=p_value,
        spread=np.ptp(mean, axis=0),
        error=np.sqrt(variance.mean(axis=0)),
        n_points=len(masses),
        n_states=n_states,
    )


def merge_copies(
    masses: RunMasses, posteriors: Float64[np.ndarray, "particle n_classes"]
) -> tuple[RunMasses, Float64[np.ndarray, "particle group"]]:
    """Count classes that are copies of one another once, and empty ones not at all.

    Returns:
        Masses of the effective classes, each the mean of its copies by weight, and posteriors.
    """
    effective = find_effective_classes(posteriors)
    weights = posteriors.mean(axis=0)
    shares = np.zeros((len(effective), len(weights)))
    for row, group in enumerate(effective.groups):
        members = list(group)
        shares[row, members] = weights[members] / weights[members].sum()
    merged = RunMasses(shares @ masses.masses, np.sqrt(shares**2 @ masses.errors**2))
    return merged, effective.merge(posteriors)


def match_states(
    posteriors: Sequence[Float64[np.ndarray, "particle _"]],
) -> list[Int[np.ndarray, " class"]]:
    """Match the classes of runs on the same particles; each class of a run gets a state.

    Classes of a run are assigned to those of the first so that most particles agree (Hungarian
    method); what is left over when a run has more classes gets states of its own.
    """
    reference = posteriors[0]
    n_states = reference.shape[1]
    states = [np.arange(n_states)]
    for other in posteriors[1:]:
        own = np.full(other.shape[1], -1)
        rows, columns = linear_sum_assignment(-(reference.T @ other))
        own[columns] = rows
        left = np.flatnonzero(own < 0)
        own[left] = n_states + np.arange(len(left))
        n_states += len(left)
        states.append(own)
    return states


def separate_states(n_classes: Sequence[int]) -> list[Int[np.ndarray, " class"]]:
    """Give every class of every run a state of its own: runs without common particles."""
    first = np.concatenate([[0], np.cumsum(n_classes)[:-1]])
    return [start + np.arange(n) for start, n in zip(first, n_classes, strict=True)]


def _by_state(
    values: Float64[np.ndarray, "point region"], state: Int[np.ndarray, " point"], n_states: int
) -> Float64[np.ndarray, "state region"]:
    member = np.eye(n_states)[state]
    return np.asarray((member.T @ values) / member.sum(axis=0)[:, None])


def variation_p_values(
    mean: Float64[np.ndarray, "state region"], variance: Float64[np.ndarray, "state region"]
) -> Float64[np.ndarray, " region"]:
    """Test for each region whether its mass is the same in all states.

    F test of the states' masses against their errors, which were estimated from as many half map
    differences as there are states.

    Args:
        mean: Masses of the states.
        variance: Their squared errors.
    """
    n_states = len(mean)
    if n_states < 2:
        return np.ones(mean.shape[1])
    safe = np.maximum(variance, np.finfo(float).tiny)
    centre = (mean / safe).sum(axis=0) / (1 / safe).sum(axis=0)
    ratio = ((mean - centre) ** 2 / safe).sum(axis=0) / (n_states - 1)
    return np.asarray(fdtrc(n_states - 1, n_states, ratio))


def _correlation(masses: Float64[np.ndarray, "point region"]) -> Matrix:
    if len(masses) < 2:
        return np.full((masses.shape[1],) * 2, np.nan)
    return correlation_matrix(np.atleast_2d(np.cov(masses, rowvar=False)))


def _intervals(
    runs: Sequence[RunMasses],
    states: Sequence[Int[np.ndarray, " _"]],
    error: Float64[np.ndarray, "state region"],
    generator: np.random.Generator,
) -> tuple[Matrix, Matrix]:
    """Bootstrap over runs and states, with the masses' errors added."""
    n_states, n_regions = error.shape
    drawn = np.full((N_BOOTSTRAP, n_regions, n_regions), np.nan)
    rms = np.sqrt((error**2).mean(axis=0))
    for sample in range(N_BOOTSTRAP):
        chosen_runs = generator.integers(len(runs), size=len(runs))
        copies = np.bincount(generator.integers(n_states, size=n_states), minlength=n_states)
        noise = error * generator.standard_normal(error.shape)
        points = np.concatenate(
            [
                np.repeat(runs[r].masses + noise[states[r]], copies[states[r]], axis=0)
                for r in chosen_runs
            ]
        )
        if len(points) < 2:
            continue
        telling = points.std(axis=0) > TELLING_RATIO * rms
        drawn[sample] = np.where(np.outer(telling, telling), _correlation(points), np.nan)
    enough = np.isfinite(drawn).mean(axis=0) >= SMALLEST_TELLING
    # Where no sample could tell there is no percentile; zeros stand in and are masked.
    filled = np.where(enough, drawn, 0.0)
    low, high = np.nanpercentile(filled, INTERVAL_PERCENT, axis=0)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)

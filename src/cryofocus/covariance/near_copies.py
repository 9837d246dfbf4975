"""Runs that ought to be independent, and say the same."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

# Two random starts on a set where they agree well (96 % of the particles alike) differ by 0.16 of
# their uncertainty, two starts in one subspace by 0.008 (docs/derivations/covariance.md).
SAME = 0.02
# Posteriors with less uncertainty than this, or less that tells particles apart, are silent.
SMALLEST = 1e-3

Posteriors = Float64[np.ndarray, "particle _"]


def posterior_difference(first: Posteriors, second: Posteriors) -> float:
    """Return how much two runs' posteriors differ, after matching the classes.

    Mean over the particles of the probability that would have to move, over the mean probability
    that the first run's most probable class is wrong: however sure runs are, what they are unsure
    of depends on where they started.

    Returns:
        0 for the same posteriors up to the order of the classes. Infinite for different numbers
        of classes, and where posteriors cannot tell: where a run is sure of every particle, or
        has nothing to say of any.
    """
    if first.shape != second.shape:
        return float("inf")
    uncertainty = float((1 - first.max(axis=1)).mean())
    telling = float(np.abs(first - first.mean(axis=0)).sum(axis=1).mean() / 2)
    if min(uncertainty, telling) < SMALLEST:
        return float("inf")
    _, columns = linear_sum_assignment(-(first.T @ second))
    return float(np.abs(first - second[:, columns]).sum(axis=1).mean() / 2 / uncertainty)

"""Whether two quantities vary together: permutation tests, and many of them at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

# Permutations of a small set, and what permutations of a large one may cost altogether.
MOST_PERMUTATIONS, FEWEST_PERMUTATIONS = 9999, 1999
PERMUTED_PARTICLES = 2e8


def n_permutations(n_particles: int) -> int:
    """Return how often a set of so many particles is permuted; the smallest p is 1/(this + 1)."""
    affordable = int(PERMUTED_PARTICLES / max(n_particles, 1))
    return min(max(affordable, FEWEST_PERMUTATIONS), MOST_PERMUTATIONS)


def pair_p_values(
    values: Float64[np.ndarray, "n r"],
    noise: Float64[np.ndarray, "n r r"],
    covariance: Float64[np.ndarray, "r r"],
    generator: np.random.Generator,
    *,
    n_copies: int = 1,
) -> Float64[np.ndarray, "r r"]:
    """Test for every pair of regions whether their covariance is zero, by permutation.

    The statistic of a pair is the score of its covariance at zero: with V_i the pair's noise plus
    its variances and g_i = V_i^-1 (x_i - mean), the sum of `g_i1 g_i2 - (V_i^-1)_12`, which takes
    the covariance of the noise itself off. Under the hypothesis, one region's g say nothing of
    the other's, so their assignment to particles is permuted.

    Args:
        values: Measurements (particle, region).
        noise: Covariances of their errors.
        covariance: Of the true values; only the variances are used.
        generator: Of the permutations.
        n_copies: Consecutive rows that are copies of one particle under symmetry operators; they
            stay together, because what they show need not be independent.

    Returns:
        Two-sided p-values; 0 on the diagonal.
    """
    n, n_regions = values.shape
    first, second = np.triu_indices(n_regions, 1)
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    scores = [_scores(values, noise, covariance, pair) for pair in pairs]
    left = np.stack([score[0] for score in scores]).reshape(len(scores), -1, n_copies)
    right = np.stack([score[1] for score in scores]).reshape(left.shape)
    observed = np.abs((left * right).sum(axis=(1, 2)) - [score[2] for score in scores])
    n_rounds = n_permutations(n)
    exceeding = np.zeros(len(scores))
    for _ in range(n_rounds):
        order = generator.permutation(left.shape[1])
        exceeding += np.abs(np.einsum("pnc,pnc->p", left, right[:, order])) >= observed
    p_values = np.zeros((n_regions, n_regions))
    p_values[first, second] = p_values[second, first] = (exceeding + 1) / (n_rounds + 1)
    return p_values


def _scores(
    values: Float64[np.ndarray, "n r"],
    noise: Float64[np.ndarray, "n r r"],
    covariance: Float64[np.ndarray, "r r"],
    pair: tuple[int, int],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], float]:
    """Return both regions' g, centred, and the sum that noise alone would give."""
    rows = np.array(pair)
    total = noise[:, rows[:, None], rows] + np.diag(np.maximum(np.diag(covariance)[rows], 0))
    inverse = np.linalg.inv(total)
    # Means are weighted as the scores weigh the values.
    weighted = np.einsum("nij,nj->ni", inverse, values[:, rows])
    mean = np.linalg.solve(inverse.sum(axis=0), weighted.sum(axis=0))
    g = weighted - inverse @ mean
    return g[:, 0], g[:, 1], float(inverse[:, 0, 1].sum())


def adjust_p_values(p_values: Float[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """Adjust p-values for their number, after Benjamini & Hochberg (1995)."""
    m = len(p_values)
    order = np.argsort(p_values)
    scaled = np.asarray(p_values, np.float64)[order] * m / np.arange(1, m + 1)
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted

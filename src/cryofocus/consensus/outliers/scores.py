"""Images that do not show what the others show, by what `match` measured of every image.

Intensities and contrasts of most images are taken to be normal; who is how far from them is
judged with a mean and a covariance that the outliers themselves do not move
(docs/derivations/outliers.md).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy.special import chdtr

from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.outliers.views import Views, chi_square_quantile, level_views

# An image beyond so many standard deviations is hardly one of the particle.
OUTLYING = 4.0
# Groups of fewer particles have no centre of their own, and sets of fewer per number no bands.
SMALLEST_GROUP, SMALLEST_SET = 100, 10
# A group whose intensities are below this part of the set's is a group of outliers.
LEAST_INTENSITY = 0.5
# Of normal images, so many stay when mean and covariance are estimated.
KEPT = 0.95
MAX_STEPS, SCALE_STEPS, TOLERANCE = 30, 8, 1e-4
# More images than these do not make mean and covariance noticeably better.
MOST_SAMPLED = 50_000
# Variance of what nothing is known of.
UNKNOWN = 1e6
# Contrasts are no better than single precision lets sums be.
ROUNDING = 1e-4
CHUNK_PARTICLES = 4096

Values = Float64[np.ndarray, "particle value"]


def outlier_scores(
    match: ImageMatch, groups: Int[np.ndarray, " particle"], views: Views
) -> Float64[np.ndarray, " particle"]:
    """Return how far each image is from the others, in standard deviations.

    The larger of two: how far its intensity is off, and how far intensities and contrasts of all
    bands together are, brought to the scale of a normal distribution; both beside the images of
    about the same view.

    Args:
        match: What was measured of every image.
        groups: Optics group of every particle; each has its own centre.
        views: Unit vector x, y, z from which every particle is seen.

    Returns:
        Of an image that does not count, and says nothing, 0.
    """
    counts = match.n_coefficients.any(axis=1)
    if counts.all():
        return _scores(match, groups, views)
    rows, score = np.flatnonzero(counts), np.zeros(len(match))
    if len(rows):
        score[rows] = _scores(match.take(rows), groups[rows], views[rows])
    return score


def _scores(
    match: ImageMatch, groups: Int[np.ndarray, " particle"], views: Views
) -> Float64[np.ndarray, " particle"]:
    summed = tuple(one.sum(axis=1, keepdims=True) for one in match.sums)
    _, linear, quadratic, *_ = summed
    whole = _intensities(linear, quadratic)
    centres = _Centres(whole[0][:, 0], groups)
    excess = centres.subtract(whole[0])[:, 0]
    square = level_views(_square_distances(*whole, centres), excess, views, 1)
    score = np.asarray(np.sqrt(square))
    values, variances = _banded_values(match)
    is_known = np.median(variances, axis=0) < UNKNOWN
    values, variances = values[:, is_known], variances[:, is_known]
    n_values = values.shape[1]
    if n_values == 0 or len(match) < SMALLEST_SET * n_values:
        return score
    square = _square_distances(values, variances, centres)
    square = level_views(square, excess, views, n_values)
    return np.asarray(np.maximum(score, _as_normal(square, n_values)))


def _banded_values(match: ImageMatch) -> tuple[Values, Values]:
    """Return intensities and contrasts of all bands, and their variances."""
    bands = _intensities(match.linear, match.quadratic)
    contrast = _contrasts(match)
    values, variances = (
        np.concatenate(both, axis=1) for both in zip(bands, contrast, strict=True)
    )
    return values, variances


def count_outliers(score: Float64[np.ndarray, " particle"]) -> int:
    """Count the images that are hardly images of the particle."""
    return int(np.count_nonzero(score > OUTLYING))


def _intensities(linear: Values, quadratic: Values) -> tuple[Values, Values]:
    """Return the intensities of greatest likelihood and their variances."""
    says = quadratic > 1 / UNKNOWN
    safe = np.where(says, quadratic, 1.0)
    return np.where(says, linear / safe, 0.0), np.where(says, 1 / safe, UNKNOWN)


def _contrasts(match: ImageMatch) -> tuple[Values, Values]:
    """Return how much the power left follows the CTF, 1 as the noise model says; variances.

    Power from anything else, such as a neighbour or thick ice, passed the same CTF: the contrast
    does not see it.
    """
    tiny = np.finfo(np.float64).tiny
    is_known = (match.weight > 0) & (match.power > 0)
    weight = np.where(is_known, match.weight, 1.0)
    counts = np.maximum(match.n_coefficients, 1.0)
    mean_power = np.maximum(match.power / counts, tiny)
    contrast = match.modulated / weight / mean_power
    variance = np.maximum(2 * (match.square_weight / weight**2 - 1 / counts), ROUNDING**2)
    for one in range(contrast.shape[1]):
        rows = np.flatnonzero(is_known[:, one])
        contrast[rows, one] -= _off_by(contrast[rows, one] - 1, variance[rows, one])
    return np.where(is_known, contrast, 1.0), np.where(is_known, variance, UNKNOWN)


def _off_by(
    contrast: Float64[np.ndarray, " particle"], variance: Float64[np.ndarray, " particle"]
) -> Float64[np.ndarray, " particle"]:
    """Return how far the contrasts of one band are off because the noise model is.

    Power that it gets wrong near zeros of the CTF moves the contrast of every image by the same
    multiple of its variance: not at all where the CTF is the same all over the band. The multiple
    is that of least absolute deviations, which wrong CTFs do not move.
    """
    if len(contrast) == 0:
        return contrast
    slope = contrast / variance
    order = np.argsort(slope)
    weight = np.cumsum(np.sqrt(variance)[order])
    return np.asarray(slope[order[np.searchsorted(weight, weight[-1] / 2)]] * variance)


class _Centres:
    """Medians of large groups, and of the set for all others."""

    def __init__(
        self, intensity: Float64[np.ndarray, " particle"], groups: Int[np.ndarray, " particle"]
    ) -> None:
        least = LEAST_INTENSITY * float(np.median(intensity))
        self._rows = []
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            if len(rows) >= SMALLEST_GROUP and np.median(intensity[rows]) > least:
                self._rows.append(rows)

    def subtract(self, values: Values) -> Values:
        """Return values from their centres."""
        centred = values - np.median(values, axis=0)
        for rows in self._rows:
            centred[rows] = values[rows] - np.median(values[rows], axis=0)
        return np.asarray(centred)


def _square_distances(
    values: Values, variances: Values, centres: _Centres
) -> Float64[np.ndarray, " particle"]:
    """Return squared Mahalanobis distances, whose median is that of normal values.

    The covariance is that of the images' differences, estimated without those that are far off,
    and each image's own variances.
    """
    values = centres.subtract(values)
    sample: slice | Int[np.ndarray, " sampled"] = slice(None)
    if len(values) > MOST_SAMPLED:
        drawn = np.random.default_rng(0).choice(len(values), MOST_SAMPLED, replace=False)
        sample = np.sort(drawn)
    centre, covariance = _most_images(values[sample], variances[sample])
    values -= centre
    return _scale(_lengths(values, covariance, variances), values.shape[1])[0]


def _most_images(
    values: Values, variances: Values
) -> tuple[Float64[np.ndarray, " value"], Float64[np.ndarray, "value value"]]:
    """Return mean and covariance of the images' differences, without those that are far off."""
    n_values = values.shape[1]
    # Without the tails, variances of normal values are smaller by this.
    shrunk = float(chdtr(n_values + 2, chi_square_quantile(KEPT, n_values))) / KEPT
    spread = (np.median(np.abs(values), axis=0) / 0.6745) ** 2 - np.median(variances, axis=0)
    covariance = np.diag(np.maximum(spread, 0))
    centre = np.zeros(n_values)
    for _ in range(MAX_STEPS):
        _, kept = _scale(_lengths(values - centre, covariance, variances), n_values)
        before = covariance
        centre = _weighted_mean(values[kept], variances[kept])
        covariance = _difference_covariance(values[kept] - centre, variances[kept], shrunk)
        if np.abs(covariance - before).max() <= TOLERANCE * np.abs(before).max():
            break
    return centre, covariance


def _scale(
    square: Float64[np.ndarray, " particle"], n_values: int
) -> tuple[Float64[np.ndarray, " particle"], Bool[np.ndarray, " particle"]]:
    """Scale squared distances so that the median of the near ones is right; say which they are."""
    cut, kept = chi_square_quantile(KEPT, n_values), np.ones(len(square), bool)
    median, tiny = chi_square_quantile(0.5, n_values), float(np.finfo(np.float64).tiny)
    for _ in range(SCALE_STEPS):
        square = square * (median / max(float(np.median(square[kept])), tiny))
        kept, median = square <= cut, chi_square_quantile(KEPT / 2, n_values)
    return square, kept


def _lengths(
    values: Values, covariance: Float64[np.ndarray, "value value"], variances: Values
) -> Float64[np.ndarray, " particle"]:
    """Return x . (C + diag v)^-1 x of each image."""
    eye = np.eye(len(covariance))
    # What neither differs nor is uncertain, such as images without a signal, counts for nothing.
    least = np.finfo(np.float64).eps * np.trace(covariance) + np.finfo(np.float32).tiny
    lengths = np.empty(len(values))
    for start in range(0, len(values), CHUNK_PARTICLES):
        rows = slice(start, start + CHUNK_PARTICLES)
        own = (variances[rows, :, None] + least) * eye + covariance
        solved = np.linalg.solve(own, values[rows, :, None])[:, :, 0]
        lengths[rows] = (values[rows] * solved).sum(axis=1)
    return lengths


def _weighted_mean(values: Values, variances: Values) -> Float64[np.ndarray, " value"]:
    weights = 1 / np.maximum(variances, np.finfo(np.float64).tiny)
    weights /= np.maximum(weights.max(axis=0, initial=0), np.finfo(np.float64).tiny)
    total = np.maximum(weights.sum(axis=0), np.finfo(np.float64).tiny)
    return np.asarray((weights * values).sum(axis=0) / total)


def _difference_covariance(
    values: Values, variances: Values, shrunk: float
) -> Float64[np.ndarray, "value value"]:
    """Return the covariance beyond the images' own variances, nowhere negative."""
    n = max(len(values), 1)
    found = values.T @ values / (n * shrunk) - np.diag(variances.sum(axis=0) / n)
    lengths, axes = np.linalg.eigh(found)
    return np.asarray((axes * np.maximum(lengths, 0)) @ axes.T)


def _as_normal(
    square: Float64[np.ndarray, " particle"], n_values: int
) -> Float64[np.ndarray, " particle"]:
    """Bring chi-squared values to a normal distribution's scale (Wilson & Hilferty 1931)."""
    spread = 2 / (9 * n_values)
    return np.asarray(((square / n_values) ** (1 / 3) - (1 - spread)) / np.sqrt(spread))

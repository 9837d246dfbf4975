"""How the images of a group show the consensus, band by band, beside those of other groups.

A wrong CTF or pixel size takes from some bands and not from others; what all bands lose or gain
alike is intensity.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.consensus.match import ImageMatch

# A median of absolute deviations, times this, is a standard deviation.
MAD = 1.4826

PerBand = Float64[np.ndarray, "group band"]


def odd_groups(
    match: ImageMatch,
    groups: Int[np.ndarray, " particle"],
    smallest: int,
    least_change: float,
    significant: float,
) -> tuple[int, ...]:
    """Find groups whose intensities by band have another shape than most groups'.

    Args:
        match: What was measured of every image.
        groups: Group of every particle.
        smallest: Groups of fewer particles are not judged.
        least_change: Part by which a band must differ from the group's other bands.
        significant: Standard deviations by which it must.

    Returns:
        The groups, the oddest first.
    """
    names, index, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    is_large = sizes >= smallest
    if is_large.sum() < 2:
        return ()
    linear, quadratic = (_sum_groups(one, index) for one in (match.linear, match.quadratic))
    tiny = np.finfo(np.float32).tiny
    profile = linear / np.maximum(quadratic, tiny)
    variance = 1 / np.maximum(quadratic, tiny) + _spread(match, profile[index]) / sizes[:, None]
    change, deviation = _shapes(profile[is_large], variance[is_large])
    significance = np.abs(change) / deviation
    is_odd = (np.abs(change) > least_change) & (significance > significant)
    oddity = np.where(is_odd, significance, 0).max(axis=1)
    order = np.argsort(-oddity, kind="stable")
    return tuple(names[is_large][order[oddity[order] > 0]].tolist())


def _sum_groups(
    values: Float64[np.ndarray, "particle band"], index: Int[np.ndarray, " particle"]
) -> PerBand:
    columns = [np.bincount(index, weights=column) for column in values.T]
    return np.stack(columns, axis=1)


def _spread(
    match: ImageMatch, centre: Float64[np.ndarray, "particle band"]
) -> Float64[np.ndarray, " band"]:
    """Return the variance of intensities between images of one group, beyond their noise."""
    quadratic = np.maximum(match.quadratic, np.finfo(np.float32).tiny)
    found = MAD * np.median(np.abs(match.linear / quadratic - centre), axis=0)
    return np.asarray(np.maximum(found**2 - np.median(1 / quadratic, axis=0), 0))


def _shapes(profile: PerBand, variance: PerBand) -> tuple[PerBand, PerBand]:
    """Return by which part each band differs from a group's mean, and standard deviations."""
    usual = np.median(profile, axis=0)
    usual = np.where(usual > 0, usual, np.inf)
    ratio, weight = profile / usual, usual**2 / variance
    weight = np.where(np.isfinite(weight), weight, 0.0)
    total = np.maximum(weight.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    level = (ratio * weight).sum(axis=1, keepdims=True) / total
    # Of a group without intensity, bands are compared with the usual ones.
    level = np.where(level > 0.2, level, 1.0)
    deviation = np.sqrt(variance) / usual / level
    change = np.where(np.isfinite(usual), ratio / level - 1, 0.0)
    return change, np.where(deviation > 0, deviation, np.inf)

"""How far images are from the others among those that see the particle from about the same side.

What differs between particles beyond noise shows from some sides and not from others: an arm that
moves along the view changes hardly anything. Distances that take one spread for all views call
the images of those that show the change outliers, the more so the less else there is to see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int
from scipy.spatial import KDTree
from scipy.special import gammaincinv, gammaln

from cryofocus.maths.sampling import hemisphere_directions

# Spreads are measured around so many directions, on the nearest images.
DIRECTIONS, FEWEST_NEAR = 200, 150
# An image takes the mean of those nearest to its view.
BETWEEN = 3
# Numbers of images on the two sides of the mean differ by chance, in standard deviations.
BY_CHANCE = 2.0
# Of normal images, so many are near; they decide the scale, in so many steps.
KEPT, STEPS = 0.95, 8


@dataclass(frozen=True)
class _Normal:
    """Squared distances of normal values: below which most are, their median, that of most."""

    cut: float
    median: float
    median_kept: float

    @classmethod
    def of(cls, n_values: int) -> _Normal:
        """Return those of so many values."""
        return cls(*(chi_square_quantile(share, n_values) for share in (KEPT, 0.5, KEPT / 2)))


Views = Float64[np.ndarray, "particle 3"]


def chi_square_quantile(share: float, n_values: int) -> float:
    """Return what squared distances of so many normal values stay below with this probability.

    scipy.stats has it too, but takes longer to load than small sets to be judged.
    """
    return 2 * float(gammaincinv(n_values / 2, share))


def level_views(
    square: Float64[np.ndarray, " particle"],
    excess: Float64[np.ndarray, " particle"],
    views: Views,
    n_values: int,
) -> Float64[np.ndarray, " particle"]:
    """Scale squared distances such that their median is that of normal values in every view.

    Junk shows less of the particle than the others do, never more. Of the images around a
    direction that show less, the nearest count, hardly more than there are that show more, so
    that junk that gathers in one view does not set its own standard.

    Args:
        square: Squared distances, on the scale of normal values over the whole set.
        excess: How much more of the particle an image shows than most do.
        views: Unit vectors x, y, z from which each particle is seen; opposite ones are the same.
        n_values: Number of values that each distance was made of.

    Returns:
        The same, where there are too few images to tell one view from another.
    """
    if len(square) < 2 * FEWEST_NEAR:
        return square
    around = hemisphere_directions(DIRECTIONS)
    n_near = max(FEWEST_NEAR, len(square) // DIRECTIONS)
    near = np.asarray(KDTree(_both(views)).query(around, k=n_near)[1]) % len(views)
    normal = _Normal.of(n_values)
    scale = [_scale_of(square, excess, rows, normal) for rows in near]
    distance, places = KDTree(_both(around)).query(views, k=BETWEEN)
    weight = 1 / np.maximum(distance, np.finfo(np.float32).tiny)
    weight /= weight.sum(axis=1, keepdims=True)
    logarithm = _without_chance(np.log(scale), n_near, n_values)[places % DIRECTIONS]
    return np.asarray(square * np.exp((weight * logarithm).sum(axis=1)))


def _both(directions: Float64[np.ndarray, "n 3"]) -> Float64[np.ndarray, "m 3"]:
    """Return directions and their opposites."""
    return np.concatenate([directions, -directions])


def _without_chance(
    logarithm: Float64[np.ndarray, " direction"], n_near: int, n_values: int
) -> Float64[np.ndarray, " direction"]:
    """Draw scales towards that of the whole set as far as they differ by chance alone."""
    middle, half = chi_square_quantile(0.5, n_values), n_values / 2
    # That of the logarithm of a median; x times the density of squared distances at it.
    weight = float(np.exp(half * np.log(middle / 2) - middle / 2 - gammaln(half)))
    by_chance = 1 / (4 * n_near * weight**2)
    found = max(float(np.mean(logarithm**2)), float(np.finfo(np.float64).tiny))
    return np.asarray(logarithm * max(0.0, 1 - by_chance / found))


def _scale_of(
    square: Float64[np.ndarray, " particle"],
    excess: Float64[np.ndarray, " particle"],
    rows: Int[np.ndarray, " near"],
    normal: _Normal,
) -> float:
    """Return what brings the median of those of some images that are near to what it should be."""
    is_more = excess[rows] > 0
    more, less = square[rows[is_more]], np.sort(square[rows[~is_more]])
    n_less = len(more) + int(BY_CHANCE * np.sqrt(len(rows)))
    counted = np.concatenate([more, less[:n_less]])
    if not counted.any():
        return 1.0
    scale, kept, middle = 1.0, counted, normal.median
    for _ in range(STEPS):
        scale = middle / max(float(np.median(kept)), float(np.finfo(np.float64).tiny))
        kept, middle = counted[counted * scale <= normal.cut], normal.median_kept
    return scale

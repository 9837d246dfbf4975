"""Variance of maps of resampled particles: where it exceeds that of noise, the density varies.

The bootstrap of Penczek, Yang, Frank & Spahn (2006), made from the small-box statistics: no image
is read again. What is resampled is each particle's residual from the consensus, so the map that
all resamples share drops out (docs/derivations/variability.md, eq. 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from cryofocus.consensus.reconstruct import grid_to_map
from cryofocus.inference.deviations.focus import FocusStatistics
from cryofocus.inference.deviations.likelihood import sum_slices
from cryofocus.kernels.contract import SliceKernels, SliceSums
from cryofocus.maths.filters import expand_shells
from cryofocus.maths.fourier import resize_volume
from cryofocus.maths.shells import shell_mean_3d

# Maps made in one pass over the statistics.
COLUMNS = 8
# What noise alone brings about is the same everywhere but for slow changes, so few draws do.
NOISE_DRAWS = 16
EMPTY_SHARE = 1e-3


@dataclass(frozen=True, eq=False)
class BootstrapVariance:
    """Variances over resamples in every voxel, times the number of particles.

    On the small box, sampled twice as finely: squares have twice the bandwidth of maps.

    Attributes:
        total: Of the maps of resampled particles.
        noise: Of maps of nothing but noise, equal at equal distance from the centre, brought to
            the level of `total` in the median voxel: most of a box is empty.
    """

    total: Float32[np.ndarray, "d d d"]
    noise: Float32[np.ndarray, "d d d"]

    @property
    def excess(self) -> Float32[np.ndarray, "d d d"]:
        """What noise does not explain."""
        return np.asarray(self.total - self.noise)


def bootstrap_variance(
    statistics: FocusStatistics,
    n_resamples: int,
    kernels: SliceKernels,
    generator: np.random.Generator,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> BootstrapVariance:
    """Make maps from particles drawn with replacement and compare their variance with noise's.

    Args:
        statistics: Of the whole box: what is cut out of images has no map of its own.
        n_resamples: Maps; the variance's own relative error is sqrt(2 / n_resamples).
        kernels: Slice kernels.
        generator: Draws the particles, and the noise.
        advance: Called with the number of maps done.

    Raises:
        ValueError: When the statistics are of a part of the box.
    """
    if not statistics.box.is_whole:
        raise ValueError("resampled maps need the statistics of the whole box")
    n = len(statistics)
    resampled, noise = _Moments(), _Moments()
    for start in range(0, n_resamples, COLUMNS):
        n_columns = min(COLUMNS, n_resamples - start)
        drawn = generator.multinomial(n, np.full(n, 1 / n), size=n_columns)
        weights = drawn.T.astype(np.float32)
        sums = sum_slices(statistics, weights, weights, kernels).fetch()
        for column in range(n_columns):
            resampled.add(_solve(sums, column, column, statistics.box.diameter))
        advance(n_columns)
    ones = np.ones((n, 1), np.float32)
    for _ in range(NOISE_DRAWS):
        noisy = _noise_alone(statistics, generator)
        sums = sum_slices(noisy, ones, ones, kernels).fetch()
        noise.add(_solve(sums, 0, 0, statistics.box.diameter))
    total, expected = n * resampled.variance(), _average_by_distance(n * noise.variance())
    # The noise spectra were fitted to residuals, which hold what varies as well.
    level = np.median(total / expected)
    return BootstrapVariance(total.astype(np.float32), (level * expected).astype(np.float32))


class _Moments:
    """Running mean and sum of squares of maps (Welford 1962)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: Float64[np.ndarray, "d d d"] | float = 0.0
        self._squares: Float64[np.ndarray, "d d d"] | float = 0.0

    def add(self, volume: Float32[np.ndarray, "d d d"]) -> None:
        """Count a map in."""
        self._count += 1
        change = volume.astype(np.float64) - self._mean
        self._mean = self._mean + change / self._count
        self._squares = self._squares + change * (volume - self._mean)

    def variance(self) -> Float64[np.ndarray, "d d d"]:
        """Return the unbiased variance in every voxel."""
        return np.asarray(self._squares / (self._count - 1))


def _noise_alone(statistics: FocusStatistics, generator: np.random.Generator) -> FocusStatistics:
    """Replace residuals by noise of the variance that their precisions say.

    The sum over points of Re(conj Z P) has variance sum Q |P|^2, so real and imaginary part of
    each Z have variance Q.
    """
    shape = statistics.precision.shape
    deviation = np.sqrt(np.maximum(statistics.precision, 0))
    data = np.empty(shape, np.complex64)
    data.real = deviation * generator.standard_normal(shape, np.float32)
    data.imag = deviation * generator.standard_normal(shape, np.float32)
    return replace(statistics, data=data)


def _solve(
    sums: SliceSums, data_column: int, precision_column: int, diameter: int
) -> Float32[np.ndarray, "d d d"]:
    """Divide summed residuals by summed precisions; empty places of Fourier space stay empty."""
    precision = sums.precision[..., precision_column]
    edge = len(precision)
    floor = np.maximum(
        EMPTY_SHARE * shell_mean_3d(precision, edge), np.finfo(np.float32).tiny
    ).astype(np.float32)
    solved = sums.data[..., data_column] / (precision + expand_shells(floor, edge))
    return np.asarray(resize_volume(grid_to_map(solved, diameter), 2 * diameter), np.float32)


def _average_by_distance(volume: Float64[np.ndarray, "d d d"]) -> Float64[np.ndarray, "d d d"]:
    """Average over shells around the centre; corners take the last whole shell's value."""
    axis = np.arange(len(volume)) - len(volume) // 2
    square = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    shell = np.minimum(np.rint(np.sqrt(square)).astype(np.int64), len(volume) // 2)
    counts = np.bincount(shell.ravel())
    means = np.bincount(shell.ravel(), volume.ravel()) / np.maximum(counts, 1)
    return np.asarray(means[shell])

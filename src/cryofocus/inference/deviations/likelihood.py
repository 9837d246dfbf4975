"""From maps to what images say of them, and from posteriors to sums, for particles of one range.

What any process does with the statistics it holds; `sharded_statistics` asks all of them.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Complex64, Float, Float32, Float64

from cryofocus.inference.deviations.focus import FocusStatistics
from cryofocus.kernels.bfloat16 import decode
from cryofocus.kernels.contract import SliceKernels, SliceSums
from cryofocus.placement import Array

PARTICLES_AT_ONCE = 1000


def class_log_likelihoods(
    statistics: FocusStatistics,
    grid: Complex64[Array, "edge edge half n_classes"],
    kernels: SliceKernels,
) -> Float64[np.ndarray, "particle n_classes"]:
    """Return ln p(image | class) up to a constant of the image.

    The grid is that of the classes' deviations, from `DeviationSpace.to_grid`.
    """
    kernels.keep(statistics.compared, statistics.precision)
    linear, quadratic = kernels.class_moments(
        grid, statistics.geometry, statistics.compared, statistics.precision
    )
    return linear - 0.5 * quadratic


def latent_moments(
    statistics: FocusStatistics,
    grid: Complex64[Array, "edge edge half q"],
    kernels: SliceKernels,
) -> tuple[Float64[np.ndarray, "particle q"], Float64[np.ndarray, "particle q q"]]:
    """Return the log-likelihood of coordinates x: `linear.x - x.quadratic.x / 2`.

    The grid is that of the principal deviations, from `DeviationSpace.to_grid`.
    """
    kernels.keep(statistics.compared, statistics.precision)
    return kernels.latent_moments(
        grid, statistics.geometry, statistics.compared, statistics.precision
    )


def sum_slices(
    statistics: FocusStatistics,
    data_weights: Float[np.ndarray, "particle data_column"],
    precision_weights: Float[np.ndarray, "particle precision_column"],
    kernels: SliceKernels,
) -> SliceSums:
    """Insert every particle's residual and kernel with its weights."""
    kernels.keep(statistics.data, statistics.precision)
    accumulator = kernels.accumulator(
        statistics.box.edge, data_weights.shape[1], precision_weights.shape[1]
    )
    accumulator.add(
        statistics.geometry,
        statistics.data,
        statistics.precision,
        np.ascontiguousarray(data_weights, np.float32),
        np.ascontiguousarray(precision_weights, np.float32),
    )
    return accumulator.total()


def kernel_power(statistics: FocusStatistics) -> Float32[np.ndarray, "particle shell"]:
    """Return each particle's kernel, summed over the points of each shell up to Nyquist."""
    shells = statistics.band.shells
    of_shell = np.zeros((len(shells), statistics.box.edge // 2 + 1), np.float32)
    of_shell[np.arange(len(shells)), shells] = 1
    power = np.empty((len(statistics), of_shell.shape[1]), np.float32)
    for start in range(0, len(statistics), PARTICLES_AT_ONCE):
        rows = slice(start, start + PARTICLES_AT_ONCE)
        stored = np.asarray(statistics.precision[rows])
        power[rows] = (decode(stored) if stored.dtype == np.uint16 else stored) @ of_shell
    return power

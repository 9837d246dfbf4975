"""From deviations to class log-likelihoods, and from posteriors to class sums."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Float64

from cryofocus.inference.deviation import DeviationSpace
from cryofocus.inference.focus import FocusStatistics
from cryofocus.kernels.contract import SliceKernels, SliceSums


def class_log_likelihoods(
    statistics: FocusStatistics,
    space: DeviationSpace,
    deviations: Float32[np.ndarray, "n_classes d d d"],
    kernels: SliceKernels,
) -> Float64[np.ndarray, "particle n_classes"]:
    """Return ln p(image | class) up to a constant of the image."""
    linear, quadratic = kernels.class_moments(
        space.to_grid(deviations), statistics.geometry, statistics.compared, statistics.precision
    )
    return linear - 0.5 * quadratic


def sum_slices(
    statistics: FocusStatistics,
    data_weights: Float[np.ndarray, "particle data_column"],
    precision_weights: Float[np.ndarray, "particle precision_column"],
    kernels: SliceKernels,
) -> SliceSums:
    """Insert every particle's residual and kernel with its weights."""
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

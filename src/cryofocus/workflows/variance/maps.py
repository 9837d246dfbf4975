"""Maps of what varies: sampled finely enough, or on the particles' grid."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from cryofocus.arrays import Volume
from cryofocus.inference.variability.resampling import BootstrapVariance
from cryofocus.inference.variability.variability import Variability
from cryofocus.maths.fourier import resize_volume
from cryofocus.maths.masks import resample_mask


def fine_edge(found: Variability) -> int:
    """Edge of the particle's box sampled twice as finely as deviations: variances are squares."""
    return 2 * found.problem.statistics.box.sampled_box


def sample_axis(found: Variability, axis: int, edge: int) -> Volume:
    """Deviation along one axis over the particle's extent, in units of a map of that edge."""
    return found.problem.statistics.box.paste(found.deviations[axis], edge)


def sample_deviations(found: Variability) -> Float32[np.ndarray, "axis fine fine fine"]:
    """Deviations of all real axes, sampled finely."""
    edge = fine_edge(found)
    deviations = np.empty((found.n_axes, edge, edge, edge), np.float32)
    for axis in range(found.n_axes):
        deviations[axis] = sample_axis(found, axis, edge)
    return deviations


def sample_variance(found: Variability, edge: int) -> Volume:
    """Variance of the density over the particle's extent, in units of a map of that edge."""
    total = np.zeros((edge,) * 3, np.float32)
    for axis in range(found.n_axes):
        total += sample_axis(found, axis, edge) ** 2
    return total


def sample_bootstrap(
    bootstrap: BootstrapVariance, region: Volume, edge: int
) -> Float32[np.ndarray, "edge edge edge"]:
    """Excess variance of resampled maps inside a region, in units of a map of some edge.

    Args:
        bootstrap: Variances over the particle's whole extent, in units of half their sampling.
        region: Mask of the particle, at any sampling.
        edge: Of the map to return.
    """
    sampled = len(bootstrap.total)
    factor = np.float32((sampled / 2 / edge) ** 6)
    excess = resize_volume(bootstrap.excess, edge) * factor
    mask = region if len(region) == edge else resample_mask(region, edge)
    return np.asarray(excess * mask, np.float32)

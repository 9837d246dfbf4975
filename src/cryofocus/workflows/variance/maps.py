"""Maps of what varies, sampled finely enough or on the particles' grid, and their peaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from cryofocus.arrays import Volume
from cryofocus.inference.variability.resampling import BootstrapVariance
from cryofocus.inference.variability.variability import Variability
from cryofocus.maps.variance_regions import VariableRegion
from cryofocus.maths.fourier import resize_volume
from cryofocus.maths.masks import Vector, resample_mask
from cryofocus.workflows.variance.result import PeakRow, VariancePeak


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


def measure_peaks(
    basins: Sequence[VariableRegion],
    variance: Volume,
    bootstrap: Volume | None,
    voxel_size_angstrom: float,
) -> tuple[VariancePeak, ...]:
    """Measure both variances around every peak, the strongest first.

    Args:
        basins: Voxels around each peak of the variance.
        variance: Variance map.
        bootstrap: The bootstrap's, on the same grid; may be missing.
        voxel_size_angstrom: Å per voxel.
    """
    peaks = []
    for basin in basins:
        place = value = None
        if bootstrap is not None:
            inside = np.where(basin.voxels, bootstrap, -np.inf)
            z, y, x = np.unravel_index(int(inside.argmax()), bootstrap.shape)
            middle = len(bootstrap) // 2
            placed = [float(i - middle) * voxel_size_angstrom for i in (x, y, z)]
            place = (placed[0], placed[1], placed[2])
            value = float(bootstrap[basin.voxels].mean())
        mean = float(variance[basin.voxels].mean())
        peaks.append(VariancePeak(basin.peak_angstrom, mean, place, value))
    return tuple(sorted(peaks, key=lambda peak: -peak.variance))


def bootstrap_order(peaks: Sequence[VariancePeak]) -> list[int]:
    """Rank of every peak, from 1, by the bootstrap; empty without bootstrap."""
    values = [peak.bootstrap_variance for peak in peaks if peak.bootstrap_variance is not None]
    return [1 + sum(other > value for other in values) for value in values]


def peak_rows(peaks: Sequence[VariancePeak], centre: Vector) -> list[PeakRow]:
    """Return the rows of peaks.csv, places in the frame in which the box centre is given."""
    ranks: Sequence[int | None] = bootstrap_order(peaks) or [None] * len(peaks)
    rows = []
    for number, (peak, rank) in enumerate(zip(peaks, ranks, strict=True), start=1):
        x, y, z = np.add(peak.place_angstrom, centre).tolist()
        rows.append(
            PeakRow(
                peak=number,
                x_angstrom=x,
                y_angstrom=y,
                z_angstrom=z,
                variance=peak.variance,
                bootstrap_variance=peak.bootstrap_variance,
                bootstrap_rank=rank,
                bootstrap_distance_angstrom=peak.distance_angstrom,
            )
        )
    return rows

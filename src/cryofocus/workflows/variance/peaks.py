"""Peaks of the variance, and whether the bootstrap has them in the same places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryofocus.arrays import Volume
from cryofocus.maps.variance_regions import VariableRegion
from cryofocus.maths.masks import Vector
from cryofocus.workflows.variance.tables import PeakRow


@dataclass(frozen=True)
class VariancePeak:
    """A local maximum of the variance and what surrounds it.

    Attributes:
        place_angstrom: x, y, z from the box centre.
        variance: Mean over the voxels that surround the peak.
        bootstrap_place_angstrom: Place of the bootstrap's peak within those voxels; None without
            bootstrap.
        bootstrap_variance: The bootstrap's variance there; None without bootstrap.
    """

    place_angstrom: Vector
    variance: float
    bootstrap_place_angstrom: Vector | None
    bootstrap_variance: float | None

    @property
    def distance_angstrom(self) -> float | None:
        """How far apart the two maxima are."""
        if self.bootstrap_place_angstrom is None:
            return None
        return float(
            np.linalg.norm(np.subtract(self.place_angstrom, self.bootstrap_place_angstrom))
        )


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

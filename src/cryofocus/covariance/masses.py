"""How much of each region every class map holds, and how sure that is.

The mass of a region is the sum of a map's density over the region's voxels above the contour,
times the volume of a voxel. Which voxels lie above the contour is decided once for all maps of
all runs, by the largest density any of them has there: a voxel counted in one map is counted in
all. Were each map cut at the contour by itself, noise would count as mass, more of it in the
noisier maps, and half a density could vanish altogether.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from cryofocus.arrays import Volume
from cryofocus.covariance.regions import Region
from cryofocus.errors import RegionError

# The contour stands this many standard deviations of the solvent above it.
CONTOUR_DEVIATIONS = 3.0


@dataclass(frozen=True, eq=False)
class RunMasses:
    """The masses of one run's classes.

    Attributes:
        masses: `(class, region)` of the full maps.
        errors: `(class, region)` standard errors, from the half maps.
    """

    masses: Float64[np.ndarray, "class region"]
    errors: Float64[np.ndarray, "class region"]

    def divided_by(self, whole: Float64[np.ndarray, " region"]) -> RunMasses:
        """Return the masses as fractions of others."""
        return RunMasses(self.masses / whole, self.errors / whole)


def solvent_contour(density: Volume) -> float:
    """Return the level that solvent hardly ever reaches.

    The solvent is what lies outside the sphere that touches the box: its median plus three
    robust standard deviations.
    """
    axis = np.arange(len(density)) - len(density) // 2
    radius = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    outside = density[radius > (len(density) // 2) ** 2]
    middle = float(np.median(outside))
    deviation = 1.4826 * float(np.median(np.abs(outside - middle)))
    return middle + CONTOUR_DEVIATIONS * deviation


def require_density(regions: Sequence[Region], dense: Bool[np.ndarray, "box box box"]) -> None:
    """Check that every region holds voxels above the contour.

    Raises:
        RegionError: When one holds none in any map.
    """
    for region in regions:
        if not (region.inside & dense).any():
            raise RegionError(
                f"region {region.name}: no voxel reaches the contour in any map; expected a "
                "region of the particle. Check that mask and maps lie in one frame, or lower "
                "--contour."
            )


def region_masses(
    density: Volume,
    regions: Sequence[Region],
    dense: Bool[np.ndarray, "box box box"],
    voxel_size_angstrom: float,
) -> Float64[np.ndarray, " region"]:
    """Return the mass of each region in one map, in the map's units times Å^3."""
    volume = voxel_size_angstrom**3
    sums = [density[region.inside & dense].sum(dtype=np.float64) for region in regions]
    return np.array(sums) * volume


def pooled_errors(
    half_difference: Float64[np.ndarray, "class region"],
    class_weights: Float64[np.ndarray, " class"],
) -> Float64[np.ndarray, "class region"]:
    """Estimate the masses' standard errors from the masses of half maps.

    A full map is as good as the mean of its half maps, whose error is half their difference. One
    difference says little, so a region's are pooled over the classes, noise falling with the
    number of particles: `error^2 = c / weight`.

    Args:
        half_difference: Mass in half map 1 less that in half map 2.
        class_weights: Shares of the particles.
    """
    weights = np.maximum(class_weights, 1e-6)[:, None]
    per_particle = (half_difference**2 / 4 * weights).mean(axis=0)
    return np.asarray(np.sqrt(per_particle / weights))

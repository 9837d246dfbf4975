"""Named regions of a map: hard masks that can be told apart, their pieces, and their masses.

The mass of a region is the sum of a map's density over the region's voxels above the contour,
times the volume of a voxel. Which voxels lie above the contour is decided once for all maps of
all runs, by the largest density any of them has there: a voxel counted in one map is counted in
all. Were each map cut at the contour by itself, noise would count as mass, more of it in the
noisier maps, and half a density could vanish altogether.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy.ndimage import distance_transform_edt, label

from cryofocus.arrays import Volume
from cryofocus.errors import RegionError
from cryofocus.maps.regions import TOUCHING
from cryofocus.maths.masks import resample_mask

# A mask's soft edge belongs to nobody: a voxel is in the region from here on.
INSIDE = 0.5
# Of two regions that share this part of the smaller one, none can be told from the other.
ENTIRE_OVERLAP = 0.9
# A piece with less of its region's volume is a splinter of the nearest larger piece.
SMALLEST_PIECE = 0.1
# The contour stands this many standard deviations of the solvent above it.
CONTOUR_DEVIATIONS = 3.0
# Where solvent is looked for: radii in box edges.
SOLVENT_SHELL = (0.38, 0.45)


@dataclass(frozen=True, eq=False)
class Region:
    """A named part of a map.

    Attributes:
        name: How to speak of it.
        inside: `(box, box, box)` the voxels that belong to it.
    """

    name: str
    inside: Bool[np.ndarray, "box box box"]

    @classmethod
    def from_mask(cls, name: str, mask: Float32[np.ndarray, "box box box"]) -> Region:
        """Take the voxels in which a soft mask reaches a half."""
        return cls(name, mask >= INSIDE)

    def on_box(self, box: int) -> Region:
        """Return the region on a coarser grid of the same extent."""
        if box == len(self.inside):
            return self
        return Region.from_mask(self.name, resample_mask(self.inside.astype(np.float32), box))

    @property
    def n_voxels(self) -> int:
        """Number of voxels inside."""
        return int(np.count_nonzero(self.inside))

    def pieces(self) -> list[Bool[np.ndarray, "box box box"]]:
        """Return what is not connected; splinters go with the nearest piece of some size.

        A part that moves is one region with two places: what is in one of them is missing in the
        other, and an image shows them separately.
        """
        labels, n_found = label(self.inside, structure=TOUCHING)
        sizes = np.bincount(labels.ravel(), minlength=n_found + 1)[1:]
        large = 1 + np.flatnonzero(sizes >= SMALLEST_PIECE * self.n_voxels)
        if len(large) == 0:
            return [self.inside]
        is_large = np.isin(labels, large)
        nearest = distance_transform_edt(~is_large, return_distances=False, return_indices=True)
        owner = labels[tuple(nearest)]
        return [self.inside & (owner == number) for number in large]


def require_distinct(regions: Sequence[Region]) -> None:
    """Check that there are regions to correlate and that they can be told apart.

    Raises:
        RegionError: For fewer than two regions, a name used twice, an empty region, or two regions
            of which the smaller lies nearly all in the other.
    """
    if len(regions) < 2:
        raise RegionError(
            f"regions: found {len(regions)}, expected at least two, whose contents are compared. "
            "Give --regions NAME=MASK.mrc NAME=MASK.mrc."
        )
    names = [region.name for region in regions]
    for name in names:
        if names.count(name) > 1:
            raise RegionError(
                f"regions: the name {name} is given {names.count(name)} times; expected a name of "
                "its own for each region. Rename one of them."
            )
    for region in regions:
        if region.n_voxels == 0:
            raise RegionError(
                f"region {region.name}: empty (no voxel of its mask reaches {INSIDE:g}); expected "
                "a region of several voxels. Check that the mask was not lost in resampling."
            )
    for first, second in combinations(regions, 2):
        share = shared_part(first, second)
        if share >= ENTIRE_OVERLAP:
            raise RegionError(
                f"regions {first.name} and {second.name}: overlap entirely ({share:.0%} of the "
                "smaller one); expected regions that can be told apart. Leave one of them out, or "
                "cut the masks apart."
            )


def separate(regions: Sequence[Region]) -> tuple[Region, ...]:
    """Take from every region the voxels that it shares with another.

    What changes there cannot be said to be one or the other's, and would make both vary together.
    """
    owners = np.sum([region.inside for region in regions], axis=0)
    return tuple(Region(region.name, region.inside & (owners == 1)) for region in regions)


def shared_part(first: Region, second: Region) -> float:
    """Return the part of the smaller region that lies in the other."""
    shared = np.count_nonzero(first.inside & second.inside)
    return float(shared / max(min(first.n_voxels, second.n_voxels), 1))


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

    The solvent is what lies just inside the sphere that touches the box, beyond which maps hold
    nothing: its median plus three robust standard deviations.
    """
    axis = np.arange(len(density)) - len(density) // 2
    radius = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    inner, outer = (part * len(density) for part in SOLVENT_SHELL)
    outside = density[(radius > inner**2) & (radius < outer**2)]
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

"""Regions of a variance map by number: those that `cryofocus variance` proposed, wherever it can.

What varies together across a gap is one region, which only the deviations show, not the variance
map alone. `variance` therefore leaves the voxels of its regions beside the map, and whoever takes
a region by number reads them there.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from cryofocus.data.grid_map import GridMap
from cryofocus.errors import RegionError
from cryofocus.maps.variance_regions import VariableRegion, find_regions, variance_level
from cryofocus.maths.masks import resample_mask
from cryofocus.workflows.variance.result import (
    REGION_VOXELS,
    REGIONS,
    SPHERE,
    VARIANCE,
    ProposedFocus,
    RegionRow,
)

logger = logging.getLogger(__name__)

FRACTION, SIGMA = 0.1, 5.0
CLASSES = "2"
"""Where nobody has counted the states of a region."""
Sphere = tuple[float, float, float, float]


@dataclass(frozen=True)
class Parting:
    """How a map is parted into regions by its own values.

    Attributes:
        fraction: Of the largest variance above which a voxel counts.
        sigma: Standard deviations by which it must exceed the map's own noise.
        separation_angstrom: Split connected places whose peaks are at least this far apart.
    """

    fraction: float = FRACTION
    sigma: float = SIGMA
    separation_angstrom: float | None = None


@dataclass(frozen=True, eq=False)
class NumberedRegion:
    """A region of a variance map.

    Attributes:
        number: From 1.
        voxels: `(box, box, box)`, which voxels of the map it has.
        sphere_angstrom: x, y, z, radius in the map's frame.
        share: Of the variance of the whole map.
        classes: In how many `variance` would classify it, as `classify --classes` takes it.
    """

    number: int
    voxels: Bool[np.ndarray, "box box box"]
    sphere_angstrom: Sphere
    share: float
    classes: str = CLASSES


def number_voxels(
    proposals: Sequence[ProposedFocus], box: int
) -> Float32[np.ndarray, "box box box"]:
    """Give every voxel of the particles' grid the number of its region, all others 0."""
    numbers = np.zeros((box,) * 3, np.float32)
    # The region with more variance wins a voxel that two of them touch.
    for number, proposal in reversed(list(enumerate(proposals, start=1))):
        numbers[resample_mask(proposal.voxels.astype(np.float32), box) >= 0.5] = number
    return numbers


def require_variance(grid: GridMap) -> None:
    """Refuse a map without variance.

    Raises:
        RegionError: When no value is positive.
    """
    if grid.data.max() <= 0:
        raise RegionError(
            f"{grid.path}: no variance (largest value {grid.data.max():.4g}); expected a map with "
            "positive values where density varies. Check that it is the variance map."
        )


def read_region(grid: GridMap, number: int, parting: Parting | None = None) -> NumberedRegion:
    """Read a region by its number.

    Args:
        grid: Variance map.
        number: Of the region; 1 holds most of the variance.
        parting: Part the map anew by its own values. Default: the regions that
            `cryofocus variance` proposed, where the map is its `variance.mrc`.

    Raises:
        RegionError: When the map holds no variance, or fewer regions.
        InputError: When what `variance` wrote beside the map is missing in part or damaged.
    """
    require_variance(grid)
    folder = grid.path.parent
    is_proposed = grid.path.name == VARIANCE and (folder / REGION_VOXELS).is_file()
    if is_proposed and parting is None:
        return _proposed(grid, number, folder)
    if is_proposed:
        logger.warning(
            "%s is parted anew, as asked for: its regions need not be those of %s.",
            *(grid.path, folder / REGIONS),
        )
    return _parted(grid, number, parting or Parting())


def _proposed(grid: GridMap, number: int, folder: Path) -> NumberedRegion:
    """Read a region that `variance` proposed."""
    rows = RegionRow.read(folder / REGIONS)
    if not 1 <= number <= len(rows):
        raise RegionError(
            f"{folder / REGIONS}: {_count(len(rows))} proposed, expected at least {number}. Give "
            "a lower --region, or more --spheres to cryofocus variance."
        )
    row = rows[number - 1]
    voxels = grid.read_partner(folder / REGION_VOXELS).data == number
    if not voxels.any():
        raise RegionError(
            f"{folder / REGION_VOXELS}: no voxel of region {number}; expected those of "
            f"{folder / REGIONS}. {RegionRow.remedy}"
        )
    x, y, z, radius = (float(getattr(row, name)) for name in SPHERE)
    words = shlex.split(row.command)
    classes = words[words.index("--classes") + 1] if "--classes" in words else CLASSES
    return NumberedRegion(number, voxels, (x, y, z, radius), row.variance_share, classes)


def _parted(grid: GridMap, number: int, parting: Parting) -> NumberedRegion:
    """Find a region in the map alone."""
    level = variance_level(grid.data, parting.fraction, parting.sigma)
    regions = find_regions(
        grid.data,
        level,
        grid.voxel_size_angstrom,
        separation_angstrom=parting.separation_angstrom,
    )
    if not 1 <= number <= len(regions):
        raise RegionError(
            f"{grid.path}: found {_count(len(regions))} above {level:.4g}, expected at least "
            f"{number}. Give a lower --region or --level."
        )
    return NumberedRegion(number, *_place(regions[number - 1], grid))


def _place(
    region: VariableRegion, grid: GridMap
) -> tuple[Bool[np.ndarray, "box box box"], Sphere, float]:
    """Bring a region into the map's frame."""
    middle = grid.box // 2 * grid.voxel_size_angstrom
    x, y, z = (
        float(first + middle + value)
        for first, value in zip(grid.origin_angstrom, region.centre_angstrom, strict=True)
    )
    return region.voxels, (x, y, z, region.radius_angstrom), region.share


def _count(n: int) -> str:
    return f"{n} region{'' if n == 1 else 's'}"

"""What the region in focus holds of the consensus, said before hours are spent on it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from cryofocus.consensus.consensus import Consensus
from cryofocus.data.mask import FocusMask, other_readings, say_readings
from cryofocus.errors import RegionError
from cryofocus.formatting import format_count, format_percent
from cryofocus.maps.variance_regions import variance_level
from cryofocus.maths.masks import resample_mask

logger = logging.getLogger(__name__)

# Voxels with so much of the highest density belong to the molecule, or to a factor on a few
# per cent of the particles; and they stand so many standard errors out of the solvent.
LEAST_DENSITY, SIGMA = 0.03, 5.0
# A consensus whose density is less skewed than this is no clear molecule that could be missed.
CLEAR_SKEWNESS = 1.0
# Voxels, of the grid on which the consensus is known.
ALMOST_EMPTY = 0.5


def require_density(mask: FocusMask, consensus: Consensus) -> None:
    """Say how much of the molecule the region holds, and refuse one that holds nothing of it.

    Raises:
        RegionError: When the molecule is clear and the region lies outside it.
    """
    density = consensus.map.full
    level = variance_level(density, LEAST_DENSITY, SIGMA)
    molecule = np.where(density >= level, density, np.float32(0))
    share, n_dense = _held(mask.data, molecule)
    n_voxels = int(np.count_nonzero(mask.data >= 0.5))
    size = f"{format_count(n_voxels)} voxel{'' if n_voxels == 1 else 's'}"
    logger.info(
        "focus region: %s (%s Å³), %s of the density",
        size,
        format_count(round(n_voxels * mask.voxel_size_angstrom**3)),
        format_percent(share, 1),
    )
    if n_dense >= ALMOST_EMPTY or consensus.skewness < CLEAR_SKEWNESS:
        return

    def is_dense(other: FocusMask) -> bool:
        return _held(other.data, molecule)[1] >= ALMOST_EMPTY

    raise RegionError(
        f"{mask.described}: almost empty. It has {size}, none of which reaches the density of "
        f"the molecule; expected a region that holds part of it. "
        f"{say_frames(mask, is_dense)}Look where it lies with cryofocus mask place, and move or "
        "enlarge it until it touches the molecule."
    )


def _held(
    mask: Float32[np.ndarray, "box box box"], molecule: Float32[np.ndarray, "coarse coarse coarse"]
) -> tuple[float, float]:
    """Return the share of the density that a mask holds, and how many dense voxels."""
    inside = mask if len(mask) == len(molecule) else resample_mask(mask, len(molecule))
    share = float((inside * molecule).sum(dtype=np.float64)) / max(
        float(molecule.sum(dtype=np.float64)), np.finfo(np.float64).tiny
    )
    return share, float(inside[molecule > 0].sum(dtype=np.float64))


def say_frames(mask: FocusMask, is_right: Callable[[FocusMask], bool]) -> str:
    """Say which other readings of a sphere would make sense; nothing of a mask file.

    Args:
        mask: The region as it was read.
        is_right: Whether a region could be meant.

    Returns:
        A sentence with a blank behind it, or nothing; all readings that would.
    """
    if mask.sphere is None:
        return ""
    grid = (len(mask.data), mask.voxel_size_angstrom)
    meant = []
    for meaning, sphere in other_readings(mask.sphere, *grid, mask.origin_angstrom):
        try:
            other = FocusMask.from_sphere(
                sphere,
                *grid,
                soft_edge_angstrom=mask.voxel_size_angstrom,
                origin_angstrom=mask.origin_angstrom,
            )
        except RegionError:
            continue
        if is_right(other):
            meant.append((meaning, sphere))
    return say_readings(meant)

"""Masks of shapes that somebody placed by eye: ellipsoids, and markers of ChimeraX."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cryofocus.calls import checked
from cryofocus.data.grid_map import GridMap
from cryofocus.data.shapes.markers import Ellipsoid, read_markers
from cryofocus.errors import RegionError
from cryofocus.maths.masks import ellipsoid_mask
from cryofocus.workflows.make_mask import SOFT_EDGE_ANGSTROM, MadeMask, sphere_mask, write_mask
from cryofocus.workflows.run.new_names import require_new_maps


@checked
def make_ellipsoid_mask(
    ellipsoid: Ellipsoid,
    like: Path | str,
    output: Path | str,
    *,
    soft_edge_angstrom: float = SOFT_EDGE_ANGSTROM,
    overwrite: bool = False,
) -> MadeMask:
    """Write an ellipsoid as a mask.

    Args:
        ellipsoid: Centre and radii in the map's frame.
        like: Map whose grid and origin the mask gets.
        output: MRC file to write.
        soft_edge_angstrom: Width of the edge outside the radii.
        overwrite: Replace an existing file.

    Raises:
        InputError: When the map cannot be used, or the ellipsoid leaves it or falls between its
            voxels.
        OutputError: When the output exists or cannot be written.
    """
    require_new_maps([Path(output)], overwrite=overwrite)
    grid = GridMap.read(like)
    voxel = grid.voxel_size_angstrom
    centre, radii = np.array(ellipsoid.centre_angstrom), np.array(ellipsoid.radii_angstrom)
    low = np.asarray(grid.origin_angstrom)
    high = low + (grid.box - 1) * voxel
    outside = max((low - centre + radii).max(), (centre + radii - high).max())
    if outside > voxel / 2:
        ranges = ", ".join(f"{a:g} to {b:.1f}" for a, b in zip(low, high, strict=True))
        raise RegionError(
            f"{ellipsoid}: reaches {outside:.1f} Å out of {grid.path}, which spans {ranges} Å "
            "along x, y, z. Move it or make it smaller."
        )
    x, y, z = (centre - low - grid.box // 2 * voxel).tolist()
    mask = ellipsoid_mask(grid.box, voxel, (x, y, z), ellipsoid.radii_angstrom, soft_edge_angstrom)
    if mask.max() < 0.5:
        raise RegionError(
            f"{ellipsoid}: falls between the voxels of {voxel:g} Å; expected a region of several "
            "voxels. Give larger radii in Å."
        )
    return write_mask(Path(output), grid, mask)


@checked
def make_marker_mask(
    markers: Path | str,
    like: Path | str,
    output: Path | str,
    *,
    soft_edge_angstrom: float = SOFT_EDGE_ANGSTROM,
    overwrite: bool = False,
) -> MadeMask:
    """Write the spheres of a marker file of ChimeraX, all together, as one mask.

    Args:
        markers: .cmm file; its markers were placed on the map and have the radii of the spheres.
        like: Map whose grid and origin the mask gets.
        output: MRC file to write.
        soft_edge_angstrom: Width of the edge outside the radii.
        overwrite: Replace an existing file.

    Raises:
        InputError: When map or markers cannot be used, or a sphere leaves the map.
        OutputError: When the output exists or cannot be written.
    """
    require_new_maps([Path(output)], overwrite=overwrite)
    grid = GridMap.read(like)
    spheres = [sphere_mask(sphere, grid, soft_edge_angstrom) for sphere in read_markers(markers)]
    return write_mask(Path(output), grid, np.maximum.reduce(spheres))

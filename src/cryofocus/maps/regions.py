"""Regions of a map as soft masks: where there is density, where atoms are, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.ndimage import distance_transform_edt, gaussian_filter, label
from scipy.spatial import cKDTree

from cryofocus.arrays import Volume
from cryofocus.maths.masks import cosine_edge

# Distances are found for so many voxels at a time.
BLOCK_VOXELS = 2**23
TOUCHING = np.ones((3, 3, 3), dtype=bool)
"""Voxels that share a face, an edge or a corner belong together."""
# Pieces of density that are smaller than a ball of this many resolutions cubed may be noise.
LEAST_PIECE = 4.0


@dataclass(frozen=True)
class RegionContent:
    """What a mask holds of a map.

    Attributes:
        volume_cubic_angstrom: Sum of the mask's values times the volume of a voxel.
        density_fraction: Share of the map's positive density inside, weighted by the mask.
        touches_edge: Whether the mask is nonzero in an outermost voxel of the box.
    """

    volume_cubic_angstrom: float
    density_fraction: float
    touches_edge: bool


def dense_region(
    density: Volume, level: float, *, largest_component: bool = False
) -> Bool[np.ndarray, "box box box"]:
    """Voxels at or above a level.

    Args:
        density: Map.
        level: In units of the map.
        largest_component: Keep only the largest connected piece; voxels that share a corner are
            connected.
    """
    region = density >= level
    if not largest_component or not region.any():
        return np.asarray(region)
    pieces, _ = label(region, structure=TOUCHING)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray(pieces == sizes.argmax())


def find_molecule(maps: Iterable[Volume], resolution_voxels: float) -> Bool[np.ndarray, "b b b"]:
    """Find where maps have density, and what lies within the resolution of it.

    Smoothed maps are above their mean by a standard deviation there, in pieces of more voxels than
    noise of that resolution makes.

    Args:
        maps: At least one, on one grid; what any of them shows counts.
        resolution_voxels: Finest detail in them, in voxels.

    Returns:
        Everything, where nothing stands out.
    """
    shown: Bool[np.ndarray, "b b b"] | None = None
    for volume in maps:
        smooth = gaussian_filter(volume, resolution_voxels / 2)
        bright = smooth > smooth.mean(dtype=np.float64) + smooth.std(dtype=np.float64)
        shown = bright if shown is None else shown | bright
    if shown is None:
        raise ValueError("no map to look for the molecule in")
    pieces, _ = label(shown, structure=TOUCHING)
    is_large = np.bincount(pieces.ravel()) > LEAST_PIECE * resolution_voxels**3
    is_large[0] = False
    molecule = is_large[pieces]
    if not molecule.any():
        return np.ones_like(shown)
    near = np.zeros_like(shown)
    for planes, voxels in distances_within(molecule, resolution_voxels):
        near[planes] = voxels <= resolution_voxels
    return near


def soft_mask(
    region: Bool[np.ndarray, "box box box"],
    voxel_size_angstrom: float,
    extend_angstrom: float,
    soft_edge_angstrom: float,
) -> Volume:
    """Mask of a region: grown by a distance, then falling to 0 over a raised-cosine edge.

    Args:
        region: At least one voxel is true.
        voxel_size_angstrom: Å per voxel.
        extend_angstrom: The mask is 1 up to this distance from the region.
        soft_edge_angstrom: Width over which it falls to 0 beyond that.

    Raises:
        ValueError: If the region is empty.
    """
    if not region.any():
        raise ValueError("the region is empty; it has no surroundings")
    mask = np.zeros(region.shape, np.float32)
    reach = (extend_angstrom + soft_edge_angstrom) / voxel_size_angstrom
    for planes, voxels in distances_within(region, reach):
        distance = voxels * voxel_size_angstrom - extend_angstrom
        mask[planes] = cosine_edge(distance, soft_edge_angstrom)
    return mask


def distances_within(
    region: Bool[np.ndarray, "nz ny nx"], reach_voxels: float
) -> Iterator[tuple[slice, Float64[np.ndarray, "planes ny nx"]]]:
    """Yield the distance of every voxel from a region, in voxels, some planes (z) at a time.

    Distances up to the reach are exact, others at least as long as it; planes that are farther are
    left out. The transform of a whole box would take 50 times the memory of the region.
    """
    halo = int(np.ceil(reach_voxels)) + 1
    n = max(1, BLOCK_VOXELS // region[0].size)
    for start in range(0, len(region), n):
        low, end = max(start - halo, 0), min(start + n, len(region))
        near = region[low : end + halo]
        if near.any():
            distance = distance_transform_edt(~near)
            yield slice(start, end), distance[start - low : end - low]


def mask_around_points(
    points_angstrom: Float[np.ndarray, "n 3"],
    box: int,
    voxel_size_angstrom: float,
    radius_angstrom: float,
    soft_edge_angstrom: float,
) -> Volume:
    """Mask that is 1 within a radius of any point and falls to 0 over a raised-cosine edge.

    Args:
        points_angstrom: x, y, z from voxel (0, 0, 0); points outside the box count where their
            radius reaches in.
        box: Edge of the mask in voxels.
        voxel_size_angstrom: Å per voxel.
        radius_angstrom: The mask is 1 up to this distance from the nearest point.
        soft_edge_angstrom: Width over which it falls to 0 beyond that.
    """
    reach = radius_angstrom + soft_edge_angstrom
    place = np.rint(points_angstrom / voxel_size_angstrom).astype(int)[:, ::-1]
    occupied = np.zeros((box,) * 3, dtype=bool)
    occupied[tuple(np.clip(place, 0, box - 1).T)] = True
    # Distances to whole voxels choose the voxels for which the exact distance is worth its cost;
    # rounding moves a point by at most half the diagonal of a voxel.
    rough = reach / voxel_size_angstrom + np.sqrt(3.0) / 2 + 1e-6
    blocks = [
        np.argwhere(voxels <= rough) + np.array([planes.start, 0, 0])
        for planes, voxels in distances_within(occupied, rough)
    ]
    near = np.concatenate(blocks)
    distance, _ = cKDTree(points_angstrom).query(
        near[:, ::-1] * voxel_size_angstrom, distance_upper_bound=reach + voxel_size_angstrom
    )
    mask = np.zeros((box,) * 3, dtype=np.float32)
    mask[tuple(near.T)] = cosine_edge(np.asarray(distance) - radius_angstrom, soft_edge_angstrom)
    return mask


def describe_region(mask: Volume, density: Volume, voxel_size_angstrom: float) -> RegionContent:
    """Measure a mask on the map it was made for, which has the same grid."""
    positive = np.maximum(density, 0)
    total = float(positive.sum(dtype=np.float64))
    inside = float((mask * positive).sum(dtype=np.float64))
    return RegionContent(
        volume_cubic_angstrom=float(mask.sum(dtype=np.float64)) * voxel_size_angstrom**3,
        density_fraction=inside / total if total > 0 else 0.0,
        touches_edge=bool(np.count_nonzero(mask) > np.count_nonzero(mask[1:-1, 1:-1, 1:-1])),
    )

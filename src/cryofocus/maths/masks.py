"""Masks on a cubic grid: spheres, soft edges and how far a mask reaches."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.ndimage import affine_transform, find_objects

from cryofocus.calls import checked

Vector = tuple[float, float, float]
BoxBounds = tuple[slice, slice, slice]


@checked
def sphere_mask(
    box: int,
    voxel_size_angstrom: float,
    centre_angstrom: Vector,
    radius_angstrom: float,
    soft_edge_angstrom: float,
) -> Float[np.ndarray, "box box box"]:
    """Sphere of ones with a raised-cosine edge outside its radius.

    Args:
        box: Edge of the volume in voxels.
        voxel_size_angstrom: Å per voxel.
        centre_angstrom: x, y, z from the box centre (voxel `box//2`), in Å.
        radius_angstrom: The mask is 1 up to here.
        soft_edge_angstrom: Width over which it falls to 0; 0 gives a hard edge.

    Returns:
        Values in [0, 1], axes z, y, x.
    """
    offsets = _offsets(box, voxel_size_angstrom, centre_angstrom)
    squares = [one.ravel() ** 2 for one in offsets]
    reach = radius_angstrom + max(soft_edge_angstrom, 0.0)
    columns, rows, planes = (np.flatnonzero(one <= reach**2) for one in squares)
    mask = np.zeros((box,) * 3, np.float32)
    if not columns.size or not rows.size:
        return mask
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    x2, y2, z2 = squares
    # Plane by plane: arrays of the whole box would take many times the mask's memory.
    for plane in planes:
        distance = np.sqrt(z2[plane] + y2[inside[0], None] + x2[inside[1]])
        mask[plane][inside] = cosine_edge(distance - radius_angstrom, soft_edge_angstrom)
    return mask


def ellipsoid_mask(
    box: int,
    voxel_size_angstrom: float,
    centre_angstrom: Vector,
    radii_angstrom: Vector,
    soft_edge_angstrom: float,
) -> Float[np.ndarray, "box box box"]:
    """Ellipsoid of ones along the axes of the grid, with a raised-cosine edge outside.

    As `sphere_mask`, but with radii along x, y, z. The distance from the surface is taken to first
    order, f (f - 1) / |grad f²/2| with f = |r / radii|, which is exact for a sphere.
    """
    offsets = _offsets(box, voxel_size_angstrom, centre_angstrom)
    # The distance is at least f - 1 times the shortest radius.
    reach = 1 + max(soft_edge_angstrom, 0.0) / min(radii_angstrom)
    inside = [
        np.flatnonzero(np.abs(one.ravel() / radius) <= reach)
        for one, radius in zip(offsets, radii_angstrom, strict=True)
    ]
    mask = np.zeros((box,) * 3, np.float32)
    if not all(one.size for one in inside):
        return mask
    columns, rows, planes = (slice(one[0], one[-1] + 1) for one in inside)
    x, y = offsets[0][0, :, columns], offsets[1][0, rows]
    # Plane by plane: arrays of the whole box would take many times the mask's memory.
    for plane in range(planes.start, planes.stop):
        distance = _from_surface((x, y, offsets[2][plane]), radii_angstrom)
        mask[plane, rows, columns] = cosine_edge(distance, soft_edge_angstrom)
    return mask


def _from_surface(
    offsets: tuple[np.ndarray, np.ndarray, np.ndarray], radii_angstrom: Vector
) -> Float[np.ndarray, "row column"]:
    """Return signed distances from an ellipsoid's surface, to first order."""
    (x, y, z), (a, b, c) = offsets, radii_angstrom
    f = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
    slope = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c**2) ** 2)
    # At the very centre there is no direction; it is as far inside as any voxel.
    distance = f * (f - 1) / np.where(slope > 0, slope, 1.0)
    return np.asarray(np.where(slope > 0, distance, -min(radii_angstrom)))


def _offsets(box: int, voxel_size_angstrom: float, centre_angstrom: Vector) -> list[np.ndarray]:
    """Return x, y, z of the voxels from a place in Å, each along its own axis of the volume."""
    axis = (np.arange(box) - box // 2) * voxel_size_angstrom
    shapes = ((1, 1, -1), (1, -1, 1), (-1, 1, 1))
    return [(axis - c).reshape(shape) for c, shape in zip(centre_angstrom, shapes, strict=True)]


def cosine_edge(
    distance_angstrom: Float[np.ndarray, "*grid"], soft_edge_angstrom: float
) -> Float[np.ndarray, "*grid"]:
    """Fall as a raised cosine from 1 at distance 0 (and within) to 0 at the soft edge's width.

    Args:
        distance_angstrom: Signed distance from the surface, positive outside, in Å.
        soft_edge_angstrom: Width of the edge; 0 gives a step (1 on the surface).

    Returns:
        A float32 array of the same shape.
    """
    if soft_edge_angstrom <= 0:
        return np.asarray(distance_angstrom <= 0, dtype=np.float32)
    fraction = np.clip(distance_angstrom / soft_edge_angstrom, 0.0, 1.0)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * fraction), dtype=np.float32)


def resample_mask(
    mask: Float[np.ndarray, "old old old"], box: int
) -> Float[np.ndarray, "box box box"]:
    """Resample a mask to another box of the same extent, linearly, so that it cannot ripple.

    The centre stays the centre and values stay within those of their neighbours.
    """
    old = mask.shape[0]
    step = old / box
    offset = old // 2 - step * (box // 2)
    mask = mask.astype(np.float32, copy=False)
    resampled = affine_transform(mask, (step,) * 3, offset, (box,) * 3, order=1, mode="constant")
    return np.asarray(resampled, np.float32)


def mask_bounds(mask: Float[np.ndarray, "nz ny nx"]) -> BoxBounds:
    """Smallest index box (slices along z, y, x) that holds every nonzero voxel.

    Raises:
        ValueError: If the mask is empty.
    """
    bounds = find_objects((mask != 0).astype(np.int8))
    if not bounds:
        raise ValueError("the mask is zero everywhere; it has no bounds")
    z, y, x = bounds[0]
    return z, y, x

"""Surfaces of maps as triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int32
from scipy.ndimage import label
from skimage.measure import marching_cubes


@dataclass(frozen=True, eq=False)
class SurfaceMesh:
    """A surface in a map.

    Attributes:
        vertices_angstrom: `(n, 3)` x, y, z.
        triangles: `(m, 3)` indices of vertices, counter-clockwise seen from the low side.
    """

    vertices_angstrom: Float32[np.ndarray, "n 3"]
    triangles: Int32[np.ndarray, "m 3"]


def extract_surface(
    density: Float[np.ndarray, "nz ny nx"],
    level: float,
    voxel_size_angstrom: float,
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> SurfaceMesh:
    """Find the surface where density equals a level, by marching cubes (Lewiner et al. 2003).

    Args:
        density: Map or a part of one.
        level: In units of the map.
        voxel_size_angstrom: Å per voxel.
        origin_angstrom: x, y, z of voxel (0, 0, 0).

    Returns:
        A closed surface: what lies beyond the array counts as below the level. Empty where no
            voxel reaches it.
    """
    inside = density > level
    if not inside.any():
        return SurfaceMesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    lowest = min(float(density.min()), level - max(abs(level), 1e-6))
    padded = np.pad(density.astype(np.float32), 1, constant_values=lowest)
    vertices, triangles, _, _ = marching_cubes(padded, level)  # type: ignore[no-untyped-call]
    positions = (vertices[:, ::-1] - 1) * voxel_size_angstrom + np.asarray(origin_angstrom)
    return SurfaceMesh(positions.astype(np.float32), triangles.astype(np.int32))


def hide_dust(
    density: Float32[np.ndarray, "nz ny nx"], level: float, min_voxels: int
) -> Float32[np.ndarray, "nz ny nx"]:
    """Lower pieces above a level to it that have fewer connected voxels: noise has no surface.

    Returns:
        A copy.
    """
    pieces, _ = label(density > level)
    is_dust = np.bincount(pieces.ravel()) < min_voxels
    is_dust[0] = False
    return np.where(is_dust[pieces], np.float32(level), density)

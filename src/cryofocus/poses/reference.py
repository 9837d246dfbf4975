"""A map with its derivatives by rotation and shift, as grids that slices are cut from.

A volume turned by a small rotation vector w and moved by a small t is

    V - w . (r x grad V) - t . grad V,

so its derivatives are maps themselves: three rotational ones, -(r x grad V), and three along the
axes. Slices of these maps are the exact derivatives of the slice of V, whatever the view and the
magnification, and the kernel that compares several maps with an image gives value, gradient and
Fisher information in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float, Float32

from cryofocus.inference.band import Band
from cryofocus.inference.half_grids import stack_grids
from cryofocus.inference.images import ParticleImages
from cryofocus.maths.fourier import (
    forward_3d,
    inverse_3d,
    next_fast_len,
    resize_volume,
)
from cryofocus.maths.grids import wave_vectors_3d

N_MAPS = 7
"""The map, its derivatives by rotation about x, y, z, and its gradient along x, y, z."""


@dataclass(frozen=True, eq=False)
class PoseReference:
    """A map and its six derivatives, in a grid just large enough for a band.

    Attributes
    ----------
    grid : `(edge, edge, edge//2+1, 7)` padded transforms: the map; its derivatives by a turn
        about x, y and z, per radian; its derivatives along x, y and z, per Å.
    n_shells : shells of the images that are compared.
    """

    grid: Complex64[np.ndarray, "edge edge half 7"]
    n_shells: int

    def band(self, box: int) -> Band:
        """Return the points of the images that are compared."""
        return Band.disc(box, self.n_shells)


def make_reference(
    volume: Float32[np.ndarray, "box box box"], images: ParticleImages, n_shells: int
) -> PoseReference:
    """Differentiate a map and lay it out for the slices of some images.

    Parameters
    ----------
    volume : map on the images' grid, filtered as it is to be compared.
    images : whose pixel size and magnifications count.
    n_shells : shells 0 to n_shells - 1 are compared.
    """
    box, pixel_size = volume.shape[0], images.particles.pixel_size_angstrom
    n_shells = min(n_shells, images.largest_band().n_shells)
    # The slices' outermost points, stretched by the magnification, have neighbours on the grid.
    small = min(box, next_fast_len(int(np.ceil(2 * n_shells * images.stretch)) + 2))
    cropped = resize_volume(volume, small)
    # A transform of fewer voxels is weaker; the images have been transformed at the full size.
    cropped *= np.float32((box / small) ** 3)
    maps = differentiate(cropped, box * pixel_size / small)
    return PoseReference(stack_grids(maps), n_shells)


def differentiate(
    volume: Float32[np.ndarray, "box box box"], voxel_size_angstrom: float
) -> list[Float32[np.ndarray, "box box box"]]:
    """Return a map, its derivatives by a turn about x, y, z (radians) and along x, y, z (Å)."""
    box = volume.shape[0]
    dx, dy, dz = _gradient(volume, voxel_size_angstrom)
    z, y, x = np.meshgrid(
        *(3 * [(np.arange(box) - box // 2) * voxel_size_angstrom]), indexing="ij", sparse=True
    )
    turns = (z * dy - y * dz, x * dz - z * dx, y * dx - x * dy)
    return [volume, *(np.asarray(t, np.float32) for t in turns), dx, dy, dz]


def _gradient(
    volume: Float32[np.ndarray, "box box box"], voxel_size_angstrom: float
) -> list[Float[np.ndarray, "box box box"]]:
    """Differentiate along x, y, z in Fourier space: exact for what the grid can hold."""
    box = volume.shape[0]
    half = forward_3d(volume)
    if box % 2 == 0:
        # The sign of Nyquist frequencies is undefined, and so are their derivatives.
        half[box // 2], half[:, box // 2], half[:, :, box // 2] = 0, 0, 0
    factor = np.complex64(2j * np.pi / (box * voxel_size_angstrom))
    return [inverse_3d(half * (factor * k), box) for k in wave_vectors_3d(box)]

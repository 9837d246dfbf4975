"""A map as the grid that slices and their derivatives by the pose are cut from.

Turning the volume by a small rotation vector w moves the frequency k of a slice by -w x k, so that
the slice V(k) changes by -(w x k) . grad V = w . (i k x F), where grad V = -i F and F is the
transform of the map times x, y and z. Four maps side by side hence give slices with all their
derivatives, at every view and magnification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Complex64, Float32

from cryofocus.consensus.band import Band
from cryofocus.consensus.half_grids import stack_grids
from cryofocus.consensus.images import PADDING, ParticleImages
from cryofocus.maths.fourier import next_fast_len, resize_volume


@dataclass(frozen=True, eq=False)
class PoseReference:
    """A map and its derivatives by the frequency, in a grid just large enough for a band.

    Attributes:
        grid: `(edge, edge, edge//2+1, 4)` padded transforms of the map, and of the map times x, y,
            z from its centre in units of edge/(2 pi) voxels; see `SliceKernels.pose_moments`.
        n_shells: Shells of the images that are compared.
    """

    grid: Complex64[np.ndarray, "edge edge half 4"]
    n_shells: int

    def band(self, box: int) -> Band:
        """Return the points of the images that are compared."""
        return Band.disc(box, self.n_shells)


def make_reference(
    volume: Float32[np.ndarray, "box box box"], images: ParticleImages, n_shells: int
) -> PoseReference:
    """Lay a map out for the slices of some images and their derivatives.

    Args:
        volume: Map on the images' grid, filtered as it is to be compared.
        images: Whose magnifications count.
        n_shells: Shells 0 to n_shells - 1 are compared.
    """
    box = volume.shape[0]
    n_shells = min(n_shells, images.largest_band().n_shells)
    # The slices' outermost points, stretched by the magnification, have neighbours on the grid.
    small = min(box, next_fast_len(int(np.ceil(2 * n_shells * images.stretch)) + 2))
    cropped = resize_volume(volume, small)
    # A transform of fewer voxels is weaker; the images have been transformed at the full size.
    cropped *= np.float32((box / small) ** 3)
    maps = coordinate_maps(cropped, PADDING * small)
    return PoseReference(stack_grids(maps), n_shells)


def coordinate_maps(
    volume: Float32[np.ndarray, "box box box"], edge: int
) -> list[Float32[np.ndarray, "box box box"]]:
    """Return a map, and the map times x, y, z from its centre in units of edge/(2 pi) voxels."""
    box = volume.shape[0]
    axis = ((np.arange(box) - box // 2) * (2 * np.pi / edge)).astype(np.float32)
    return [volume, volume * axis, volume * axis[:, None], volume * axis[:, None, None]]

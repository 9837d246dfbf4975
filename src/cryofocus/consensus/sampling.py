"""Maps between the grid of the files and the coarser one of the band that they are made in.

Transforms keep their values, so that slices of maps on both grids compare with the same images;
grey values change by the ratio of the voxels' volumes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Float64

from cryofocus.maths.bands import fill_volume
from cryofocus.maths.fourier import resize_volume


def sample_map(
    volume: Float32[np.ndarray, "old old old"], box: int, *, threads: int = 1
) -> Float32[np.ndarray, "box box box"]:
    """Sample a map on another grid of its extent: its transform is cropped, or zeros added."""
    old = len(volume)
    if box >= old:
        return fill_volume(volume, box, threads=threads)
    factor = np.float32((old / box) ** 3)
    return np.asarray(resize_volume(volume, box, threads=threads) * factor, np.float32)


def sample_fsc(fsc: Float[np.ndarray, " n_shells"], box: int) -> Float64[np.ndarray, " n"]:
    """Return a curve to the last shell of a box: where half maps are zero, so is it."""
    curve = np.zeros(box // 2 + 1)
    n = min(len(fsc), len(curve))
    curve[:n] = fsc[:n]
    return curve


def masked(
    volume: Float32[np.ndarray, "coarse coarse coarse"],
    mask: Float32[np.ndarray, "box box box"],
) -> Float32[np.ndarray, "coarse coarse coarse"]:
    """Multiply a map by a mask on the mask's own grid, where the product does not alias."""
    if len(volume) == len(mask):
        return np.asarray(volume * mask)
    return sample_map(sample_map(volume, len(mask)) * mask, len(volume))

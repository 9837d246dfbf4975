"""Filters that act on the Fourier shells of volumes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import n_shells, shell_index_3d
from cryofocus.maths.masks import cosine_edge

EDGE_SHELLS = 3.0


def lowpass_curve(box: int, last_shell: float) -> Float64[np.ndarray, " n_shells"]:
    """Factors of a low-pass filter: 1 up to a shell, then a raised cosine to 0 over three shells.

    Args:
        box: Edge of the volume in voxels.
        last_shell: Last shell that passes whole.
    """
    beyond = np.arange(n_shells(box)) - float(last_shell)
    return cosine_edge(beyond, EDGE_SHELLS).astype(np.float64)


def expand_shells(
    curve: Float[np.ndarray, " n_shells"], box: int
) -> Float[np.ndarray, "box box half"]:
    """Lay a curve over shells out on a half transform; corners take the last value."""
    return np.asarray(curve[np.minimum(shell_index_3d(box), len(curve) - 1)])


def filter_shells(
    volume: Float[np.ndarray, "box box box"], curve: Float[np.ndarray, " n_shells"]
) -> Float[np.ndarray, "box box box"]:
    """Multiply every Fourier shell of a volume by a factor; corners take the last one."""
    box = volume.shape[0]
    half = forward_3d(volume)
    half *= expand_shells(curve, box)
    return np.asarray(inverse_3d(half, box), dtype=volume.dtype)


def lowpass(
    volume: Float[np.ndarray, "box box box"],
    voxel_size_angstrom: float,
    resolution_angstrom: float,
) -> Float[np.ndarray, "box box box"]:
    """Take out of a volume what is finer than a resolution in Å; see `lowpass_curve`."""
    box = volume.shape[0]
    last_shell = box * voxel_size_angstrom / resolution_angstrom
    return filter_shells(volume, lowpass_curve(box, last_shell))

"""Half maps as references: noise taken out shell by shell, and where there is no density.

Poses are more easily misled than classes. A body that is nearly round tells little of the turn
about its axis, while noise in the map is not round, and the more so the farther from the axis.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter

from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.consensus.subtraction import HalfMaps, filter_half_maps
from cryofocus.maps.rigid import RigidTransform
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.shells import (
    FSC_LIMIT,
    first_shell_below,
    fourier_shell_correlation,
    shell_mean_3d,
)
from cryofocus.maths.symmetry import OperatorSet

# Local power is averaged over this part of the resolution, and is counted as density's where it
# is more than so many times the noise's: averages over few voxels exceed their mean by chance.
WINDOW, MARGIN = 0.5, 2.0


def denoise_half_maps(halves: HalfMaps, fsc: Float[np.ndarray, " n_shells"]) -> HalfMaps:
    """Filter two half maps by their FSC, then weight every voxel by its share of signal.

    Args:
        halves: Unfiltered half maps.
        fsc: Their Fourier shell correlation.

    Returns:
        Each depends on the other map through the FSC alone.
    """
    first, second = (_weigh(half, fsc) for half in filter_half_maps(halves, fsc))
    return first, second


def symmetrise(
    estimate: MapEstimate, operators: OperatorSet, voxel_size_angstrom: float
) -> MapEstimate:
    """Return the mean of a map and of its half maps over the operators of a point group.

    Args:
        estimate: Map, half maps and FSC.
        operators: The group.
        voxel_size_angstrom: Of the maps.
    """
    full, first, second = (
        symmetrise_map(volume, operators, voxel_size_angstrom)
        for volume in (estimate.full, *estimate.halves)
    )
    fsc = fourier_shell_correlation(forward_3d(first), forward_3d(second), len(full))
    return MapEstimate(full, (first, second), fsc)


def symmetrise_map(
    volume: Float32[np.ndarray, "box box box"], operators: OperatorSet, voxel_size_angstrom: float
) -> Float32[np.ndarray, "box box box"]:
    """Return the mean of a map over the operators of a point group."""
    total = volume.astype(np.float64)
    for rotation in operators.rotation[1:]:
        motion = RigidTransform(rotation, np.zeros(3))
        total += motion.move_map(volume, voxel_size_angstrom)
    return np.asarray(total / len(operators), np.float32)


def _weigh(
    filtered: Float32[np.ndarray, "box box box"], fsc: Float[np.ndarray, " n_shells"]
) -> Float32[np.ndarray, "box box box"]:
    """Multiply by 1 - noise / local power, the Wiener filter of a voxel.

    Of the power of a shell, the share 1 - FSC is noise, the same everywhere in the map.
    """
    box = filtered.shape[0]
    n_shells = max(first_shell_below(fsc, FSC_LIMIT), 1)
    power = shell_mean_3d(np.abs(forward_3d(filtered)) ** 2, box)
    # A shell holds points in proportion to its surface; that at the origin is a single one.
    power *= 4 * np.pi * np.arange(len(power)) ** 2 + 1
    noise_share = ((1 - np.clip(fsc, 0, 1)) * power)[:n_shells].sum() / max(
        power[:n_shells].sum(), np.finfo(np.float64).tiny
    )
    squares = np.square(filtered, dtype=np.float64)
    local = gaussian_filter(squares, WINDOW * box / n_shells)
    noise = MARGIN * noise_share * squares.mean()
    weight = np.clip(1 - noise / np.maximum(local, np.finfo(np.float64).tiny), 0, 1)
    return np.asarray(filtered * weight, np.float32)

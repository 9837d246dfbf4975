"""Classes kept in one frame: their maps are fitted to a scaffold, and their particles follow.

Where poses are refined against the classes' own maps, a map may drift away from the others, and
differences between classes then show the drift. A scaffold, a region that is the same in all of
them, holds them together (Zhang et al. 2019, experimental protocol 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int

from cryofocus.arrays import Volume
from cryofocus.maps.align import FitSettings, fit_rigid
from cryofocus.maps.rigid import RigidTransform


def fit_to_scaffold(
    maps: Sequence[Volume],
    target: Volume,
    mask: Volume,
    voxel_size_angstrom: float,
    max_resolution_angstrom: float,
) -> tuple[RigidTransform, ...]:
    """Find the motion that brings the scaffold of each map onto that of a target.

    Args:
        maps: Of the classes.
        target: Map in the frame that all are to have.
        mask: The scaffold, on the maps' grid.
        voxel_size_angstrom: Å per voxel.
        max_resolution_angstrom: Finest detail compared.
    """
    settings = FitSettings(max_resolution_angstrom=max_resolution_angstrom, search="local")
    return tuple(
        fit_rigid(volume, target, voxel_size_angstrom, mask, settings).transform for volume in maps
    )


def move_by_class(
    rotation: Float64[np.ndarray, "n 3 3"],
    shift_angstrom: Float64[np.ndarray, "n 2"],
    labels: Int[np.ndarray, " n"],
    transforms: Sequence[RigidTransform],
) -> tuple[Float64[np.ndarray, "n 3 3"], Float64[np.ndarray, "n 2"]]:
    """Return the poses of particles whose class maps have moved.

    Args:
        rotation: Rotations of the poses.
        shift_angstrom: Their shifts.
        labels: `(n,)` class of each particle, counted from 0.
        transforms: Motion of each class's map.
    """
    rotation, shift_angstrom = rotation.copy(), shift_angstrom.copy()
    for number, transform in enumerate(transforms):
        mine = labels == number
        rotation[mine], shift_angstrom[mine] = transform.move_poses(
            rotation[mine], shift_angstrom[mine]
        )
    return rotation, shift_angstrom

"""What every image holds besides the classes' deviations, taken out before classes are compared.

| strategy | taken out of an image | taken out when classes are compared |
| --- | --- | --- |
| residual, global | the consensus V | the same |
| subtract | (1 - m) V_h + m V, V_h the map of the image's own half set | the same |
| mask3d | V | m V + w (1 - m) V_low: all that a masked reference holds |

m is the focus mask. The first is what class maps are made from, the second what log-likelihoods
are made from (docs/derivations/strategies.md).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int8

from cryofocus.arrays import Volume
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.half_grids import HalfGrids
from cryofocus.consensus.subtraction import filter_half_maps
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.filters import lowpass


def subtracted_density(
    consensus: Consensus,
    mask: Volume,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
) -> HalfGrids:
    """Take out what lies outside the mask with each half set's own map (strategy subtract)."""
    halves = filter_half_maps(consensus.map.halves, consensus.map.fsc)
    inside = mask * consensus.map.full
    volumes = tuple(((1 - mask) * half + inside,) for half in halves)
    return HalfGrids(consensus.images, half_set, volumes, kernels)


def masked_reference(
    consensus: Consensus,
    mask: Volume,
    outside_lowpass_angstrom: float | None,
    outside_weight: float,
    kernels: SliceKernels,
) -> HalfGrids:
    """Compare whole images with masked references (strategy mask3d).

    Returns:
        Two columns: the consensus, and what of it a reference holds.
    """
    volume = consensus.map.full
    reference = mask * volume
    if outside_weight > 0:
        voxel = consensus.images.particles.pixel_size_angstrom
        outside = volume
        if outside_lowpass_angstrom is not None:
            outside = lowpass(volume, voxel, outside_lowpass_angstrom)
        reference = reference + np.float32(outside_weight) * (1 - mask) * outside
    columns = (volume, reference.astype(np.float32))
    return HalfGrids(consensus.images, None, (columns,), kernels)

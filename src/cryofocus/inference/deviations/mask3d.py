"""The strategy `mask3d`: whole images are compared with masked references.

The density a masked reference lacks stays in the images and counts as noise, in every particle's
likelihood and in the noise spectra. Class maps are made from images without the consensus V;
when classes are compared, an image loses m V + w (1 - m) V_low, with m the focus mask, all that a
masked reference holds (docs/derivations/strategies.md). Without a prior, whole maps are
reconstructed in every cycle and masked, as the published programs do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryofocus.inference.strategy import Region, Storage, Strategy

if TYPE_CHECKING:
    from cryofocus.arrays import Volume
    from cryofocus.consensus.consensus import Consensus
    from cryofocus.consensus.ground import Ground
    from cryofocus.consensus.half_grids import HalfGrids
    from cryofocus.inference.comparison import RunPlan
    from cryofocus.inference.deviations.comparison import ResidualComparison
    from cryofocus.kernels.contract import SliceKernels


def prepare(
    ground: Ground,
    plan: RunPlan,
    *,
    storage: Storage,
    outside_lowpass_angstrom: float | None,
    outside_weight: float | None,
) -> ResidualComparison:
    """Compare whole images with masked references, and measure the noise against them."""
    from cryofocus.consensus.consensus import refit_noise
    from cryofocus.inference.deviations.comparison import compare_deviations

    background = masked_reference(
        ground.consensus,
        ground.mask.data,
        outside_lowpass_angstrom,
        weight_outside(outside_lowpass_angstrom, outside_weight),
        ground.kernels,
    )
    consensus = refit_noise(ground.consensus, background.volumes[0][1], ground.kernels)
    ground = replace(ground, consensus=consensus)
    return compare_deviations(ground, plan, background, storage=storage)


def masked_reference(
    consensus: Consensus,
    mask: Volume,
    outside_lowpass_angstrom: float | None,
    outside_weight: float,
    kernels: SliceKernels,
) -> HalfGrids:
    """Return two columns: the consensus, and what of it a reference holds."""
    import numpy as np

    from cryofocus.consensus.half_grids import HalfGrids
    from cryofocus.consensus.sampling import masked
    from cryofocus.maths.filters import lowpass

    volume = consensus.map.full
    reference = masked(volume, mask)
    if outside_weight > 0:
        voxel = consensus.images.particles.pixel_size_angstrom
        outside = volume
        if outside_lowpass_angstrom is not None:
            outside = lowpass(volume, voxel, outside_lowpass_angstrom)
        reference = reference + np.float32(outside_weight) * masked(outside, 1 - mask)
    columns = (volume, reference.astype(np.float32))
    return HalfGrids(consensus.images, None, (columns,), kernels)


def weight_outside(lowpass_angstrom: float | None, weight: float | None) -> float:
    """Return the weight of the density outside: what was given, or what a filter implies."""
    if weight is None:
        return 0.0 if lowpass_angstrom is None else 1.0
    return weight


OUTSIDE: dict[str, Region | None] = {"outside_lowpass_angstrom": None, "outside_weight": None}
MASK3D = Strategy(
    name="mask3d",
    summary="whole images with masked references.",
    prepare=prepare,
    options={"prior": None, "storage": None, "keep_all_classes": None, **OUTSIDE},
)

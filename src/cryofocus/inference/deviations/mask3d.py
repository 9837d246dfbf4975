"""The strategy `mask3d`: whole images are compared with masked references.

The density a masked reference lacks stays in the images and counts as noise, in every particle's
likelihood and in the noise spectra.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryofocus.inference.strategy import Storage, Strategy

if TYPE_CHECKING:
    from cryofocus.consensus.ground import Ground
    from cryofocus.inference.comparison import RunPlan
    from cryofocus.inference.deviations.comparison import ResidualComparison


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
    from cryofocus.inference.background import masked_reference
    from cryofocus.inference.deviations.comparison import compare_deviations

    if outside_weight is None:
        outside_weight = 0.0 if outside_lowpass_angstrom is None else 1.0
    background = masked_reference(
        ground.consensus,
        ground.mask.data,
        outside_lowpass_angstrom,
        outside_weight,
        ground.kernels,
    )
    consensus = refit_noise(ground.consensus, background.volumes[0][1], ground.kernels)
    ground = replace(ground, consensus=consensus)
    return compare_deviations(ground, plan, background, storage=storage)


MASK3D = Strategy(
    name="mask3d",
    summary="whole images with masked references.",
    prepare=prepare,
    options={"storage": None, "outside_lowpass_angstrom": None, "outside_weight": None},
)

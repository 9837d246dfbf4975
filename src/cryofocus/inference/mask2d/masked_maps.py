"""The strategy `mask3d` without a prior, as published: whole maps, masked as reconstructed.

Whole images are compared with them; nothing is shrunk and nothing is said of what lies outside the
mask (docs/derivations/strategies.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryofocus.inference.deviations.mask3d import OUTSIDE, weight_outside
from cryofocus.inference.strategy import Strategy

if TYPE_CHECKING:
    from cryofocus.consensus.ground import Ground
    from cryofocus.inference.comparison import RunPlan
    from cryofocus.inference.mask2d.comparison import Mask2dComparison


def prepare(
    ground: Ground,
    plan: RunPlan,
    *,
    outside_lowpass_angstrom: float | None,
    outside_weight: float | None,
) -> Mask2dComparison:
    """Compare whole images with whole maps, masked as they are reconstructed."""
    from cryofocus.inference.mask2d.comparison import compare_whole_maps, whiten, whole_particle
    from cryofocus.inference.mask2d.whole_maps import Envelope
    from cryofocus.maths.masks import resample_mask

    images = whiten(ground)
    inside, outside = resample_mask(ground.mask.data, images.reference_box), None
    weight = weight_outside(outside_lowpass_angstrom, outside_weight)
    if weight > 0:
        outside = (weight * (1 - inside) * whole_particle(ground, images)).astype(inside.dtype)
    envelope = Envelope(inside, outside, images.voxel_size_angstrom, outside_lowpass_angstrom)
    return compare_whole_maps(ground, plan, images, None, envelope=envelope)


MASKED_MAPS = Strategy(
    name="mask3d",
    summary="whole images with masked references, reconstructed without a prior.",
    prepare=prepare,
    options={"prior": None, **OUTSIDE},
    compares_pixels=True,
    can_be_sharded=False,
    objective="log-likelihood",
)

"""The strategy `subtract`: what lies outside the mask is taken out with half sets' own maps.

An image loses (1 - m) V_h + m V: m is the focus mask, V the consensus, V_h the map of the image's
own half set. The same is taken out when classes are compared (docs/derivations/strategies.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryofocus.inference.strategy import Storage, Strategy

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Int8

    from cryofocus.arrays import Volume
    from cryofocus.consensus.consensus import Consensus
    from cryofocus.consensus.ground import Ground
    from cryofocus.consensus.half_grids import HalfGrids
    from cryofocus.inference.comparison import RunPlan
    from cryofocus.inference.deviations.comparison import ResidualComparison
    from cryofocus.kernels.contract import SliceKernels


def prepare(ground: Ground, plan: RunPlan, *, storage: Storage) -> ResidualComparison:
    """Subtract what lies outside the mask, each half set's own map from its images."""
    from cryofocus.inference.deviations.comparison import compare_deviations

    background = subtracted_density(
        ground.consensus, ground.mask.data, ground.half_set, ground.kernels
    )
    return compare_deviations(ground, plan, background, storage=storage)


def subtracted_density(
    consensus: Consensus,
    mask: Volume,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
) -> HalfGrids:
    """Take out what lies outside the mask with each half set's own map."""
    from cryofocus.consensus.half_grids import HalfGrids
    from cryofocus.consensus.sampling import masked
    from cryofocus.consensus.subtraction import filter_half_maps

    halves = filter_half_maps(consensus.map.halves, consensus.map.fsc)
    inside = masked(consensus.map.full, mask)
    volumes = tuple((masked(half, 1 - mask) + inside,) for half in halves)
    return HalfGrids(consensus.images, half_set, volumes, kernels)


SUBTRACT = Strategy(
    name="subtract",
    summary="`residual`, with each half set's own map outside the mask.",
    prepare=prepare,
    options={"storage": None, "background": None, "keep_all_classes": None},
    needs_outside=True,
)

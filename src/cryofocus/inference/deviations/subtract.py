"""The strategy `subtract`: what lies outside the mask is taken out with half sets' own maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryofocus.inference.strategy import Storage, Strategy

if TYPE_CHECKING:
    from cryofocus.consensus.ground import Ground
    from cryofocus.inference.comparison import RunPlan
    from cryofocus.inference.deviations.comparison import ResidualComparison


def prepare(ground: Ground, plan: RunPlan, *, storage: Storage) -> ResidualComparison:
    """Subtract what lies outside the mask, each half set's own map from its images."""
    from cryofocus.inference.background import subtracted_density
    from cryofocus.inference.deviations.comparison import compare_deviations

    background = subtracted_density(
        ground.consensus, ground.mask.data, ground.half_set, ground.kernels
    )
    return compare_deviations(ground, plan, background, storage=storage)


SUBTRACT = Strategy(
    name="subtract",
    summary="`residual`, with each half set's own map outside the mask.",
    prepare=prepare,
    options={"storage": None},
    needs_outside=True,
)

"""The strategies `residual` and `global`: the consensus explains all that classes share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryofocus.inference.strategy import Storage, Strategy

if TYPE_CHECKING:
    from cryofocus.consensus.ground import Ground
    from cryofocus.inference.comparison import RunPlan
    from cryofocus.inference.deviations.comparison import ResidualComparison


def prepare(ground: Ground, plan: RunPlan, *, storage: Storage) -> ResidualComparison:
    """Compare residuals from the consensus."""
    from cryofocus.inference.deviations.comparison import compare_deviations

    return compare_deviations(ground, plan, storage=storage)


RESIDUAL = Strategy(
    name="residual",
    summary="the consensus explains everything outside the mask, classes compete for what is left "
    "inside.",
    prepare=prepare,
    options={"storage": None, "background": None, "keep_all_classes": None},
)
# The same on a mask that holds the whole particle.
GLOBAL = replace(
    RESIDUAL,
    name="global",
    summary="no focus.",
    options={"storage": None, "keep_all_classes": None},
    needs_region=False,
    compares_whole_maps=True,
)

"""The strategies by name.

What is taken out of an image, and what of that when classes are compared, tells most of them
apart (docs/derivations/strategies.md); mask2d, and mask3d without a prior,
compare whole maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cryofocus.inference.deviations.mask3d import MASK3D
from cryofocus.inference.deviations.residual import GLOBAL, RESIDUAL
from cryofocus.inference.deviations.subtract import SUBTRACT
from cryofocus.inference.mask2d.masked_maps import MASKED_MAPS
from cryofocus.inference.mask2d.strategy import MASK2D
from cryofocus.inference.strategy import Strategy

STRATEGIES: Mapping[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        *(RESIDUAL, MASK2D, replace(MASK3D, without_prior=MASKED_MAPS)),
        *(SUBTRACT, GLOBAL),
    )
}

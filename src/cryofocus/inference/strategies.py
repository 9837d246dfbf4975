"""The strategies by name, and what makes each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cryofocus.consensus.consensus import refit_noise
from cryofocus.inference.background import masked_reference, subtracted_density
from cryofocus.inference.deviations.strategy import (
    ResidualStrategy,
    prepare_deviations,
    prepare_residual,
)
from cryofocus.inference.mask2d.strategy import prepare_mask2d
from cryofocus.inference.strategy import Prepared, Strategy


def prepare_subtract(prepared: Prepared) -> ResidualStrategy:
    """Subtract what lies outside the mask, each half set's own map from its images."""
    ground = prepared.ground
    background = subtracted_density(
        ground.consensus, ground.mask.data, ground.half_set, ground.kernels
    )
    return prepare_deviations(prepared, background)


def prepare_mask3d(prepared: Prepared) -> ResidualStrategy:
    """Compare whole images with masked references.

    The density a masked reference lacks stays in the images and counts as noise, in every
    particle's likelihood and in the noise spectra.
    """
    settings, ground = prepared.settings, prepared.ground
    background = masked_reference(
        ground.consensus,
        ground.mask.data,
        settings.outside_lowpass_angstrom,
        settings.resolved_outside_weight,
        ground.kernels,
    )
    consensus = refit_noise(ground.consensus, background.volumes[0][1], ground.kernels)
    ground = replace(ground, consensus=consensus)
    return prepare_deviations(replace(prepared, ground=ground), background)


STRATEGIES: Mapping[str, Callable[[Prepared], Strategy[Any]]] = {
    "residual": prepare_residual,
    "mask2d": prepare_mask2d,
    "mask3d": prepare_mask3d,
    "subtract": prepare_subtract,
    # The same on a mask that holds the whole particle.
    "global": prepare_residual,
}

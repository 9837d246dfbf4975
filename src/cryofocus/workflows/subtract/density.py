"""The density that `subtract` takes out of each half set, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8

from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.reach import Reach, cropped_with_margin
from cryofocus.consensus.sampling import sample_map
from cryofocus.consensus.subtraction import HalfMaps, filter_half_maps
from cryofocus.formatting import format_resolution
from cryofocus.kernels.contract import SliceKernels
from cryofocus.logs import get_logger
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.shells import (
    FSC_LIMIT,
    first_shell_below,
    fourier_shell_correlation,
    shell_resolution_angstrom,
)
from cryofocus.workflows.subtract.inputs import SubtractInputs

logger = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Density:
    """Maps to subtract, one per half set.

    Attributes:
        images: The prepared images, cropped to where maps hold signal, if that is known; those of
            a reconstruction know their contrast sign.
        maps: On the grid of the images; the same object twice where half sets share a map.
        n_shells: Shells in which the maps hold signal.
        resolution_angstrom: Where that ends; Nyquist for a single map, which cannot tell.
        origin: Where the maps come from, in words.
    """

    images: ParticleImages
    maps: HalfMaps
    n_shells: int
    resolution_angstrom: float
    origin: str

    @property
    def is_shared(self) -> bool:
        """Whether both half sets use one map."""
        return self.maps[0] is self.maps[1]


def find_density(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    inputs: SubtractInputs,
    kernels: SliceKernels,
    advance: Callable[[int], None],
) -> Density:
    """Take the given maps, or reconstruct half maps, and filter half maps by their FSC.

    Args:
        images: Prepared images.
        half_set: `(particle,)` 1 or 2.
        inputs: With no map, one, or two half maps.
        kernels: Slice kernels.
        advance: Called with the number of particles reconstructed.
    """
    if len(inputs.maps) == 1:
        logger.warning(
            "both half sets are subtracted with the same map, so they are not independent of each "
            "other any more: give two half maps (--map, --half2), or no map at all, to keep them "
            "apart"
        )
        (volume,) = inputs.maps
        nyquist = 2 * inputs.particles.pixel_size_angstrom
        n_shells = inputs.particles.box // 2
        return Density(images, (volume, volume), n_shells, nyquist, "one map, used as given")
    if inputs.maps:
        first, second = inputs.maps
        box = inputs.particles.box
        fsc = fourier_shell_correlation(forward_3d(first), forward_3d(second), box)
        return _filtered(images, (first, second), fsc, "two half maps")
    consensus = estimate_consensus(images, half_set, kernels, reach=Reach(), advance=advance)
    estimate = consensus.map
    return _filtered(
        consensus.images, estimate.halves, estimate.fsc, "half maps reconstructed from the images"
    )


def _filtered(
    images: ParticleImages, halves: HalfMaps, fsc: Float[np.ndarray, " n_shells"], origin: str
) -> Density:
    particles = images.particles
    n_shells = max(first_shell_below(fsc, FSC_LIMIT), 1)
    resolution = shell_resolution_angstrom(
        min(n_shells, particles.box // 2), particles.box, particles.pixel_size_angstrom
    )
    ends = format_resolution(resolution, particles.box, particles.pixel_size_angstrom)
    logger.info("%s, weighted by their FSC, which ends at %s", origin, ends)
    first, second = filter_half_maps(halves, fsc)
    images = cropped_with_margin(images, n_shells)
    box = images.particles.box
    first, second = sample_map(first, box), sample_map(second, box)
    return Density(images, (first, second), n_shells, resolution, origin)

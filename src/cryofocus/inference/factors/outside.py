"""What varies outside the region in focus, for a background that differs between particles."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from cryofocus.consensus.flexible import OutsideFields
from cryofocus.consensus.ground import Ground
from cryofocus.data.mask import FocusMask
from cryofocus.inference.factors.model import MAX_CYCLES, fit_factors
from cryofocus.inference.factors.problem import state_factor_problem
from cryofocus.maths.masks import resample_mask

logger = logging.getLogger(__name__)

N_FIELDS = 4
# What varies over the whole particle is seen at low resolution.
MOST_SHELLS = 16
SOFT_EDGE_ANGSTROM = 8.0


def describe_outside(ground: Ground, seed: int) -> OutsideFields | None:
    """Find how the particles differ outside the region in focus.

    Fields of the whole particle are fitted, inside the region, too, so that what goes along with
    it is known of the outside; of each, what lies outside stays. Coordinates are posterior means.

    Args:
        ground: Images, consensus, and the region in focus.
        seed: Of the random start.

    Returns:
        None where no field holds more than noise.
    """
    particles = ground.consensus.images.particles
    whole = FocusMask.whole(
        particles.box, particles.pixel_size_angstrom, soft_edge_angstrom=SOFT_EDGE_ANGSTROM
    )
    wide = replace(ground, mask=whole, n_shells=min(ground.n_shells, MOST_SHELLS))
    problem = state_factor_problem(wide, [], N_FIELDS)
    generator = np.random.default_rng([seed, 0xB6])
    with ground.monitor.stage("background", MAX_CYCLES, at_most=True) as advance:
        model = fit_factors(problem, generator, advance=advance)
    is_real = model.information > model.noise_information
    logger.info(
        "flexible background: %d of %d fields hold more than noise (signal-to-noise ratio of one "
        "image %s)",
        np.count_nonzero(is_real),
        N_FIELDS,
        ", ".join(f"{value:.2f}" for value in model.information),
    )
    if not is_real.any():
        return None
    space = problem.space
    outside = 1 - np.clip(resample_mask(ground.mask.data, space.box.sampled_box), 0, 1)
    fields = (model.fields[is_real] * outside).astype(np.float32)
    coordinates = model.posterior.mean[:, 1:][:, is_real].astype(np.float32)
    return OutsideFields(np.asarray(space.to_grid(fields)), coordinates, wide.n_shells)

"""Up to which resolution classes are compared."""

from __future__ import annotations

import numpy as np

from cryofocus.consensus.consensus import Consensus
from cryofocus.logs import get_logger
from cryofocus.maths.shells import FSC_LIMIT, first_shell_below

logger = get_logger(__name__)

# The smallest band in which a focus region still has a shape.
MIN_SHELLS = 5


def choose_shells(consensus: Consensus, max_resolution_angstrom: float | None) -> int:
    """Return how many shells enter the classification.

    What the consensus does not resolve, a part of the particles cannot; with a limit given, the
    limit holds, clamped to Nyquist and to a few shells.
    """
    particles = consensus.images.particles
    box, pixel = particles.box, particles.pixel_size_angstrom
    largest = consensus.images.largest_band().n_shells
    if max_resolution_angstrom is not None:
        asked = int(box * pixel / max_resolution_angstrom) + 1
        if asked > box // 2:
            logger.warning(
                "the resolution limit of %.2f Å lies beyond Nyquist (%.2f Å), the finest that "
                "these pixels hold; Nyquist was taken. Give a coarser --max-resolution, or leave "
                "it out for all that half maps support.",
                max_resolution_angstrom,
                2 * pixel,
            )
        elif asked < min(MIN_SHELLS, largest):
            logger.warning(
                "the resolution limit of %.2f Å is coarser than can be classified at in a box of "
                "%.0f Å; %d shells are used.",
                max_resolution_angstrom,
                box * pixel,
                min(MIN_SHELLS, largest),
            )
        return int(np.clip(asked, min(MIN_SHELLS, largest), largest))
    if first_shell_below(consensus.map.fsc, FSC_LIMIT) < MIN_SHELLS:
        logger.warning(
            "the half maps of the consensus do not agree at any resolution: the images look like "
            "noise under these poses. Check poses, contrast and CTF."
        )
    return resolved_shells(consensus)


def resolved_shells(consensus: Consensus) -> int:
    """Return in how many shells the half maps of the consensus agree, or the fewest used."""
    largest = consensus.images.largest_band().n_shells
    resolved = first_shell_below(consensus.map.fsc, FSC_LIMIT)
    return int(np.clip(resolved, min(MIN_SHELLS, largest), largest))

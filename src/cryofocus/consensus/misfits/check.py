"""Whether images and table belong together, as every command that has a consensus can ask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8

from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.misfits.evidence import Evidence
from cryofocus.consensus.misfits.misfit import Misfit, find_misfits
from cryofocus.consensus.misfits.roundness import Roundness, measure_roundness
from cryofocus.consensus.resolution import resolved_shells
from cryofocus.data.particles import ParticleSet
from cryofocus.execution.monitor import Monitor
from cryofocus.kernels.contract import SliceKernels


@dataclass(frozen=True, eq=False)
class TableCheck:
    """What images say of their table.

    Attributes:
        particles: The particles, with the groups that `misfits` count; they may have more optics
            groups than the table.
        match: What was measured of every image.
        misfits: Groups, or all images, that fit better told otherwise.
        roundness: How far the consensus depends on the view; None where something misfits, which
            makes a ball as well.
    """

    particles: ParticleSet
    match: ImageMatch
    misfits: tuple[Misfit, ...]
    roundness: Roundness | None


def check_table(
    consensus: Consensus,
    match: ImageMatch,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    monitor: Monitor | None = None,
) -> TableCheck:
    """Hold what the table says against the images, of which a sample is read again.

    Args:
        consensus: Images, their noise and the half maps.
        match: What the pass over the images measured of each.
        half_set: `(particle,)` 1 or 2.
        kernels: Slice kernels of the device.
        monitor: Shows progress; silent by default.
    """
    evidence = Evidence(consensus, half_set, resolved_shells(consensus), kernels)
    misfits = find_misfits(evidence, match, monitor)
    roundness = None if misfits else measure_roundness(evidence)
    return TableCheck(consensus.images.particles, match, misfits, roundness)

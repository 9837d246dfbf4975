"""What is to be found: statistics of the images, and where and how large deviations may be."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int

from cryofocus.consensus.background import Background
from cryofocus.consensus.flexible import FlexibleBackground
from cryofocus.consensus.ground import Allocate, Ground
from cryofocus.consensus.residuals import whole_consensus
from cryofocus.inference.deviations.deviation import DeviationSpace
from cryofocus.inference.deviations.focus import FocusBox, FocusPlan
from cryofocus.inference.deviations.prior import (
    SpectrumModel,
    consensus_spectrum,
    consensus_support,
)
from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics, measure_statistics
from cryofocus.inference.strategy import Storage
from cryofocus.maths.masks import resample_mask

logger = logging.getLogger(__name__)

# A focus region smaller than a cube of so many pixels was hardly meant.
SMALLEST_REGION_PIXELS = 3
# A coarse problem has the shells that hold this share of what deviations are expected to tell, and
# no fewer than are worth it.
COARSE_SHARE, FEWEST_SHELLS = 0.9, 6


@dataclass(frozen=True, eq=False)
class FocusProblem:
    """What stays the same in all cycles and runs.

    Attributes:
        statistics: The data, and who computes with them.
        space: What deviations can be.
        support: Where the prior expects them before any is known.
        spectrum: The prior's spectrum before any is known.
    """

    statistics: ShardedStatistics
    space: DeviationSpace
    support: Float32[np.ndarray, "d d d"]
    spectrum: SpectrumModel

    def take(self, which: Int[np.ndarray, " m"]) -> FocusProblem:
        """Return the problem of some of the particles, numbered in rising order."""
        return replace(self, statistics=self.statistics.take(which))

    def coarsened(self, allocate: Allocate = np.empty) -> FocusProblem | None:
        """Return the problem on the shells that hold most of what deviations are expected to tell.

        Expected is what the prior holds to be likely, seen through the images' kernels. None is
        returned where hardly a shell could be left out.

        Args:
            allocate: Makes the arrays of the statistics, given shape and type.
        """
        statistics, space, base = self.statistics, self.space, self.spectrum.base
        band, edge = statistics.band, space.box.edge
        # Shells of the padded small box for one of the band.
        padding = edge / band.box
        shells = np.rint(np.arange(band.n_shells) * padding).astype(int)
        expected = np.append(base, 0)[np.minimum(shells, len(base))]
        told = np.cumsum(expected * statistics.kernel_power[:, : band.n_shells].mean(axis=0))
        n_shells = int(np.searchsorted(told, COARSE_SHARE * told[-1])) + 1
        if not FEWEST_SHELLS <= n_shells < band.n_shells - 1:
            return None
        coarse = statistics.coarsened(n_shells, allocate)
        reach = min(space.n_shells, int(np.ceil(n_shells * padding)))
        # With fewer voxels, a white coefficient stands for less.
        grain = (edge / coarse.box.edge) ** 3
        return FocusProblem(
            coarse,
            space.of_box(coarse.box, reach),
            resample_mask(self.support, coarse.box.diameter),
            replace(self.spectrum, base=grain * base[:reach]),
        )


def state_problem(
    ground: Ground,
    background: Background | None = None,
    storage: Storage = "float32",
    edges: tuple[int, ...] = (),
) -> FocusProblem:
    """Take the small-box statistics of every particle: one pass over the images.

    Classes are compared under the ground's noise. The consensus is taken out of the images unless
    another background is given, and what the ground says of each particle's own outside with it.
    Images are matched with it in the bands whose edges are given.
    """
    consensus, n_shells = ground.consensus, ground.n_shells
    background = background or whole_consensus(consensus, ground.kernels)
    if ground.outside is not None:
        background = FlexibleBackground(background, ground.outside)
    images = consensus.images
    reach = int(np.ceil(n_shells * images.stretch))
    box = FocusBox.around(ground.mask.data, ground.mask.voxel_size_angstrom, reach)
    plan = FocusPlan(box, n_shells, storage, edges)
    _log_plan(ground, plan, background.n_columns)
    with ground.monitor.stage("statistics", len(images)) as advance:
        statistics = measure_statistics(
            background, consensus.image_model, plan, allocate=ground.allocate, advance=advance
        )
    reach = min(statistics.band.n_shells, _prior_shells(n_shells, box))
    space = DeviationSpace(box, reach, images.threads, ground.kernels.send)
    inside = box.cut(consensus.map.full)
    return FocusProblem(
        statistics, space, consensus_support(space, inside), consensus_spectrum(space, inside)
    )


def _prior_shells(n_shells: int, box: FocusBox) -> int:
    """Shells of the padded small box that lie within the band; beyond, only leakage is."""
    return int(np.ceil(n_shells * box.edge / box.sampled_box))


def _log_plan(ground: Ground, plan: FocusPlan, n_columns: int) -> None:
    particles = ground.consensus.images.particles
    volume = float(plan.box.mask.sum()) * plan.box.voxel_size_angstrom**3
    smallest = SMALLEST_REGION_PIXELS * particles.pixel_size_angstrom
    if volume < smallest**3:
        logger.warning(
            "the focus region holds %.0f Å^3, less than a cube of %.1f Å: too small for what the "
            "images resolve. Radius and centre are in Å, not in voxels; check them.",
            volume,
            smallest,
        )
    logger.info(
        "the region is compared in a box of %d of the %d voxels; the statistics kept of the "
        "images take %.2f GB",
        plan.box.diameter,
        particles.box,
        plan.n_bytes(len(particles), n_columns) / 1e9,
    )

"""What a whole-particle model is fitted to: statistics, and where factors may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Shaped

from cryofocus.consensus.ground import Ground
from cryofocus.consensus.image_model import ScalePrior
from cryofocus.inference.deviations.deviation import DeviationSpace
from cryofocus.inference.deviations.problem import state_problem
from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics
from cryofocus.inference.factors.field_space import Fields
from cryofocus.inference.factors.supports import particle_support, region_support


@dataclass(frozen=True, eq=False)
class FactorProblem:
    """What a whole-particle model is fitted to.

    Attributes:
        statistics: Of all particles over the particle's whole region, grey scales not fitted.
        space: Space of deviations of the same box.
        spectrum: `(n_shells,)` power expected of a field, up to its strength.
        consensus: `(d, d, d)` consensus in the small box.
        region_supports: `(region, d, d, d)` a field of its own for each.
        free_support: `(d, d, d)` where free fields may be.
        n_free: Number of free fields.
    """

    statistics: ShardedStatistics
    space: DeviationSpace
    spectrum: Float64[np.ndarray, " n_shells"]
    consensus: Float32[np.ndarray, "d d d"]
    region_supports: Fields
    free_support: Float32[np.ndarray, "d d d"]
    n_free: int

    @property
    def n_regions(self) -> int:
        """Fields that have a region of their own; the free ones follow."""
        return len(self.region_supports)

    @property
    def supports(self) -> Fields:
        """Supports of all fields."""
        free = np.broadcast_to(self.free_support, (self.n_free, *self.free_support.shape))
        return np.concatenate([self.region_supports, free]).astype(np.float32)

    def integrate(
        self, masks: Sequence[Shaped[np.ndarray, "box box box"]], volumes: Fields
    ) -> Float64[np.ndarray, "mask volume"]:
        """Return the mass inside masks of the particle's box of volumes of the small box."""
        flat = volumes.reshape(len(volumes), -1).astype(np.float64)
        # Both are band-limited alike, so products summed in either box are the same.
        weights = [self.space.box.cut(np.asarray(mask, np.float32)).ravel() for mask in masks]
        finer = (self.space.box.sampled_box / len(masks[0])) ** 3
        return np.stack([flat @ weight for weight in weights]) * finer


def state_factor_problem(
    ground: Ground,
    regions: Sequence[Bool[np.ndarray, "box box box"]],
    n_free: int,
    edges: tuple[int, ...] = (),
) -> FactorProblem:
    """Take the statistics of the whole particle: one pass over the images.

    The particles' grey scales are left to the model: fitted before, they would rise with
    whatever is filled, and independent regions would seem anticorrelated.

    Args:
        ground: Its mask is the region of the whole particle.
        regions: Each gets a field of its own.
        n_free: Number of fields that may be anywhere in the particle.
        edges: Of the bands in which images are matched with the consensus; see `state_problem`.
    """
    consensus = replace(ground.consensus, scale_prior=ScalePrior(1.0, 0.0))
    problem = state_problem(replace(ground, consensus=consensus), edges=edges)
    particles, box = consensus.images.particles, problem.space.box
    extent = particles.box * particles.pixel_size_angstrom
    resolution = extent / ground.n_shells
    density = box.cut(consensus.map.full)
    own = [region_support(box, inside, extent / len(inside), resolution) for inside in regions]
    empty = np.zeros((0, *density.shape), np.float32)
    return FactorProblem(
        statistics=problem.statistics,
        space=problem.space,
        spectrum=problem.spectrum.base,
        consensus=density,
        region_supports=np.stack(own) if own else empty,
        free_support=particle_support(box, density),
        n_free=n_free,
    )

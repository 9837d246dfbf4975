"""What varies in a region, and how sure that is: subspaces of all particles and of both half sets.

Images -> consensus -> small-box statistics -> subspace, as the default strategy does; here the
subspace is the result (docs/derivations/variability.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from cryofocus.consensus.ground import Ground
from cryofocus.execution.monitor import Advance
from cryofocus.inference.deviations.deviation import DeviationPrior
from cryofocus.inference.deviations.problem import FocusProblem, state_problem
from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics, hold
from cryofocus.inference.deviations.subspace import MAX_CYCLES, Subspace, fit_subspace
from cryofocus.inference.factors.moments import Moments
from cryofocus.inference.variability.latent import (
    count_real_axes,
    localise,
    strongest_first,
    voxel_variance,
)


@dataclass(frozen=True, eq=False)
class Variability:
    """How the density of a region varies over the particles.

    Attributes:
        problem: Statistics of all particles, and the space of deviations.
        subspace: Principal deviations; the real axes first, each on as few voxels as possible.
        n_axes: Axes that are real: found in either half set, they explain the other.
        halves: For each half set, its particles' moments in the subspace of the other half set.
    """

    problem: FocusProblem
    subspace: Subspace
    n_axes: int
    halves: tuple[Subspace, Subspace]

    @property
    def deviations(self) -> Float32[np.ndarray, "axis d d d"]:
        """Deviations of the real axes."""
        return self.subspace.deviations[: self.n_axes]

    @property
    def agreement(self) -> float:
        """Correlation of both half sets' variance maps where deviations may be; 0 if one is 0."""
        inside = self.problem.support > 0
        maps = np.stack([voxel_variance(half.deviations)[inside] for half in self.halves])
        return float(np.corrcoef(maps)[0, 1]) if maps.any(axis=1).all() else 0.0


def explore_region(
    ground: Ground, n_dimensions: int, seed: int, edges: tuple[int, ...] = ()
) -> Variability:
    """Find the principal deviations of a region and count those that are real.

    Args:
        ground: Images, consensus, region and half sets.
        n_dimensions: Axes to look for.
        seed: Of the random starts.
        edges: Of the bands in which images are matched with the consensus; see `state_problem`.
    """
    problem = state_problem(ground, edges=edges)
    half_sets = [np.flatnonzero(ground.half_set == number) for number in (1, 2)]
    everything = np.arange(len(problem.statistics))
    fits = []
    with ground.monitor.stage("subspaces", 3 * MAX_CYCLES, at_most=True) as advance:
        for stream, rows in enumerate((everything, *half_sets)):
            generator = np.random.default_rng([seed, stream])
            fits.append(_fit(problem, rows, n_dimensions, generator, advance))
            advance(MAX_CYCLES - fits[-1].n_cycles)
    whole, *own = fits
    halves = tuple(
        _moments(problem, other.deviations, rows)
        for rows, other in zip(half_sets, reversed(own), strict=True)
    )
    n_axes = count_real_axes([Moments(half.linear, half.quadratic) for half in halves])
    return Variability(problem, localise(whole, n_axes), n_axes, (halves[0], halves[1]))


def _fit(
    problem: FocusProblem,
    rows: Int[np.ndarray, " m"],
    n_dimensions: int,
    generator: np.random.Generator,
    advance: Advance,
) -> Subspace:
    spectrum = problem.spectrum.widened().spectrum
    prior = DeviationPrior(spectrum, problem.support, np.eye(n_dimensions))
    return strongest_first(
        fit_subspace(_take(problem.statistics, rows), problem.space, prior, generator, advance)
    )


def _moments(
    problem: FocusProblem,
    deviations: Float32[np.ndarray, "q d d d"],
    rows: Int[np.ndarray, " m"],
) -> Subspace:
    """Return what some particles tell about their coordinates along given deviations."""
    grid = problem.space.to_grid(deviations)
    linear, quadratic = _take(problem.statistics, rows).latent_moments(grid)
    information = np.diagonal(quadratic.mean(axis=0)).copy()
    return Subspace(deviations, linear, quadratic, information, 0)


def _take(statistics: ShardedStatistics, rows: Int[np.ndarray, " m"]) -> ShardedStatistics:
    """Return the statistics of some of the particles."""
    return hold(statistics.whole().take(rows), statistics.kernels)

"""What varies in a region, and how sure that is: subspaces of all particles and of both half sets.

Images -> consensus -> small-box statistics -> subspace, as the default strategy does; here the
subspace is the result (docs/derivations/variability.md).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from jaxtyping import Float32, Int

from cryofocus.consensus.ground import Ground
from cryofocus.execution.monitor import Arrays, Monitor, SilentMonitor
from cryofocus.inference.deviations.deviation import DeviationPrior
from cryofocus.inference.deviations.problem import FocusProblem, state_problem
from cryofocus.inference.deviations.sharded_statistics import ShardedStatistics, hold
from cryofocus.inference.deviations.subspace import MAX_CYCLES, Subspace, fit_subspace
from cryofocus.inference.factors.moments import Moments
from cryofocus.inference.variability.kept import Kept
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
    ground: Ground,
    n_dimensions: int,
    seed: int,
    edges: tuple[int, ...] = (),
    kept: Kept | None = None,
) -> Variability:
    """Find the principal deviations of a region and count those that are real.

    Args:
        ground: Images, consensus, region and half sets.
        n_dimensions: Axes to look for.
        seed: Of the random starts.
        edges: Of the bands in which images are matched with the consensus; see `state_problem`.
        kept: Stages that are finished, and where others are kept; none if left out.
    """
    kept = kept or Kept(SilentMonitor())
    problem = state_problem(ground, edges=edges)
    half_sets = [np.flatnonzero(ground.half_set == number) for number in (1, 2)]
    search = _Search(problem, problem.coarsened(ground.allocate), n_dimensions, ground.monitor)

    def half_set(number: int) -> Arrays:
        generator, rows = np.random.default_rng([seed, number]), half_sets[number - 1]
        found = search.half_set(rows, generator, f"half set {number}")
        return {"deviations": found.deviations}

    own = [
        kept.stage(f"half set {number}", partial(half_set, number))["deviations"]
        for number in (1, 2)
    ]
    whole = _unpack(kept.stage("all particles", lambda: _pack(search.whole(own[0]))))
    halves = tuple(
        _moments(problem, other, rows)
        for rows, other in zip(half_sets, reversed(own), strict=True)
    )
    n_axes = count_real_axes([Moments(half.linear, half.quadratic) for half in halves])
    return Variability(problem, localise(whole, n_axes), n_axes, (halves[0], halves[1]))


@dataclass(frozen=True, eq=False)
class _Search:
    """Searches for principal deviations: of a half set from nothing, of all from a half set's.

    Attributes:
        problem: Of all particles.
        coarse: The same on the shells that tell most, where a search begins; None where that
            would save nothing.
        n_dimensions: Deviations to find.
        monitor: Shows how far it has come.
    """

    problem: FocusProblem
    coarse: FocusProblem | None
    n_dimensions: int
    monitor: Monitor

    def half_set(
        self, rows: Int[np.ndarray, " m"], generator: np.random.Generator, name: str
    ) -> Subspace:
        """Return the principal deviations of some of the particles, strongest first."""
        if self.coarse is None:
            return self._fit(self.problem, rows, generator, name)
        found = self._fit(self.coarse, rows, generator, f"{name}, coarsely")
        return self._fit(self.problem, rows, found, name)

    def whole(self, deviations: Float32[np.ndarray, "q d d d"]) -> Subspace:
        """Return the principal deviations of all particles, which are close to those given."""
        rows = np.arange(len(self.problem.statistics))
        begin = _moments(self.problem, deviations, rows)
        return self._fit(self.problem, rows, begin, "all particles")

    def _fit(
        self,
        problem: FocusProblem,
        rows: Int[np.ndarray, " m"],
        begin: np.random.Generator | Subspace,
        name: str,
    ) -> Subspace:
        spectrum = problem.spectrum.widened().spectrum
        prior = DeviationPrior(spectrum, problem.support, np.eye(self.n_dimensions))
        own = _take(problem.statistics, rows)
        with self.monitor.stage(f"variation, {name}", MAX_CYCLES, at_most=True) as advance:
            return strongest_first(fit_subspace(own, problem.space, prior, begin, advance))


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


def _pack(subspace: Subspace) -> Arrays:
    return {one.name: np.asarray(getattr(subspace, one.name)) for one in fields(Subspace)}


def _unpack(arrays: Arrays) -> Subspace:
    return Subspace(**{**arrays, "n_cycles": int(arrays["n_cycles"])})


def _take(statistics: ShardedStatistics, rows: Int[np.ndarray, " m"]) -> ShardedStatistics:
    """Return the statistics of some of the particles."""
    return hold(statistics.whole().take(rows), statistics.kernels)

"""Which cells a command asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cryofocus.benchmark.cells import SNRS, Cell, PoseSource
from cryofocus.benchmark.parts import Extent, Part, plan_parts
from cryofocus.benchmark.plan import (
    QUICK_SNRS,
    TITRATION_SNR,
    Titration,
    plan_cells,
    plan_titration,
)
from cryofocus.inference.strategy import MapPrior, Start
from cryofocus.simulate.states import SCENARIOS

QUICK_PARTICLES, USUAL_PARTICLES = 2000, 10_000
USUAL_SEEDS = 3


@dataclass(frozen=True)
class Choice:
    """What was chosen; None leaves it to the kind of benchmark.

    Attributes:
        is_quick: Few particles, one seed and three SNRs, unless they are chosen.
        scenarios: Scenarios.
        snrs: Signal-to-noise ratios.
        n_seeds: Sets per cell.
        particles: In a set.
        n_runs: Independent runs per cell.
        strategies: Names of strategies.
        poses: Where poses come from.
        titrate: What of the sphere is swept.
        start: Where runs start; None is the tables' own, for each strategy.
        prior: Of the strategies that have a choice; likewise.
        parts: Of the whole benchmark; their strategies, poses and starts are their own.
    """

    is_quick: bool = False
    scenarios: tuple[int, ...] | None = None
    snrs: tuple[float, ...] | None = None
    n_seeds: int | None = None
    particles: int | None = None
    n_runs: int = 3
    strategies: tuple[str, ...] = ("residual",)
    poses: tuple[PoseSource, ...] = ("exact",)
    titrate: Titration | None = None
    start: Start | None = None
    prior: MapPrior | None = None
    parts: tuple[Part, ...] = ()

    def cells(self) -> list[Cell]:
        """List the cells, those on the same images one after the other."""
        if self.parts:
            return plan_parts(self.parts, self._seeds, self._extent)
        usual_scenarios, usual_snrs = self._extent.scenarios, self._extent.snrs
        plan: Callable[..., list[Cell]] = plan_cells
        if self.titrate is not None:
            usual_scenarios = self.scenarios or SCENARIOS[:1]
            usual_snrs = self.snrs or (TITRATION_SNR,)
            plan = partial(plan_titration, self.titrate)
        return [
            cell
            for source in self.poses
            for cell in plan(
                usual_scenarios,
                usual_snrs,
                self._seeds,
                self.strategies,
                particles=self._extent.particles,
                n_runs=self.n_runs,
                poses=source,
                start=self.start,
                prior=self.prior,
            )
        ]

    @property
    def _seeds(self) -> range:
        return range(1, 1 + (self.n_seeds or (1 if self.is_quick else USUAL_SEEDS)))

    @property
    def _extent(self) -> Extent:
        few, many = QUICK_PARTICLES, USUAL_PARTICLES
        return Extent(
            self.scenarios or SCENARIOS,
            self.snrs or (QUICK_SNRS if self.is_quick else SNRS),
            self.particles or (few if self.is_quick else many),
            self.n_runs,
        )

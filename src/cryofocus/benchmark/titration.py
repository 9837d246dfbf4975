"""Titration: kappa as the focus sphere's radius or soft edge is swept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cryofocus.benchmark.cells import Cell, CellResult, edge_option
from cryofocus.benchmark.plan import make_cell
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategies import STRATEGIES

Titration = Literal["radius", "edge"]

TITRATION_SNR = 0.025
TITRATION_ANGSTROM: Mapping[Titration, tuple[float, ...]] = {
    "radius": (30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0),
    "edge": (0.0, 5.0, 10.0, 20.0, 30.0, 40.0),
}
SPHERE_RADIUS_ANGSTROM = 60.0
"""Of the benchmark's own sphere, which holds one arm and hand in both positions."""


@dataclass(frozen=True)
class TitrationPoint:
    """One cell of a titration and what was swept in it."""

    swept: Titration
    angstrom: float
    result: CellResult


def usual_angstrom(swept: Titration, strategy: str) -> float:
    """Return the benchmark's own radius or edge: those of the set and of the strategy."""
    if swept == "radius":
        return SPHERE_RADIUS_ANGSTROM
    return float(ClassifierSettings.model_fields[edge_option(strategy)].default)


def plan_titration(
    swept: Titration,
    scenarios: Sequence[int],
    snrs: Sequence[float],
    seeds: Iterable[int],
    strategies: Sequence[str] = ("residual",),
    **common: int | float,
) -> list[Cell]:
    """List the cells that sweep the focus sphere's radius or soft edge.

    Args:
        swept: What is swept; the values are those of `TITRATION_ANGSTROM`.
        scenarios: As for `plan_cells`.
        snrs: As for `plan_cells`.
        seeds: As for `plan_cells`.
        strategies: As for `plan_cells`.
        **common: As for `plan_cells`.

    Returns:
        Without strategies that have no sphere. Where a value is the benchmark's own,
            its cell is the one that the benchmark itself has.
    """
    chosen = [strategy for strategy in strategies if STRATEGIES[strategy].needs_region]
    values = TITRATION_ANGSTROM[swept]
    cells = []
    for seed, scenario, snr, strategy, value in itertools.product(
        seeds, scenarios, snrs, chosen, values
    ):
        is_usual = value == usual_angstrom(swept, strategy)
        sphere = {} if is_usual else {f"{swept}_angstrom": value}
        place = {"kind": "focus", "scenario": scenario, "snr": snr, "seed": seed}
        cells.append(make_cell(strategy, {**place, **common, **sphere}))
    return cells


def titration_points(results: Sequence[CellResult]) -> list[TitrationPoint]:
    """Collect the cells of all titrations, the benchmark's own sphere among them.

    Args:
        results: Of finished cells, in any order.

    Returns:
        By what was swept, strategy and value; empty where nothing was swept.
    """
    usual = {result.cell: result for result in results if not result.cell.is_titration}
    points = []
    for swept in TITRATION_ANGSTROM:
        own = [r for r in results if getattr(r.cell, f"{swept}_angstrom") is not None]
        points += [TitrationPoint(swept, getattr(r.cell, f"{swept}_angstrom"), r) for r in own]
        points += [
            TitrationPoint(swept, usual_angstrom(swept, cell.strategy), usual[cell])
            for cell in {result.cell.usual for result in own}
            if cell in usual
        ]
    return sorted(points, key=_order)


def _order(point: TitrationPoint) -> tuple[bool, str, int, float, float, int]:
    cell = point.result.cell
    is_edge = point.swept == "edge"
    return is_edge, cell.strategy, cell.scenario, -cell.snr, point.angstrom, cell.seed

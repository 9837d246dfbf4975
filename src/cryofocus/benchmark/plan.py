"""Which cells a humanoid benchmark consists of.

A titration sweeps the radius or the soft edge of the focus sphere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cryofocus.benchmark.cells import (
    NOISE_SNR,
    STANDARD_CYCLES,
    Cell,
    CellResult,
    Kind,
    PoseSource,
    edge_option,
    usual_protocol,
)
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.inference.strategies import STRATEGIES

Titration = Literal["radius", "edge"]

POSE_SOURCES: tuple[PoseSource, ...] = get_args(PoseSource)
QUICK_SNRS = (0.100, 0.025, 0.006)
# Whole maps without a prior take more cycles to settle, above all from random occupancies.
RANDOM_CYCLES = 60

TITRATION_SNR = 0.025
TITRATION_ANGSTROM: Mapping[Titration, tuple[float, ...]] = {
    "radius": (30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0),
    "edge": (0.0, 5.0, 10.0, 20.0, 30.0, 40.0),
}
SPHERE_RADIUS_ANGSTROM = 60.0
"""Of the benchmark's own sphere, which holds one arm and hand in both positions."""


def plan_cells(
    scenarios: Sequence[int],
    snrs: Sequence[float],
    seeds: Iterable[int],
    strategies: Sequence[str] = ("residual",),
    **common: int | float | str | None,
) -> list[Cell]:
    """List the cells of a benchmark: every scenario and SNR, and the two controls.

    Args:
        scenarios: Every combination of these with the next three is a cell.
        snrs: Signal-to-noise ratios.
        seeds: Seeds of the simulated sets.
        strategies: Names of strategies.
        **common: Further fields of `Cell`, the same for all: particles, n_runs, box, poses, ...

    Returns:
        Cells on the same images follow each other; scenario 1 brings the leg, and one set a seed
            is noise only. A strategy without a region has none that could lie on the leg. With
            poses that are not exact there are no controls.
    """
    cells: list[Cell] = []
    has_controls = common.get("poses", "exact") == "exact"

    def add(kind: Kind, scenario: int, snr: float, seed: int) -> None:
        values = {"kind": kind, "scenario": scenario, "snr": snr, "seed": seed, **common}
        cells.extend(
            make_cell(strategy, values)
            for strategy in strategies
            if kind != "leg" or STRATEGIES[strategy].needs_region
        )

    for seed in seeds:
        for scenario in scenarios:
            for snr in snrs:
                add("focus", scenario, snr, seed)
                if scenario == 1 and has_controls:
                    add("leg", scenario, snr, seed)
        if 1 in scenarios and has_controls:
            add("noise", 1, NOISE_SNR, seed)
    return cells


def make_cell(strategy: str, values: Mapping[str, Any]) -> Cell:
    """Make a cell with the strategy's start, prior and bound on cycles, unless they are given.

    The publication's strategies start and make maps as published.
    """
    protocol = dict(usual_protocol(strategy))
    given = {name: values[name] for name in protocol if values.get(name) is not None}
    if STRATEGIES[strategy].without_prior is None:
        given.pop("prior", None)
    protocol |= given
    if protocol["start"] == STRATEGIES[strategy].start:
        protocol["start"] = None
    whole_maps = strategy == "mask2d" or protocol["prior"] == "none"
    max_cycles = RANDOM_CYCLES if whole_maps else STANDARD_CYCLES
    return Cell.model_validate(
        {"strategy": strategy, "max_cycles": max_cycles, **values, **protocol}
    )


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
    **common: int | float | str | None,
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

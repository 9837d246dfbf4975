"""Which cells a humanoid benchmark consists of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from cryofocus.inference.settings import StrategyName
from cryofocus.workflows.benchmark_cells import NOISE_SNR, STANDARD_CYCLES, Cell, Kind

STRATEGIES: tuple[StrategyName, ...] = get_args(StrategyName)
QUICK_SNRS = (0.100, 0.025, 0.006)
# mask2d starts from random occupancies and has no search before its cycles.
MAX_CYCLES: Mapping[StrategyName, int] = {"mask2d": 60}

Titration = Literal["radius", "edge"]
SPHERE_RADIUS_ANGSTROM = 60.0
TITRATION_SNR = 0.025
TITRATION_ANGSTROM: Mapping[Titration, tuple[float, ...]] = {
    "radius": (30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0),
    "edge": (0.0, 5.0, 10.0, 20.0, 30.0, 40.0),
}


def plan_cells(
    scenarios: Sequence[int],
    snrs: Sequence[float],
    seeds: Iterable[int],
    strategies: Sequence[StrategyName] = ("residual",),
    **common: int | float,
) -> list[Cell]:
    """List the cells of a benchmark: every scenario and SNR, and the two controls.

    Parameters
    ----------
    scenarios, snrs, seeds, strategies : every combination is a cell.
    **common : further fields of `Cell`, the same for all: particles, n_runs, box, ...

    Returns
    -------
    list of Cell
        Cells on the same images follow each other; scenario 1 brings the leg, and one set a
        seed is noise only. The strategy `global` has no region that could lie on the leg.
    """
    cells: list[Cell] = []

    def add(kind: Kind, scenario: int, snr: float, seed: int) -> None:
        values = {"kind": kind, "scenario": scenario, "snr": snr, "seed": seed, **common}
        cells.extend(
            _make_cell(strategy, values)
            for strategy in strategies
            if not (kind == "leg" and strategy == "global")
        )

    for seed in seeds:
        for scenario in scenarios:
            for snr in snrs:
                add("focus", scenario, snr, seed)
                if scenario == 1:
                    add("leg", scenario, snr, seed)
        if 1 in scenarios:
            add("noise", 1, NOISE_SNR, seed)
    return cells


def plan_titration(
    swept: Titration,
    scenarios: Sequence[int],
    snrs: Sequence[float],
    seeds: Iterable[int],
    strategies: Sequence[StrategyName] = ("residual",),
    **common: int | float,
) -> list[Cell]:
    """List the cells that sweep the focus sphere's radius or soft edge.

    Parameters
    ----------
    swept : what is swept; the values are those of `TITRATION_ANGSTROM`.
    scenarios, snrs, seeds, strategies, **common : as for `plan_cells`.

    Returns
    -------
    list of Cell
        Without the strategy `global`, which has no sphere. The benchmark's own sphere is among
        the radii, as the cell that the benchmark itself has.
    """
    chosen = [strategy for strategy in strategies if strategy != "global"]
    values = TITRATION_ANGSTROM[swept]
    cells = []
    for seed, scenario, snr, strategy, value in itertools.product(
        seeds, scenarios, snrs, chosen, values
    ):
        is_usual = swept == "radius" and value == SPHERE_RADIUS_ANGSTROM
        sphere = {} if is_usual else {f"{swept}_angstrom": value}
        place = {"kind": "focus", "scenario": scenario, "snr": snr, "seed": seed}
        cells.append(_make_cell(strategy, {**place, **common, **sphere}))
    return cells


def _make_cell(strategy: StrategyName, values: Mapping[str, Any]) -> Cell:
    max_cycles = MAX_CYCLES.get(strategy, STANDARD_CYCLES)
    return Cell.model_validate({"strategy": strategy, "max_cycles": max_cycles, **values})

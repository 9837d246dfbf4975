"""Which cells a humanoid benchmark consists of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from cryofocus.benchmark.cells import (
    NOISE_SNR,
    STANDARD_CYCLES,
    Cell,
    Kind,
    PoseSource,
)
from cryofocus.inference.strategies import STRATEGIES

POSE_SOURCES: tuple[PoseSource, ...] = get_args(PoseSource)
QUICK_SNRS = (0.100, 0.025, 0.006)
# mask2d starts from random occupancies and has no search before its cycles.
MAX_CYCLES: Mapping[str, int] = {"mask2d": 60}


def plan_cells(
    scenarios: Sequence[int],
    snrs: Sequence[float],
    seeds: Iterable[int],
    strategies: Sequence[str] = ("residual",),
    **common: int | float | str,
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
    """Make a cell with the strategy's own bound on cycles."""
    max_cycles = MAX_CYCLES.get(strategy, STANDARD_CYCLES)
    return Cell.model_validate({"strategy": strategy, "max_cycles": max_cycles, **values})

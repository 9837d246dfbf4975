"""The parts of the whole humanoid benchmark: every table and figure of the publication.

A part is known by its cells, so that cells from any command count towards it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cryofocus.benchmark.cells import SNRS, Cell
from cryofocus.benchmark.plan import (
    TITRATION_SNR,
    Titration,
    make_cell,
    plan_cells,
    plan_titration,
)

Part = Literal["table1", "table2", "figure2", "starts", "supplement1", "supplement2", "figure3"]

PARTS: tuple[Part, ...] = get_args(Part)
TITLES: Mapping[Part, str] = {
    "table1": "Table 1: arm and hand",
    "table2": "Table 2: controls",
    "figure2": "Supplementary Figure 2: class maps down to kappa 0",
    "starts": "Table 3: what own starts and priors add",
    "supplement1": "Supplementary Table 1: poses refined",
    "supplement2": "Supplementary Table 2: poses searched",
    "figure3": "Supplementary Figure 3: radius and soft edge",
}
COMPARED = ("residual", "mask3d", "mask2d")
"""Strategies of most parts, the quickest first."""
CONTROLLED = ("residual", "subtract", "mask3d", "mask2d")
"""Those of the controls."""
FAINT_SNRS = (0.003, 0.001)
"""Where hardly anything is left to find."""
START_SNRS = (0.100, 0.025, 0.006)
STARTS: tuple[tuple[str, str, str], ...] = (
    ("mask2d", "subspace", "consensus"),
    ("mask3d", "subspace", "none"),
    ("mask3d", "random", "consensus"),
    ("mask3d", "subspace", "consensus"),
)
"""Starts and priors that are not the publication's."""
SEARCHED_PARTICLES = 3000
"""Poses of so many at most are searched: it takes far longer than to classify."""


@dataclass(frozen=True)
class Extent:
    """How much of each part is planned.

    Attributes:
        scenarios: Of those that the part has.
        snrs: Of those that the part has.
        particles: In a set.
        n_runs: Independent runs per cell.
    """

    scenarios: tuple[int, ...]
    snrs: tuple[float, ...] = SNRS
    particles: int = 10_000
    n_runs: int = 3


def plan_parts(parts: Sequence[Part], seeds: Iterable[int], extent: Extent) -> list[Cell]:
    """List the cells of parts, the most telling first.

    Args:
        parts: Names.
        seeds: Of the simulated sets; all parts of one come before those of the next.
        extent: How much of each part.

    Returns:
        Each cell once.
    """
    cells: list[Cell] = []
    for seed, part in itertools.product(seeds, PARTS):
        if part in parts:
            cells += _PLANS[part](seed, extent)
    return list(dict.fromkeys(cells))


def part_of(cell: Cell) -> Part:
    """Return the part that a cell belongs to."""
    if cell.poses != "exact":
        return "supplement2" if cell.poses == "searched" else "supplement1"
    if cell.is_titration:
        return "figure3"
    if not cell.is_usual_protocol:
        return "starts"
    if cell.kind != "focus":
        return "table2"
    return "figure2" if cell.snr < min(SNRS) else "table1"


def _plan(
    seed: int, extent: Extent, strategies: Sequence[str] = COMPARED, **changes: int | str
) -> list[Cell]:
    common: dict[str, Any] = {"particles": extent.particles, "n_runs": extent.n_runs}
    return plan_cells(extent.scenarios, extent.snrs, [seed], strategies, **(common | changes))


def _plan_arm(seed: int, extent: Extent) -> list[Cell]:
    return [cell for cell in _plan(seed, extent) if cell.kind == "focus"]


def _plan_controls(seed: int, extent: Extent) -> list[Cell]:
    return [cell for cell in _plan(seed, extent, CONTROLLED) if cell.kind != "focus"]


def _plan_faint(seed: int, extent: Extent) -> list[Cell]:
    """One seed is enough for pictures."""
    if seed != 1 or 1 not in extent.scenarios:
        return []
    faint = Extent((1,), FAINT_SNRS, extent.particles, extent.n_runs)
    return [cell for cell in _plan(seed, faint, COMPARED[:1]) if cell.kind == "focus"]


def _plan_starts(seed: int, extent: Extent) -> list[Cell]:
    snrs = [snr for snr in extent.snrs if snr in START_SNRS]
    values = {"kind": "focus", "particles": extent.particles, "n_runs": extent.n_runs}
    return [
        make_cell(
            strategy,
            {
                **values,
                "scenario": scenario,
                "snr": snr,
                "seed": seed,
                "start": start,
                "prior": prior,
            },
        )
        for scenario, snr, (strategy, start, prior) in itertools.product(
            extent.scenarios, snrs, STARTS
        )
    ]


def _plan_refined(seed: int, extent: Extent) -> list[Cell]:
    return _plan(seed, extent, poses="refined")


def _plan_searched(seed: int, extent: Extent) -> list[Cell]:
    particles = min(extent.particles, SEARCHED_PARTICLES)
    return _plan(seed, extent, poses="searched", particles=particles)


def _plan_sphere(seed: int, extent: Extent) -> list[Cell]:
    if 1 not in extent.scenarios or TITRATION_SNR not in extent.snrs:
        return []
    common: dict[str, Any] = {"particles": extent.particles, "n_runs": extent.n_runs}
    swept: tuple[Titration, ...] = ("radius", "edge")
    return [
        cell
        for name in swept
        for cell in plan_titration(name, [1], [TITRATION_SNR], [seed], COMPARED, **common)
    ]


_PLANS: Mapping[Part, Callable[[int, Extent], list[Cell]]] = {
    "table1": _plan_arm,
    "table2": _plan_controls,
    "figure2": _plan_faint,
    "starts": _plan_starts,
    "supplement1": _plan_refined,
    "supplement2": _plan_searched,
    "figure3": _plan_sphere,
}

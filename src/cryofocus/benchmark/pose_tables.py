"""Tables of the humanoid benchmark for poses that are not exact."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from statistics import median

from cryofocus.benchmark.cells import Cell, CellResult, PoseFigures, PoseSource, format_snr
from cryofocus.benchmark.plan import POSE_SOURCES
from cryofocus.benchmark.words import (
    NOT_RUN,
    describe_kappas,
    head_lines,
    kappa_by_seed,
    measured_on,
    published_words,
    table_line,
)

HEAD = """# Humanoid benchmark: poses

Kappa of each strategy, as in table.md; the oracle still knows the poses. Errors of the poses are
medians over the particles, up to the two-fold axis of the body; beside each, the Cramér-Rao bound:
what noise leaves open to one who knows map, noise and CTF."""
TITLES: dict[PoseSource, str] = {
    "perturbed": "Perturbed by 4 degrees and 13.1 Å (2.5 pixels), not refined",
    "refined": "Perturbed, then refined (Supplementary Table 1)",
    "searched": "Searched to 20 Å and refined to 10 Å (Supplementary Table 2, whose published "
    "figures are not at hand: ours alone)",
}
NOTES: dict[PoseSource, str] = {
    "searched": "All poses are forgotten. The search compares images with a map that a user would "
    "have: that of the same images under the perturbed poses, averaged over the two-fold axis, "
    "each shell weighted by the agreement of its half maps. The refinement then goes on from the "
    "poses found, once, against their own half maps.",
}
COLUMNS = (
    *("strategy", "scenario", "SNR", "particles", "seeds", "kappa", "oracle"),
    *("published, 2-D mask", "published, 3-D mask"),
    *("error, degrees", "bound, degrees", "error, Å", "bound, Å", "seconds for the poses"),
)
FIGURES: tuple[tuple[Callable[[PoseFigures], float], int], ...] = (
    (lambda figures: figures.angle_degrees, 2),
    (lambda figures: figures.bound_angle_degrees, 2),
    (lambda figures: figures.shift_angstrom, 2),
    (lambda figures: figures.bound_shift_angstrom, 2),
    (lambda figures: figures.seconds, 0),
)
"""The last columns, and their decimals."""


def pose_tables(results: Sequence[CellResult], planned: Sequence[Cell] = ()) -> str:
    """Text of poses.md.

    Args:
        results: Of cells whose poses are not exact.
        planned: Cells that are to be run; those that were not say so.
    """
    finished = {result.cell: result for result in results}
    cells = sorted({*finished, *planned}, key=lambda cell: (*_order(cell), cell.seed))
    lines = [HEAD]
    for source, group in itertools.groupby(cells, key=lambda cell: cell.poses):
        lines += ["", f"## {TITLES[source]}", ""]
        lines += [NOTES[source], ""] if source in NOTES else []
        lines += head_lines(COLUMNS)
        for _, row in itertools.groupby(group, key=_order):
            alike = list(row)
            found = [finished[cell] for cell in alike if cell in finished]
            lines.append(table_line(_words(alike[0], found)))
    return "\n".join([*lines, "", measured_on(results), ""])


def pose_rows(results: Sequence[CellResult]) -> list[dict[str, str | int | float]]:
    """Rows of poses.csv, one per cell."""
    rows = []
    for result in sorted(results, key=lambda r: (*_order(r.cell), r.cell.seed)):
        cell, (two_d, three_d) = result.cell, result.cell.published or ("", "")
        row: dict[str, str | int | float] = {
            "poses": cell.poses,
            "strategy": cell.label,
            "scenario": cell.scenario,
            "snr": cell.snr,
            "particles": cell.particles,
            "seed": cell.seed,
            "runs": cell.n_runs,
            "kappa": result.kappa,
            "oracle_kappa": result.oracle_kappa,
            "published_2d": two_d,
            "published_3d": three_d,
        }
        rows.append(row | (result.poses.model_dump() if result.poses else {}))
    return rows


def _words(cell: Cell, results: Sequence[CellResult]) -> list[str]:
    """One row: medians over cells that differ only in their seed."""
    figures = [result.poses for result in results if result.poses]
    oracles = [result.oracle_kappa for result in results]
    return [
        cell.label,
        str(cell.scenario),
        format_snr(cell.snr),
        f"{cell.particles:,}",
        str(len(results)),
        describe_kappas(kappa_by_seed(results)) or NOT_RUN,
        f"{median(oracles):.3f}" if oracles else NOT_RUN,
        *published_words(cell),
        *(
            f"{median(map(value, figures)):.{decimals}f}" if figures else NOT_RUN
            for value, decimals in FIGURES
        ),
    ]


def _order(cell: Cell) -> tuple[int, int, int, float, str, int]:
    """Order of the rows; cells that differ only in their seed are equal."""
    source = POSE_SOURCES.index(cell.poses)
    return source, cell.scenario, cell.particles, -cell.snr, cell.label, cell.n_runs

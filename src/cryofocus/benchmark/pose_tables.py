"""The benchmark's tables of cells whose poses are not exact."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from statistics import median

from cryofocus.benchmark.cells import Cell, CellResult, PoseFigures, PoseSource
from cryofocus.benchmark.plan import POSE_SOURCES

HEAD = """# Humanoid benchmark: poses

Kappa of the residual strategy, or of the one named, as in table.md; the oracle still knows the
poses. Errors of the poses are medians over the particles, up to the two-fold axis of the body;
beside each, the Cramér-Rao bound: what noise leaves open to one who knows map, noise and CTF."""
TITLES: dict[PoseSource, str] = {
    "perturbed": "Perturbed by 4 degrees and 13.1 Å (2.5 pixels), not refined",
    "refined": "Perturbed, then refined (Supplementary Table 1)",
    "searched": "Searched to 20 Å and refined to 10 Å (Supplementary Table 2, whose published "
    "figures are not at hand: ours alone)",
}
COLUMNS = (
    *("strategy", "scenario", "SNR", "particles", "seeds", "kappa", "oracle"),
    *("published, 2-D mask", "published, 3-D mask"),
    *("error, degrees", "bound, degrees", "error, Å", "bound, Å", "seconds for the poses"),
)
Row = dict[str, str | int | float]


def pose_tables(results: Sequence[CellResult]) -> str:
    """Text of poses.md.

    Args:
        results: Of cells whose poses are not exact; at least one.
    """
    lines, ordered = [HEAD], sorted(results, key=lambda r: (*_key(r.cell), r.cell.seed))
    for source, group in itertools.groupby(ordered, key=lambda r: r.cell.poses):
        lines += ["", f"## {TITLES[source]}", "", _line(COLUMNS), _line(["---"] * len(COLUMNS))]
        for _, rows in itertools.groupby(group, key=lambda r: _key(r.cell)):
            lines.append(_line(_words(list(rows))))
    machines = sorted({f"{result.machine} ({result.date})" for result in results})
    return "\n".join([*lines, "", "Measured on: " + "; ".join(machines) + ".", ""])


def pose_rows(results: Sequence[CellResult]) -> list[Row]:
    """Rows of poses.csv, one a cell."""
    rows = []
    for result in sorted(results, key=lambda r: (*_key(r.cell), r.cell.seed)):
        cell, (two_d, three_d) = result.cell, result.cell.published or ("", "")
        row: Row = {
            "poses": cell.poses,
            "strategy": cell.strategy,
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
        rows.append(row | _figures(result).model_dump())
    return rows


def _words(results: Sequence[CellResult]) -> list[str]:
    """One row: medians over cells that differ only in their seed."""
    cell, figures = results[0].cell, [_figures(result) for result in results]
    published = [f"{kappa:.2f}" for kappa in cell.published] if cell.published else ["", ""]
    return [
        cell.strategy,
        str(cell.scenario),
        f"{cell.snr:.3f}",
        f"{cell.particles:,}",
        str(len(results)),
        f"{median(result.kappa for result in results):.3f}",
        f"{median(result.oracle_kappa for result in results):.3f}",
        *published,
        f"{median(f.angle_degrees for f in figures):.2f}",
        f"{median(f.bound_angle_degrees for f in figures):.2f}",
        f"{median(f.shift_angstrom for f in figures):.2f}",
        f"{median(f.bound_shift_angstrom for f in figures):.2f}",
        f"{median(f.seconds for f in figures):.0f}",
    ]


def _figures(result: CellResult) -> PoseFigures:
    assert result.poses is not None
    return result.poses


def _key(cell: Cell) -> tuple[int, str, int, int, int, float]:
    """Order of the rows; cells that differ only in their seed are equal."""
    source = POSE_SOURCES.index(cell.poses)
    return source, cell.strategy, cell.scenario, cell.particles, cell.n_runs, -cell.snr


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

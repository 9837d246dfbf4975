"""The benchmark's tables: one row a cell for programs, medians over seeds for people."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from cryofocus.workflows.atomic import write_table, write_text
from cryofocus.workflows.benchmark_cells import Cell, CellResult

HEAD = """# Humanoid benchmark

Kappa of the strategy `residual`, best of its runs by likelihood, beside the best possible on the
same images (oracle: knows every map, the noise, the CTF and the poses; focused oracle: sees the
focus region only) and the published figures (2-D / 3-D mask). Medians over the seeds. Posteriors
mean what they say when the mean highest posterior equals the fraction correct.
"""
COLUMNS = (
    *("region", "scenario", "SNR", "particles", "seeds", "kappa", "range", "oracle"),
    *("focused oracle", "kappa / oracle", "published", "mean posterior", "fraction correct"),
    *("difference", "classes found", "runs agree", "seconds", "peak GB"),
)
REGIONS = {"focus": "arm and hand", "leg": "leg (control)", "noise": "noise only (control)"}


def write_tables(folder: Path, results: Sequence[CellResult]) -> None:
    """Write table.csv, one row a cell, and table.md, one row for all seeds.

    Parameters
    ----------
    folder
        Existing directory.
    results
        Of finished cells, in any order.

    Raises
    ------
    OutputError
        Disk full, no permission.
    """
    ordered = sorted(results, key=lambda result: (*_group(result.cell), result.cell.seed))
    write_table(folder / "table.csv", csv_columns(ordered))
    write_text(folder / "table.md", markdown(ordered))


def csv_columns(results: Sequence[CellResult]) -> dict[str, list[str | int | float]]:
    """Columns of table.csv; what does not exist is empty."""
    rows = [_csv_row(result) for result in results]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def markdown(results: Sequence[CellResult]) -> str:
    """Text of table.md.

    Parameters
    ----------
    results
        In the order of the rows; neighbours that differ only in their seed become one row.

    Returns
    -------
    str
        With the machines and dates on which the cells were run.
    """
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
    for _, group in itertools.groupby(results, key=lambda result: _group(result.cell)):
        lines.append(_line(summary_row(list(group))))
    machines = sorted({f"{result.machine} ({result.date})" for result in results})
    return "\n".join([HEAD, *lines, "", "Measured on: " + "; ".join(machines) + ".", ""])


def summary_row(results: Sequence[CellResult]) -> list[str]:
    """One row of the table for people: the medians over cells that differ only in their seed."""
    cell = results[0].cell

    def middle(value: Callable[[CellResult], float]) -> float:
        return median(map(value, results))

    kappas = [result.kappa for result in results]
    ratios = [result.ratio for result in results if result.ratio is not None]
    agreements = [r.run_agreement for r in results if r.run_agreement is not None]
    found = sum(result.classes_found for result in results)
    return [
        REGIONS[cell.kind],
        str(cell.scenario),
        f"{cell.snr:.3f}",
        f"{cell.particles:,}",
        str(len(results)),
        f"{median(kappas):.3f}",
        f"{min(kappas):.3f} to {max(kappas):.3f}",
        f"{middle(lambda r: r.oracle_kappa):.3f}",
        f"{middle(lambda r: r.oracle_focused_kappa):.3f}",
        f"{median(ratios):.3f}" if ratios else "",
        " / ".join(f"{kappa:.2f}" for kappa in cell.published or ()),
        f"{middle(lambda r: r.mean_posterior):.3f}",
        f"{middle(lambda r: r.fraction_correct):.3f}",
        # On the leg, posteriors speak of classes that are not the arm's.
        "" if cell.kind == "leg" else f"{middle(lambda r: r.calibration_gap):+.3f}",
        f"{found} of {len(results)}",
        f"{median(agreements):.3f}" if agreements else "",
        f"{middle(lambda r: r.seconds):.0f}",
        f"{middle(lambda r: r.peak_memory_gb):.2f}",
    ]


def _csv_row(result: CellResult) -> dict[str, str | int | float]:
    cell = result.cell
    two_d, three_d = cell.published or ("", "")
    values: dict[str, str | int | float | None] = {
        "strategy": "residual",
        "kind": cell.kind,
        "scenario": cell.scenario,
        "snr": cell.snr,
        "particles": cell.particles,
        "box": cell.box,
        "seed": cell.seed,
        "runs": cell.n_runs,
        "kappa": result.kappa,
        "oracle_kappa": result.oracle_kappa,
        "oracle_focused_kappa": result.oracle_focused_kappa,
        "ratio": result.ratio,
        "published_2d": two_d,
        "published_3d": three_d,
        "mean_posterior": result.mean_posterior,
        "fraction_correct": result.fraction_correct,
        "classes_found": int(result.classes_found),
        "run_agreement": result.run_agreement,
        "cycles": result.cycles,
        "seconds": result.seconds,
        "peak_memory_gb": result.peak_memory_gb,
        "machine": result.machine,
        "date": result.date,
    }
    return {name: "" if value is None else value for name, value in values.items()}


def _group(cell: Cell) -> tuple[int, int, int, int, int, float]:
    """Order of the rows; cells that differ only in their seed are equal."""
    place = list(REGIONS).index(cell.kind)
    return place, cell.scenario, cell.particles, cell.n_runs, cell.box, -cell.snr


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

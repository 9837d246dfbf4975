"""Words and lines that all tables of the humanoid benchmark share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from cryofocus.benchmark.cells import Cell, CellResult

# Why a cell holds no number; a dash: there is nothing it could say.
NOT_RUN, ONE_RUN, UNPUBLISHED, NOTHING = "not run", "one run", "not at hand", "–"


def head_lines(columns: Sequence[str]) -> list[str]:
    """Return the two lines that begin a table."""
    return [table_line(columns), table_line(["---"] * len(columns))]


def table_line(cells: Iterable[str]) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(cells)} |"


def describe_kappas(kappas: Sequence[float]) -> str:
    """Say `median (lowest to highest; number)`, or nothing where there are none."""
    if len(kappas) < 2:
        return "".join(f"{kappa:.3f} (1)" for kappa in kappas)
    return f"{median(kappas):.3f} ({min(kappas):.3f} to {max(kappas):.3f}; {len(kappas)})"


def kappa_by_seed(results: Iterable[CellResult]) -> list[float]:
    """Return kappa on each set, of the cell with the most runs."""
    ordered = sorted(results, key=lambda result: result.cell.n_runs)
    return list({result.cell.seed: result.kappa for result in ordered}.values())


def published_words(cell: Cell) -> list[str]:
    """Return the published kappas with a 2-D and a 3-D mask."""
    return [f"{kappa:.2f}" for kappa in cell.published] if cell.published else [UNPUBLISHED] * 2


def measured_on(results: Sequence[CellResult]) -> str:
    """Say on which machines and days cells were run."""
    machines = sorted({f"{result.machine} ({result.date})" for result in results})
    return f"Measured on: {'; '.join(machines)}." if machines else "Nothing was measured yet."

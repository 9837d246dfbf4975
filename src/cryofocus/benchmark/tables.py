"""The benchmark's tables: one row a cell for programs, medians over seeds for people."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from cryofocus.benchmark.cells import Cell, CellResult, format_snr
from cryofocus.benchmark.other_tables import progress_table, sphere_table, starts_table
from cryofocus.benchmark.plan import titration_points
from cryofocus.benchmark.pose_tables import pose_rows, pose_tables
from cryofocus.benchmark.words import (
    NOT_RUN,
    NOTHING,
    ONE_RUN,
    describe_kappas,
    head_lines,
    kappa_by_seed,
    measured_on,
    published_words,
    table_line,
)
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.workflows.run.writing import write_table, write_text

HEAD = """# Humanoid benchmark

Kappa, 1 for perfect and 0 for random classes, of each strategy's best run by likelihood: the
median over the seeds, in brackets their range and number. Beside it the best possible on the same
images (oracle: knows every map, the noise, the CTF and the poses; focused oracle: sees the focus
region only) and the published figures. mask2d and mask3d start and make maps as published, from
random posteriors and without a prior of maps. The publication's phantom is another: compare
ratios to the oracle."""
ARM = """
## Table 1. Arm and hand
"""
CONTROLS = """
## Table 2. Controls: a sphere on a leg, which holds nothing that moves, and noise only
"""
STARTS = """
## Table 3. What our own starts and priors add to the published protocol
"""
DETAILS = """
## Details

Posteriors mean what they say when the mean highest posterior equals the fraction correct.
"""
COLUMNS = (
    *("strategy", "region", "scenario", "SNR", "particles", "runs", "seeds", "kappa", "range"),
    *("kappa / oracle", "mean posterior", "fraction correct", "difference", "classes found"),
    *("runs agree", "cycles", "at most", "seconds", "peak GB"),
)
REGIONS = {"focus": "arm and hand", "leg": "leg (control)", "noise": "noise only (control)"}
MEASURED = (
    *("kappa", "oracle_kappa", "oracle_focused_kappa", "ratio", "published_2d", "published_3d"),
    *("mean_posterior", "fraction_correct", "classes_found", "run_agreement", "cycles"),
    *("max_cycles", "seconds", "cpu_seconds", "peak_memory_gb", "machine", "date"),
)
"""Columns of table.csv that follow those that name the cell."""
Row = dict[str, str | int | float]


def write_tables(
    folder: Path, results: Sequence[CellResult], planned: Sequence[Cell] = ()
) -> None:
    """Write tables of numbers, one row per cell (.csv), and of medians for people (.md).

    `table` has the cells with exact poses, `poses` the others, `titration` those that sweep the
    sphere, `kappa_by_cycle` every cycle; `progress.md` says how far the plan is. What would be
    empty is not written.

    Args:
        folder: Existing directory.
        results: Of finished cells, in any order.
        planned: Cells that are to be run; in the tables for people they say that they were not.

    Raises:
        OutputError: Disk full, no permission.
    """
    posed = [result for result in results if result.poses is not None]
    usual = [result for result in results if not (result.cell.is_titration or result.poses)]
    ordered = sorted(usual, key=lambda result: (*_line_key(result.cell), result.cell.seed))
    inexact = [cell for cell in planned if cell.poses != "exact"]
    exact = [cell for cell in planned if cell.poses == "exact" and not cell.is_titration]
    cells = [*planned, *(result.cell for result in results)]
    texts = {
        "table.md": markdown(ordered, exact) if ordered or exact else "",
        "poses.md": pose_tables(posed, inexact) if posed or inexact else "",
        "titration.md": sphere_table(results, planned)
        if any(cell.is_titration for cell in cells)
        else "",
        "progress.md": progress_table(results, planned) if planned else "",
    }
    tables = {
        "table.csv": [_csv_row(result) for result in ordered],
        "kappa_by_cycle.csv": [row for result in ordered for row in _cycle_rows(result)],
        "poses.csv": pose_rows(posed),
        "titration.csv": [
            {"swept": point.swept, "angstrom": point.angstrom, **_csv_row(point.result)}
            for point in titration_points(results)
        ],
    }
    for name, text in texts.items():
        if text:
            write_text(folder / name, text)
    for name, rows in tables.items():
        if rows:
            write_table(folder / name, {label: [row[label] for row in rows] for label in rows[0]})


def markdown(results: Sequence[CellResult], planned: Sequence[Cell] = ()) -> str:
    """Text of table.md.

    Args:
        results: In the order of the rows; neighbours that differ only in their seed become one
            row.
        planned: Cells that are to be run.

    Returns:
        With the machines and dates on which the cells were run.
    """
    cells = list(dict.fromkeys([*(result.cell for result in results), *planned]))
    usual = [cell for cell in cells if cell.is_usual_protocol]
    lines = [HEAD]
    if focus := [cell for cell in usual if cell.kind == "focus"]:
        lines += [ARM, *kappa_table(results, focus)]
    if controls := [cell for cell in usual if cell.kind != "focus"]:
        lines += [CONTROLS, *kappa_table(results, controls)]
    if starts := starts_table(results, cells):
        lines += [STARTS, *starts]
    lines += [DETAILS, *head_lines(COLUMNS)]
    for _, group in itertools.groupby(results, key=lambda result: _line_key(result.cell)):
        lines.append(table_line(detail_row(list(group))))
    return "\n".join([*lines, "", measured_on(results), ""])


def kappa_table(results: Sequence[CellResult], cells: Sequence[Cell]) -> list[str]:
    """Lines of a table of kappa, one row per set and region, one column per strategy.

    Args:
        results: Of these and of other cells.
        cells: What the table is about; at least one.
    """
    strategies = [s for s in STRATEGIES if any(cell.strategy == s for cell in cells)]
    finished = {result.cell: result for result in results}
    # The oracles speak of the arm, and the leg does not show it.
    limits = ["oracle", "focused oracle"] if cells[0].kind == "focus" else []
    head = ["region", "scenario", "SNR", "particles", *limits, *strategies]
    lines = head_lines([*head, "published, 2-D mask", "published, 3-D mask"])
    for _, rows in itertools.groupby(sorted(cells, key=_set_key), key=_set_key):
        alike = list(rows)
        cell, group = alike[0], [finished[each] for each in alike if each in finished]
        words = [REGIONS[cell.kind], str(cell.scenario), format_snr(cell.snr)]
        words.append(f"{cell.particles:,}")
        if limits:
            words.append(_limit(group, lambda r: r.oracle_kappa))
            words.append(_limit(group, lambda r: r.oracle_focused_kappa))
        for strategy in strategies:
            has_cell = cell.kind != "leg" or STRATEGIES[strategy].needs_region
            own = [result for result in group if result.cell.strategy == strategy]
            nothing = NOT_RUN if has_cell else NOTHING
            words.append(describe_kappas(kappa_by_seed(own)) or nothing)
        lines.append(table_line([*words, *published_words(cell)]))
    return lines


def detail_row(results: Sequence[CellResult]) -> list[str]:
    """One row of the details: the medians over cells that differ only in their seed."""
    cell = results[0].cell

    def middle(value: Callable[[CellResult], float]) -> float:
        return median(map(value, results))

    kappas = [result.kappa for result in results]
    ratios = [result.ratio for result in results if result.ratio is not None]
    agreements = [r.run_agreement for r in results if r.run_agreement is not None]
    found = sum(result.classes_found for result in results)
    return [
        cell.label,
        REGIONS[cell.kind],
        str(cell.scenario),
        format_snr(cell.snr),
        f"{cell.particles:,}",
        str(cell.n_runs),
        str(len(results)),
        f"{median(kappas):.3f}",
        f"{min(kappas):.3f} to {max(kappas):.3f}",
        f"{median(ratios):.3f}" if ratios else NOTHING,
        f"{middle(lambda r: r.mean_posterior):.3f}",
        f"{middle(lambda r: r.fraction_correct):.3f}",
        # On the leg, posteriors speak of classes that are not the arm's.
        NOTHING if cell.kind == "leg" else f"{middle(lambda r: r.calibration_gap):+.3f}",
        f"{found} of {len(results)}",
        f"{median(agreements):.3f}" if agreements else ONE_RUN,
        f"{middle(lambda r: r.cycles):.0f}",
        str(cell.max_cycles),
        f"{middle(lambda r: r.seconds):.0f}",
        f"{middle(lambda r: r.peak_memory_gb):.2f}",
    ]


def _csv_row(result: CellResult) -> Row:
    """One row of table.csv; what does not exist is empty."""
    two_d, three_d = result.cell.published or ("", "")
    named = {
        "published_2d": two_d,
        "published_3d": three_d,
        "classes_found": int(result.classes_found),
        "max_cycles": result.cell.max_cycles,
    }
    values = {name: named[name] if name in named else getattr(result, name) for name in MEASURED}
    return _csv_place(result.cell) | {k: "" if v is None else v for k, v in values.items()}


def _cycle_rows(result: CellResult) -> Iterator[Row]:
    """One row per cycle of each run; run 1 is the best."""
    for run, kappas in enumerate(result.kappa_by_cycle, start=1):
        for cycle, kappa in enumerate(kappas, start=1):
            yield {**_csv_place(result.cell), "run": run, "cycle": cycle, "kappa": kappa}


def _csv_place(cell: Cell) -> Row:
    return {
        "strategy": cell.strategy,
        "start": cell.protocol[0],
        "prior": cell.protocol[1] if STRATEGIES[cell.strategy].without_prior else "",
        "kind": cell.kind,
        "scenario": cell.scenario,
        "snr": cell.snr,
        "particles": cell.particles,
        "box": cell.box,
        "seed": cell.seed,
        "runs": cell.n_runs,
    }


def _limit(results: Sequence[CellResult], value: Callable[[CellResult], float]) -> str:
    """Median of what belongs to the images, each set counted once."""
    values = {result.cell.seed: value(result) for result in results}
    return f"{median(values.values()):.3f}" if values else NOT_RUN


def _set_key(cell: Cell) -> tuple[int, int, int, int, float]:
    """Order of images and region; how many runs looked at them does not matter."""
    place = list(REGIONS).index(cell.kind)
    return place, cell.scenario, cell.particles, cell.box, -cell.snr


def _line_key(cell: Cell) -> tuple[int, str, int, int, int, int, float, int, int]:
    """Order of the details; cells that differ only in their seed are equal."""
    place = list(STRATEGIES).index(cell.strategy), cell.label, *_set_key(cell)
    return *place, cell.n_runs, cell.max_cycles

"""The benchmark's tables: one row a cell for programs, medians over seeds for people."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

from cryofocus.benchmark.cells import Cell, CellResult, PoseSource
from cryofocus.benchmark.plan import POSE_SOURCES, titration_points
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.workflows.run.writing import write_table, write_text

HEAD = """# Humanoid benchmark

Kappa, 1 for perfect and 0 for random classes, of each strategy's best run by likelihood: the
median over the seeds, in brackets their range and number. Beside it the best possible on the same
images (oracle: knows every map, the noise, the CTF and the poses; focused oracle: sees the focus
region only) and the published figures."""
ARM = """
## Table 1. Arm and hand
"""
CONTROLS = """
## Table 2. Controls: a sphere on a leg, which holds nothing that moves, and noise only
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
# Why a cell holds no number; a dash: there is nothing it could say.
NOT_RUN, ONE_RUN, UNPUBLISHED, NOTHING = "not run", "one run", "not at hand", "–"
POSES_HEAD = """# Humanoid benchmark: poses

Kappa of the residual strategy, or of the one named, as in table.md; the oracle still knows the
poses. Errors of the poses are medians over the particles, up to the two-fold axis of the body;
beside each, the Cramér-Rao bound: what noise leaves open to one who knows map, noise and CTF."""
POSES_TITLES: dict[PoseSource, str] = {
    "perturbed": "Perturbed by 4 degrees and 13.1 Å (2.5 pixels), not refined",
    "refined": "Perturbed, then refined (Supplementary Table 1)",
    "searched": "Searched to 20 Å and refined to 10 Å (Supplementary Table 2, whose published "
    "figures are not at hand: ours alone)",
}
POSES_COLUMNS = (
    *("strategy", "scenario", "SNR", "particles", "seeds", "kappa", "oracle"),
    *("published, 2-D mask", "published, 3-D mask"),
    *("error, degrees", "bound, degrees", "error, Å", "bound, Å", "seconds for the poses"),
)
MEASURED = (
    *("kappa", "oracle_kappa", "oracle_focused_kappa", "ratio", "published_2d", "published_3d"),
    *("mean_posterior", "fraction_correct", "classes_found", "run_agreement", "cycles"),
    *("max_cycles", "seconds", "peak_memory_gb", "machine", "date"),
)
"""Columns of table.csv that follow those that name the cell."""
Row = dict[str, str | int | float]


def write_tables(folder: Path, results: Sequence[CellResult]) -> None:
    """Write table.csv, one row a cell, table.md for people, kappa_by_cycle.csv, titration.csv.

    Cells whose poses are not exact go into poses.csv and poses.md.

    A file that would be empty is not written.

    Args:
        folder: Existing directory.
        results: Of finished cells, in any order; those of a titration have a table of their own.

    Raises:
        OutputError: Disk full, no permission.
    """
    posed = [result for result in results if result.poses is not None]
    usual = [result for result in results if not (result.cell.is_titration or result.poses)]
    ordered = sorted(usual, key=lambda result: (*_line_key(result.cell), result.cell.seed))
    if ordered:
        write_text(folder / "table.md", markdown(ordered))
    if posed:
        write_text(folder / "poses.md", pose_tables(posed))
    tables = {
        "table.csv": [_csv_row(result) for result in ordered],
        "kappa_by_cycle.csv": [row for result in ordered for row in _cycle_rows(result)],
        "poses.csv": pose_rows(posed),
        "titration.csv": [
            {"swept": point.swept, "angstrom": point.angstrom, **_csv_row(point.result)}
            for point in titration_points(results)
        ],
    }
    for name, rows in tables.items():
        if rows:
            write_table(folder / name, {label: [row[label] for row in rows] for label in rows[0]})


def markdown(results: Sequence[CellResult]) -> str:
    """Text of table.md.

    Args:
        results: In the order of the rows; neighbours that differ only in their seed become one
            row.

    Returns:
        With the machines and dates on which the cells were run.
    """
    focus = [result for result in results if result.cell.kind == "focus"]
    controls = [result for result in results if result.cell.kind != "focus"]
    lines = [HEAD]
    if focus:
        lines += [ARM, *kappa_table(focus)]
    if controls:
        lines += [CONTROLS, *kappa_table(controls)]
    lines += [DETAILS, *_head(COLUMNS)]
    for _, group in itertools.groupby(results, key=lambda result: _line_key(result.cell)):
        lines.append(_line(detail_row(list(group))))
    return "\n".join([*lines, "", _measured_on(results), ""])


def kappa_table(results: Sequence[CellResult]) -> list[str]:
    """Lines of a table of kappa, one row per set and region, one column per strategy.

    Args:
        results: In the order of the rows.
    """
    strategies = [s for s in STRATEGIES if any(r.cell.strategy == s for r in results)]
    # The oracles speak of the arm, and the leg does not show it.
    limits = ["oracle", "focused oracle"] if results[0].cell.kind == "focus" else []
    head = ["region", "scenario", "SNR", "particles", *limits, *strategies]
    head += ["published, 2-D mask", "published, 3-D mask"]
    lines = _head(head)
    ordered = sorted(results, key=lambda result: _set_key(result.cell))
    for _, rows in itertools.groupby(ordered, key=lambda result: _set_key(result.cell)):
        group = list(rows)
        cell = group[0].cell
        words = [REGIONS[cell.kind], str(cell.scenario), f"{cell.snr:.3f}", f"{cell.particles:,}"]
        if limits:
            words.append(_limit(group, lambda r: r.oracle_kappa))
            words.append(_limit(group, lambda r: r.oracle_focused_kappa))
        for strategy in strategies:
            has_cell = cell.kind != "leg" or STRATEGIES[strategy].needs_region
            nothing = NOT_RUN if has_cell else NOTHING
            words.append(describe_kappas(_kappa_by_seed(group, strategy)) or nothing)
        words += _published(cell)
        lines.append(_line(words))
    return lines


def describe_kappas(kappas: Sequence[float]) -> str:
    """Say `median (lowest to highest; number)`, or nothing where there are none."""
    if len(kappas) < 2:
        return "".join(f"{kappa:.3f} (1)" for kappa in kappas)
    return f"{median(kappas):.3f} ({min(kappas):.3f} to {max(kappas):.3f}; {len(kappas)})"


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
        cell.strategy,
        REGIONS[cell.kind],
        str(cell.scenario),
        f"{cell.snr:.3f}",
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
    return f"{median({r.cell.seed: value(r) for r in results}.values()):.3f}"


def _kappa_by_seed(results: Sequence[CellResult], strategy: str) -> list[float]:
    """Kappa of a strategy on each set, of the cell with the most runs."""
    mine = [result for result in results if result.cell.strategy == strategy]
    mine.sort(key=lambda result: result.cell.n_runs)
    return list({result.cell.seed: result.kappa for result in mine}.values())


def _set_key(cell: Cell) -> tuple[int, int, int, int, float]:
    """Order of images and region; how many runs looked at them does not matter."""
    place = list(REGIONS).index(cell.kind)
    return place, cell.scenario, cell.particles, cell.box, -cell.snr


def _line_key(cell: Cell) -> tuple[int, int, int, int, int, float, int, int]:
    """Order of the details; cells that differ only in their seed are equal."""
    return list(STRATEGIES).index(cell.strategy), *_set_key(cell), cell.n_runs, cell.max_cycles


def _measured_on(results: Sequence[CellResult]) -> str:
    machines = sorted({f"{result.machine} ({result.date})" for result in results})
    return f"Measured on: {'; '.join(machines)}."


def _published(cell: Cell) -> list[str]:
    return [f"{kappa:.2f}" for kappa in cell.published] if cell.published else [UNPUBLISHED] * 2


def _head(columns: Sequence[str]) -> list[str]:
    return [_line(columns), _line(["---"] * len(columns))]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def pose_tables(results: Sequence[CellResult]) -> str:
    """Text of poses.md.

    Args:
        results: Of cells whose poses are not exact; at least one.
    """
    lines, ordered = [POSES_HEAD], sorted(results, key=lambda r: (*_pose_key(r.cell), r.cell.seed))
    for source, group in itertools.groupby(ordered, key=lambda r: r.cell.poses):
        lines += ["", f"## {POSES_TITLES[source]}", "", *_head(POSES_COLUMNS)]
        for _, rows in itertools.groupby(group, key=lambda r: _pose_key(r.cell)):
            lines.append(_line(_pose_words(list(rows))))
    return "\n".join([*lines, "", _measured_on(results), ""])


def pose_rows(results: Sequence[CellResult]) -> list[Row]:
    """Rows of poses.csv, one a cell."""
    rows = []
    for result in sorted(results, key=lambda r: (*_pose_key(r.cell), r.cell.seed)):
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
        rows.append(row | (result.poses.model_dump() if result.poses else {}))
    return rows


def _pose_words(results: Sequence[CellResult]) -> list[str]:
    """One row: medians over cells that differ only in their seed."""
    cell, figures = results[0].cell, [result.poses for result in results if result.poses]
    return [
        cell.strategy,
        str(cell.scenario),
        f"{cell.snr:.3f}",
        f"{cell.particles:,}",
        str(len(results)),
        f"{median(result.kappa for result in results):.3f}",
        f"{median(result.oracle_kappa for result in results):.3f}",
        *_published(cell),
        f"{median(f.angle_degrees for f in figures):.2f}",
        f"{median(f.bound_angle_degrees for f in figures):.2f}",
        f"{median(f.shift_angstrom for f in figures):.2f}",
        f"{median(f.bound_shift_angstrom for f in figures):.2f}",
        f"{median(f.seconds for f in figures):.0f}",
    ]


def _pose_key(cell: Cell) -> tuple[int, str, int, int, int, float]:
    """Order of the rows; cells that differ only in their seed are equal."""
    source = POSE_SOURCES.index(cell.poses)
    return source, cell.strategy, cell.scenario, cell.particles, cell.n_runs, -cell.snr

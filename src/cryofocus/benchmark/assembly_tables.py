"""The tables of the assembly benchmark: one row per answer for programs, medians for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cryofocus.benchmark.assembly import Part, Row
from cryofocus.workflows.machine.hardware import describe_hardware
from cryofocus.workflows.run.writing import write_table, write_text

INDEPENDENT, SIGNIFICANT = 0.05, 0.01
SCORES = (
    "kappa",
    "oracle_given",
    "oracle_model",
    "oracle_focused",
    "oracle",
    "mean_posterior",
    "fraction_correct",
)
COLUMNS = ("part", "seed", "pair", "quantity", "value")
HEAD = """# Assembly benchmark

Simulated ribosomes that assemble, rotate and bind (`simulate assembly`), {n} seeds, fewer where
the columns by seed list fewer; classes are medians. Kappa and posteriors are of particles that
are no junk. The oracles: our model with the true class means at the poses given, which are off
by 1 degree and 1 Å; the same at the true poses; what is outside known; all states known.
"""
COVARIANCE = """
## Covariance over particles

Truth: correlation of masses in the maps of the particles' states. "As far as seen": in the same
maps, cut where the analysis ends, at which resolution the dark surroundings of one region reach
farther into the mask of another. Beside them that of presences, which have no surroundings.
"""
TRUTHS = ("truth", "truth_seen")
CLASSES = """
## Classes in a region
"""
NAMES: Mapping[Part, str] = {
    "focus": "L1 stalk, sphere that holds it",
    "ef_g": "EF-G, sphere that holds it",
    "trna": "tRNA, sphere that holds it",
    "cut": "EF-G, cut by a 30 Å sphere",
    "flexible": "the same, flexible background",
    "ten": "L1 stalk, ten classes asked for, copies merged",
    "control": "constant region (control)",
}


def write_assembly_tables(output: Path, answers: Mapping[Part, Sequence[Row]]) -> Path:
    """Write table.csv and table.md.

    Raises:
        OutputError: Disk full, no permission.
    """
    cells = [
        (part, row["seed"], row.get("pair", ""), name, _cell(value))
        for part, rows in answers.items()
        for row in rows
        for name, value in row.items()
        if name not in ("seed", "pair")
    ]
    columns = ("part", "seed", "pair", "quantity", "value")
    write_table(
        output / "table.csv", dict(zip(columns, map(list, zip(*cells, strict=True)), strict=True))
    )
    seeds = {row["seed"] for rows in answers.values() for row in rows}
    lines = [HEAD.format(n=len(seeds))]
    if pairs := answers.get("covariance"):
        lines += [COVARIANCE, *_summary(pairs), "", *_pairs(pairs), ""]
    if classes := [(part, answers[part]) for part in NAMES if answers.get(part)]:
        lines += [CLASSES, *_classes(classes), ""]
    machine = describe_hardware()
    day = datetime.now(UTC).date()
    lines += [
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gb:.0f} GB, {day}.",
        "",
    ]
    path = output / "table.md"
    write_text(path, "\n".join(lines))
    return path


def _summary(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what was asked of the covariance and what came out."""
    known = [row for row in rows if row["found"] is not None]
    independent = [row for row in known if abs(row["truth"]) < INDEPENDENT]
    significant = sum(row["p_value"] < SIGNIFICANT for row in independent)
    covered, covered_seen = (
        sum(row["low"] <= row[key] <= row["high"] for row in known) for key in TRUTHS
    )
    worst, worst_seen = (_largest_error(known, key) for key in TRUTHS)
    constant = {row["seed"]: row["constant_that_vary"] for row in rows}
    cpu = float(np.median([row["cpu_seconds"] for row in rows]))
    yield "| | asked | found | of masses as far as seen |"
    yield "| --- | --- | --- | --- |"
    yield f"| largest median error of a pair | 0.10 | {worst} | {worst_seen} |"
    yield (
        f"| pairs with true correlations below {INDEPENDENT} called significant at 1 % | at most "
        f"2 of 100 | {significant} of {len(independent)} | |"
    )
    yield (
        f"| 95 % intervals that hold the truth | 0.90 | {covered} of {len(known)} "
        f"| {covered_seen} of {len(known)} |"
    )
    yield f"| undetermined pairs | | {len(rows) - len(known)} of {len(rows)} | |"
    yield f"| constant regions that seem to vary | 0 | {sum(constant.values())} | |"
    yield f"| CPU seconds per set | | {cpu:.0f} | |"


def _largest_error(rows: Sequence[Row], truth: str) -> str:
    medians = [
        float(np.median([abs(row["found"] - row[truth]) for row in own]))
        for own in _by_pair(rows).values()
    ]
    return f"{max(medians):.3f}" if medians else "–"


def _pairs(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line per pair: the truth, and what was found seed by seed."""
    yield "| pair | truth | as far as seen | by presence | found, by seed |"
    yield "| --- | --: | --: | --: | --- |"
    for pair, own in _by_pair(rows).items():
        truth, seen, presence = (
            np.median([row[key] for row in own]) for key in (*TRUTHS, "by_presence")
        )
        found = ", ".join("–" if row["found"] is None else f"{row['found']:.2f}" for row in own)
        yield f"| {pair} | {truth:.2f} | {seen:.2f} | {presence:.2f} | {found} |"


def _by_pair(rows: Sequence[Row]) -> dict[str, list[Row]]:
    pairs: dict[str, list[Row]] = {}
    for row in rows:
        pairs.setdefault(row["pair"], []).append(row)
    return pairs


def _classes(parts: Sequence[tuple[Part, Sequence[Row]]]) -> Iterator[str]:
    """Yield a line per question: medians over the seeds."""
    yield (
        "| region | kappa | by seed | poses as given | our model | outside known "
        "| all states known | "
        "highest posterior | correct | classes found | effective classes | CPU s |"
    )
    yield "| --- | --: | --- | --: | --: | --: | --: | --: | --: | --- | --- | --: |"
    for part, rows in parts:
        middle = {
            name: float(np.median([row[name] for row in rows]))
            for name in (*SCORES, "cpu_seconds")
        }
        kappas = ", ".join(f"{row['kappa']:.3f}" for row in rows)
        found = f"{sum(row['classes_found'] for row in rows)} of {len(rows)}"
        effective = ", ".join(str(row["n_effective_classes"]) for row in rows)
        # A region that does not vary has no true classes to be right about.
        scores = (f"{middle[name]:.3f}" for name in SCORES)
        first, *others = ["–"] * len(SCORES) if part == "control" else scores
        by_seed = "–" if part == "control" else kappas
        counts = f"{found} | {effective} | {middle['cpu_seconds']:.0f}"
        yield (f"| {NAMES[part]} | {first} | {by_seed} | {' | '.join(others)} | {counts} |")


def _cell(value: object) -> str | int | float:
    """Return what a table can hold."""
    if value is None:
        return "undetermined"
    return value if isinstance(value, (str, int, float)) else str(value)

"""`cryofocus evaluate`: a classification against the truth."""

from __future__ import annotations

import json
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import typer

from cryofocus.cli.console import say, say_table
from cryofocus.formatting import format_percent

# So many times more true states than found classes are worth a word.
MANY_STATES = 3
# Kappas by another chance that differ by as much are both worth reading.
NOTABLE_CHANCE = 0.02
NOBODY = "none"


def evaluate(
    classified: Annotated[
        Path,
        typer.Argument(metavar="CLASSIFIED", help="particles.star or .cs of a run directory."),
    ],
    truth: Annotated[
        Path, typer.Argument(metavar="TRUTH", help="truth.star of the simulated set.")
    ],
    oracle: Annotated[
        Path | None,
        typer.Option(help="oracle.npy of the simulated set: also show the best possible result."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="STATES.csv[:COLUMN]",
            help="Table of true states: those with the same text in the column group, or in "
            "COLUMN, count as one class. Junk, and particles whose state is not in the table, do "
            "not count.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every figure as one JSON object instead.")
    ] = False,
) -> None:
    """Score a classification of simulated particles against the truth.

    Found classes are matched to true ones so that as many particles as possible agree. kappa is
    1 for a perfect result and 0 for a random one; definitions in docs/evaluation.md. Example:

    `cryofocus evaluate run/particles.star set/truth.star --oracle set/oracle.npy`

    `cryofocus evaluate run/particles.star set/truth.star --group set/states.csv:ef_g`
    """
    from cryofocus.workflows.evaluate import evaluate as score

    result = score(classified, truth, oracle, group=group)
    if as_json:
        say(json.dumps(result, indent=2))
    else:
        _say_scores(result)
        hint_at_groups(result, truth)


def hint_at_groups(result: dict[str, Any], truth: Path) -> None:
    """Name --group where the truth tells many more states apart than the run."""
    from cryofocus.workflows.state_groups import find_groupings

    confusion = result["confusion"]
    n_true, n_found = (sum(map(any, table)) for table in (confusion, zip(*confusion, strict=True)))
    if "groups" in result or n_true < MANY_STATES * n_found:
        return
    example, *others = find_groupings(truth) or ("STATES.csv:COLUMN",)
    more = f" (or {', '.join(one.rpartition(':')[2] for one in others)})" if others else ""
    say(
        f"\nThe truth has {n_true} states, many of which no region tells apart. Count those alike "
        f"as one: --group {example}{more}"
    )


def _say_scores(result: dict[str, Any]) -> None:
    if result.get("classes_found") is False:
        say(
            "This run found no classes: what it wrote as classes describes noise, so these "
            "figures say nothing of classes."
        )
    say(f"kappa {result['kappa']:.3f}{_beside_oracle(result)}")
    if abs(result["kappa"] - result["cohen_kappa"]) >= NOTABLE_CHANCE:
        say(
            f"Cohen's kappa {result['cohen_kappa']:.3f}: its chance follows from the shares of "
            f"the classes, which are uneven; that of kappa is 1 in {result['n_classes']}"
        )
    unit = "copies" if "copies_of" in result else "particles"
    counted = f"copies of {result['copies_of']:,} particles" if unit == "copies" else unit
    say(
        f"{format_percent(result['fraction_correct'], 1)} of {result['particles']:,} {counted} "
        f"assigned to the correct class ({result['n_classes']} classes)"
    )
    if calibration := result.get("calibration"):
        say(
            f"mean highest posterior {calibration['mean_posterior']:.3f}, fraction correct "
            f"{calibration['fraction_correct']:.3f}, calibration error "
            f"{calibration['expected_error']:.3f}"
        )
    if errors := result.get("pose_errors"):
        say(
            f"poses {errors['angle_degrees']:.2f}° and {errors['shift_angstrom']:.2f} Å off "
            "(medians)"
        )
    if result["mates"]:
        say(f"{result['mates']:,} {unit} scored by their other subunit")
    if "groups" in result:
        _say_grouping(result, unit)
    names = result.get("groups", range(1, result["n_classes"] + 1))
    say(
        f"\n{unit.capitalize()} by true class (rows) and the found class matched with it (columns)"
    )
    rows = [[f"true {n}", *row] for n, row in zip(names, result["confusion"], strict=True)]
    columns = _found_names(result)
    is_shown = [name != NOBODY for name in columns]
    rows = [[first, *compress(counts, is_shown)] for first, *counts in rows]
    say_table(["", *compress(columns, is_shown)], rows)


def _found_names(result: dict[str, Any]) -> list[str]:
    """Name the columns by the numbers that the found classes have in the run and its page."""
    columns = range(1, result["n_classes"] + 1)
    found = [
        [number for number, true in enumerate(result["matching"], start=1) if true == column]
        for column in columns
    ]
    return [f"class {', '.join(map(str, numbers))}" if numbers else NOBODY for numbers in found]


def _say_grouping(result: dict[str, Any], unit: str) -> None:
    """Say what counts as a class and what does not count."""
    say(f"{result['n_left_out']:,} {unit} left out: junk, or in a state that is in no group")
    if result["assigned_by"] == "majority":
        assigned = ", ".join(
            f"{number} to {result['groups'][group - 1]}"
            for number, group in enumerate(result["matching"], start=1)
            if group is not None
        )
        say(f"more classes than groups, each assigned to the group it mostly holds: {assigned}")


def _beside_oracle(result: dict[str, Any]) -> str:
    """Say the limit and how much of it was reached, where it is known."""
    limit = result.get("oracle_kappa")
    if limit is None:
        return ""
    share = f", {format_percent(result['kappa'] / limit, 1)} of it" if limit > 0 else ""
    return f", best possible {limit:.3f}{share}"

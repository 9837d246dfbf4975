"""`cryofocus expand` and `cryofocus collapse`: copies of particles under symmetry operators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.console import say, show_progress
from cryofocus.cli.options import NewTable, Overwrite, ParticleTable, Seed
from cryofocus.option import Option


def expand(
    particles: ParticleTable,
    output: NewTable,
    symmetry: Annotated[
        str | None,
        typer.Option(metavar="GROUP", help="Point group: C1..., D1..., T, O, I, I1, I2, I3, I4."),
    ] = None,
    helical: Annotated[
        tuple[float, float, int] | None,
        Option(
            metavar="TWIST,RISE,N",
            help="Helix along z: degrees and Å from one subunit to the next, number of copies.",
            expected="TWIST,RISE,N such as -65.2,9.4,5",
        ),
    ] = None,
    operators: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your own operators, one per line: nine numbers of a rotation matrix, row by "
            "row, and three of a translation in Å if there is one.",
        ),
    ] = None,
    seed: Seed = 1,
    overwrite: Overwrite = False,
) -> None:
    """Write each particle once per symmetry operator, to classify all units together.

    Only the table grows; the copies share their image. Axes are RELION's. The table gives the
    parent and operator of every copy; copies of a particle share its half set. Examples:

    `cryofocus expand run_data.star --symmetry D7 -o expanded.star`

    `cryofocus expand run_data.star --helical -65.2,9.4,5 -o expanded.star`
    """
    chosen = cryofocus.choose_operators(symmetry, helical, operators)
    made = cryofocus.expand(
        particles, chosen, output, seed=seed, overwrite=overwrite, progress=show_progress()
    )
    say(
        f"{made.n_particles:,} particles, {made.n_operators} copies each: "
        f"{made.n_particles * made.n_operators:,} rows in {made.path}"
    )


def collapse(
    expanded: Annotated[
        Path,
        typer.Argument(
            metavar="EXPANDED",
            help="Table that expand wrote (RELION STAR or cryoSPARC .cs), or its classification.",
        ),
    ],
    output: NewTable,
    overwrite: Overwrite = False,
) -> None:
    """Undo expand: one row per particle again, as it was.

    Where copies of a particle are in different classes, cryofocusOperatorClasses lists them.
    Example:

    `cryofocus collapse run/particles.star -o collapsed.star`
    """
    made = cryofocus.collapse(expanded, output, overwrite=overwrite)
    say(f"{made.n_particles:,} particles of {made.n_operators} copies in {made.path}")
    if made.lists_classes:
        say("Classes of all copies, by operator: cryofocusOperatorClasses")

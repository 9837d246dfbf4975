"""`cryofocus expand` and `cryofocus collapse`: copies of particles under symmetry operators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cryofocus.cli.console import say
from cryofocus.cli.options import Overwrite, ParticleTable, Seed


def expand(
    particles: ParticleTable,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write, in the same format.")
    ],
    symmetry: Annotated[
        str | None,
        typer.Option(metavar="GROUP", help="Point group: C1..., D1..., T, O, I, I1, I2, I3, I4."),
    ] = None,
    helical: Annotated[
        str | None,
        typer.Option(
            metavar="TWIST,RISE,N",
            help="Helix along z: degrees and Å from one subunit to the next, number of copies.",
        ),
    ] = None,
    operators: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Operators of your own, one a line: nine numbers of a rotation matrix, row by "
            "row, and three of a translation in Å if there is one.",
        ),
    ] = None,
    seed: Seed = 1,
    overwrite: Overwrite = False,
) -> None:
    """Write every particle once under each symmetry operator, to classify all units together.

    Only the table grows; the copies share their image. Axes are RELION's. The table says parent
    and operator of every copy, and copies of one particle stay in one half set. Examples:

    `cryofocus expand run_data.star --symmetry D7 -o expanded.star`

    `cryofocus expand run_data.star --helical -65.2,9.4,5 -o expanded.star`
    """
    from cryofocus.workflows.expand import choose_operators
    from cryofocus.workflows.expand import expand as expand_table
    from cryofocus.workflows.machine.progress import choose_progress

    chosen = choose_operators(symmetry, _read_helix(helical), operators)
    made = expand_table(
        particles, chosen, output, seed=seed, overwrite=overwrite, progress=choose_progress()
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
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write, in the same format.")
    ],
    overwrite: Overwrite = False,
) -> None:
    """Undo expand: one row a particle again, as it was.

    Where copies of a particle are in different classes, cryofocusOperatorClasses lists them.
    Example:

    `cryofocus collapse run/particles.star -o collapsed.star`
    """
    from cryofocus.workflows.collapse import collapse as collapse_table

    made = collapse_table(expanded, output, overwrite=overwrite)
    say(f"{made.n_particles:,} particles of {made.n_operators} copies in {made.path}")
    if made.lists_classes:
        say("Classes of all copies, by operator: cryofocusOperatorClasses")


def _read_helix(text: str | None) -> tuple[float, float, int] | None:
    if text is None:
        return None
    try:
        twist, rise, n_copies = text.split(",")
        return float(twist), float(rise), int(n_copies)
    except ValueError as error:
        raise typer.BadParameter(
            f"found {text!r}, expected TWIST,RISE,N such as -65.2,9.4,5", param_hint="--helical"
        ) from error

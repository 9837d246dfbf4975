"""`cryofocus convert` and `deposit`: results as others want them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.console import say, show_progress
from cryofocus.cli.options import NewFolder, Overwrite, ParticleTable, RunFolder


def convert(
    particles: ParticleTable,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Table to write: .star (RELION), .cs (cryoSPARC), .cistem (cisTEM binary) or "
            ".par (Frealign).",
        ),
    ],
    settings: cryofocus.ConvertSettings,
    overwrite: Overwrite = False,
) -> None:
    """Write a particle table in the format of another program.

    Poses, shifts, CTF, optics groups, half sets and classes are kept; what the new format lacks is
    listed. Images stay where they are. Examples:

    `cryofocus convert J24_005_particles.cs -o particles.star`

    `cryofocus convert run_data.star -o particles.cistem --write-stack particles.mrc`
    """
    made = cryofocus.convert(
        particles, output, settings, overwrite=overwrite, progress=show_progress()
    )
    say(f"{made.n_particles:,} particles in {made.path} ({made.title})")
    if made.lost:
        say("The new table lacks:")
    for what in made.lost:
        say(f"  - {what}")


def deposit(
    run: RunFolder,
    output: NewFolder,
    class_number: Annotated[
        int, typer.Option("--class", metavar="N", help="Class to deposit, counted from 1.")
    ],
    main: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="Primary map, such as the class map after sharpening. Default: the class map.",
            show_default=False,
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Soft mask, 0 to 1, in which the resolution is measured; it is deposited, too.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Gather what the EMDB asks for with a class map: maps, half maps, mask and FSC.

    Example:

    `cryofocus deposit run --class 1 --mask mask.mrc -o deposition`
    """
    made = cryofocus.deposit(run, class_number, output, main=main, mask=mask, overwrite=overwrite)
    say(made.summary())

"""`cryofocus convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cryofocus.cli.console import say
from cryofocus.cli.options import (
    DataDirectory,
    MicroscopeValues,
    Overwrite,
    ParticleTable,
    Passthrough,
    PixelSize,
    Stack,
    compose_supplement,
)


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
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="relion, cryosparc, cistem, cistem-star or frealign, where the name of the "
            "output does not say.",
        ),
    ] = None,
    write_stack: Annotated[
        Path | None,
        typer.Option(
            metavar="STACK",
            help="Also write the images, in the order of the rows, into this one stack; cisTEM "
            "and Frealign need that.",
        ),
    ] = None,
    stack: Stack = None,
    microscope: MicroscopeValues = None,
    pixel_size: PixelSize = None,
    passthrough: Passthrough = None,
    datadir: DataDirectory = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a particle table in the format of another program.

    Poses, shifts, CTF, optics groups, half sets and classes go along; what the new format cannot
    hold is listed. Images stay where they are. Examples:

    `cryofocus convert J24_005_particles.cs -o particles.star`

    `cryofocus convert run_data.star -o particles.cistem --write-stack particles.mrc`
    """
    from cryofocus.workflows.convert import ConvertSettings
    from cryofocus.workflows.convert import convert as convert_table
    from cryofocus.workflows.machine.progress import choose_progress

    settings = ConvertSettings(
        to=to,
        supplement=compose_supplement(stack, microscope, pixel_size, passthrough),
        datadir=datadir,
        write_stack=write_stack,
    )
    made = convert_table(
        particles, output, settings, overwrite=overwrite, progress=choose_progress()
    )
    say(f"{made.n_particles:,} particles in {made.path} ({made.title})")
    if made.lost:
        say("The new table does not hold:")
    for what in made.lost:
        say(f"  - {what}")

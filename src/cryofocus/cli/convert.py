"""`cryofocus convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.console import say, show_progress
from cryofocus.cli.options import Overwrite, ParticleTable


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

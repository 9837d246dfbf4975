"""`cryofocus subtract`: images without the density outside a mask, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.console import say, show_progress
from cryofocus.cli.options import IN_PROCESS, Overwrite, ParticleTable
from cryofocus.cli.settings_options import Given


def subtract(
    particles: ParticleTable,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Directory to write; with --revert the table.",
            rich_help_panel="Output",
        ),
    ],
    settings: Given[cryofocus.SubtractSettings],
    machine: Annotated[cryofocus.Machine, IN_PROCESS],
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Mask from 0 to 1, on the particles' grid, of what stays in the images.",
            rich_help_panel="Density to subtract",
        ),
    ] = None,
    revert: Annotated[
        bool,
        typer.Option(
            "--revert",
            help="Instead, write the table of a subtracted set with its intact particles.",
            rich_help_panel="Undo",
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Subtract everything outside a mask from the images.

    The density, seen through each particle's CTF and at its own intensity, is taken out of the
    images; each half set is subtracted with its own half map. The result can be classified,
    refined or subtracted again, here or elsewhere. Examples:

    `cryofocus subtract run_data.star --keep head.mrc -o head --recenter --box 96`

    `cryofocus subtract head_classes/particles.star --revert -o intact.star`
    """
    if revert:
        if keep is not None or settings.values:
            raise typer.BadParameter(
                "only a table and -o go with it; leave the other options out",
                param_hint="--revert",
            )
        n_particles = cryofocus.revert(particles, output, overwrite=overwrite)
        say(f"{n_particles:,} particles with their intact images in {output}")
        return
    if keep is None:
        raise typer.BadParameter("missing; give the mask of what stays", param_hint="--keep")
    made = cryofocus.subtract(
        particles,
        keep,
        output,
        settings.settings(**settings.values),
        machine=machine,
        overwrite=overwrite,
        progress=show_progress(),
    )
    say(made.summary())

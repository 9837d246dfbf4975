"""`cryofocus select` and `cryofocus reconstruct`: going on with chosen particles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.console import say, show_progress
from cryofocus.cli.options import IN_PROCESS, NewMap, Overwrite, ParticleTable, RunFolder
from cryofocus.formatting import format_angstrom
from cryofocus.option import Option


def select(
    run: RunFolder,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write, in the format of the run.")
    ],
    classes: Annotated[
        tuple[int, ...] | None,
        Option(
            metavar="1,3,...",
            help="Classes to keep, counted from 1. Default: all.",
            expected="numbers such as 1,3",
        ),
    ] = None,
    min_posterior: Annotated[
        float | None,
        typer.Option(
            help="Keep particles whose summed posterior of the chosen classes is at least this "
            "(0 to 1); without --classes, that of their most probable class. Default: those whose "
            "most probable class is chosen.",
        ),
    ] = None,
    max_outlier: Annotated[
        float | None,
        typer.Option(
            help="Leave out particles whose image is farther than this from showing the consensus "
            "as the others do, in standard deviations (cryofocusOutlier); 4 leaves out junk. "
            "Default: junk is kept, in every class.",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the particles of some classes, the certain ones, or all that are no junk.

    Classes that belong together are chosen together: their posteriors are summed. Examples:

    `cryofocus select run --classes 2 -o bound.star`

    `cryofocus select run --classes 1,3 --min-posterior 0.9 -o sure.star`

    `cryofocus select run --min-posterior 0.9 -o certain.star`

    `cryofocus select run --max-outlier 4 -o clean.star`
    """
    n_kept = cryofocus.select(
        run,
        classes,
        output,
        min_posterior=min_posterior,
        max_outlier=max_outlier,
        overwrite=overwrite,
    )
    say(f"{n_kept:,} particles in {output}")


def reconstruct(
    particles: ParticleTable,
    output: NewMap,
    settings: cryofocus.ReconstructSettings,
    machine: Annotated[cryofocus.Machine, IN_PROCESS],
    overwrite: Overwrite = False,
) -> None:
    """Reconstruct one map from all particles of a table, with half maps and FSC beside it.

    NAME.mrc is filtered by its FSC; NAME_half1.mrc and NAME_half2.mrc are not. All fade out
    towards the sphere that the box holds. Example:

    `cryofocus reconstruct bound.star -o bound.mrc`
    """
    made = cryofocus.reconstruct(
        particles, output, settings, machine=machine, overwrite=overwrite, progress=show_progress()
    )
    limit = ", the Nyquist limit" if made.is_nyquist else ""
    ends = format_angstrom(made.resolution_angstrom) if made.is_resolved else "nothing resolved"
    say(f"Map         {made.path}, {ends} (FSC 0.143{limit})")
    was = "dark in the images, which were inverted" if made.is_inverted else "bright in the images"
    say(f"Contrast    protein is {was}; density is positive in the map (--invert)")
    say(f"Half maps   {made.halves[0]}, {made.halves[1].name}")
    say(f"FSC         {made.fsc}")

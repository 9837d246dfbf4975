"""`cryofocus covary`: which regions vary together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.console import REPORT, say, show_progress
from cryofocus.cli.options import IN_PROCESS, NewFolder, Overwrite


def covary(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...|PARTICLES",
            help="Run directories of classify, at least three from different seeds; or a "
            "particle table, to compare single particles only.",
        ),
    ],
    regions: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=MASK.mrc",
            help="Two or more regions to compare: for each, a name and a mask from 0 to 1 on the "
            "particles' grid. A part that comes and goes is one region in all its places; for its "
            "motion, each place is one.",
        ),
    ],
    output: NewFolder,
    settings: cryofocus.CovarySettings,
    machine: Annotated[cryofocus.Machine, IN_PROCESS],
    overwrite: Overwrite = False,
) -> None:
    """Correlate the content of regions over classes, symmetric units and single particles.

    Class maps come from classifications; single particles need none: each region's content is
    fitted to each image. Classifications of a symmetry-expanded set also show whether the classes
    of units are coupled. Examples:

    `cryofocus covary run1 run2 run3 --regions hand=hand.mrc foot=foot.mrc -o together`

    `cryofocus covary particles.star --regions hand=hand.mrc foot=foot.mrc -o together`

    `cryofocus covary particles.star --regions hand=hand.mrc foot=foot.mrc arm=arm.mrc --given arm
    -o together`
    """
    made = cryofocus.covary(
        sources,
        regions,
        output,
        settings,
        machine=machine,
        overwrite=overwrite,
        progress=show_progress(),
    )
    say(made.summary())
    say(f"\nReport   {output / REPORT}")

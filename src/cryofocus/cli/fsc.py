"""`cryofocus fsc`: the resolution of half maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.console import REPORT, say, show_progress
from cryofocus.cli.options import NewFolder, Overwrite


def fsc(
    first: Annotated[Path, typer.Argument(metavar="HALF1", help="Half map, unfiltered.")],
    second: Annotated[Path, typer.Argument(metavar="HALF2", help="The other half map.")],
    output: NewFolder,
    settings: cryofocus.FscSettings,
    overwrite: Overwrite = False,
) -> None:
    """Measure the resolution of two half maps by Fourier shell correlation.

    Writes fsc.star, which reads like RELION's postprocess.star, fsc.xml for the EMDB, and
    figures. Example:

    `cryofocus fsc half1.mrc half2.mrc --mask mask.mrc --directional --local -o resolution`
    """
    result = cryofocus.fsc(
        first, second, output, settings, overwrite=overwrite, progress=show_progress()
    )
    say(result.summary())
    for figure in sorted(result.folder.glob("*.png")):
        say(f"Figure        {figure}")
    say(f"Report        {result.folder / REPORT}")

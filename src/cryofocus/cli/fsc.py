"""`cryofocus fsc`: the resolution of half maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import cryofocus
from cryofocus.cli.console import REPORT, say, show_progress
from cryofocus.cli.options import NewFolder, Overwrite

if TYPE_CHECKING:
    from cryofocus.workflows.fsc import FscResult


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
    _say_result(result)
    for figure in sorted(result.folder.glob("*.png")):
        say(f"Figure        {figure}")
    say(f"Report        {result.folder / REPORT}")


def _say_result(result: FscResult) -> None:
    from cryofocus.maths.shells import FSC_LIMIT
    from cryofocus.workflows.fsc import FSC_HALF

    masked = ", mask corrected" if result.curves.masked is not None else ""
    if result.crosses(FSC_LIMIT) and result.crosses(FSC_HALF):
        say(
            f"Resolution    {result.resolution_angstrom:.2f} Å at FSC 0.143, "
            f"{result.resolution_half_angstrom:.2f} Å at 0.5{masked}"
        )
    else:
        for level in (FSC_LIMIT, FSC_HALF):
            say(f"Resolution    {result.say_resolution(level)}{masked}")
    if result.anisotropy is not None:
        best, worst = result.anisotropy.best_angstrom, result.anisotropy.worst_angstrom
        say(
            f"Directions    {best:.2f} to {worst:.2f} Å, sphericity "
            f"{result.anisotropy.sphericity:.2f} (1: the same in all directions)"
        )
    if result.local_range_angstrom is not None:
        finest, median, coarsest = result.local_range_angstrom
        say(f"Local         {finest:.1f} to {coarsest:.1f} Å, median {median:.1f} Å, at FSC 0.5")

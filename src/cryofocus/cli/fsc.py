"""`cryofocus fsc`: the resolution of half maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryofocus.cli.console import REPORT, say
from cryofocus.cli.options import Overwrite, Seed

if TYPE_CHECKING:
    from cryofocus.workflows.fsc import FscResult


def fsc(
    first: Annotated[Path, typer.Argument(metavar="HALF1", help="Half map, unfiltered.")],
    second: Annotated[Path, typer.Argument(metavar="HALF2", help="The other half map.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory to write.")],
    mask: Annotated[
        Path | None,
        typer.Option(help="Soft mask, 0 to 1; its own effect on the FSC is corrected for."),
    ] = None,
    directional: Annotated[
        bool,
        typer.Option("--directional", help="Resolution by direction, and how anisotropic it is."),
    ] = False,
    local: Annotated[
        bool,
        typer.Option("--local", help="Local resolution, and the map filtered by it."),
    ] = False,
    window: Annotated[
        float | None,
        typer.Option(
            help="Width of the window for --local, in Å. Default: six times the resolution."
        ),
    ] = None,
    seed: Seed = 1,
    overwrite: Overwrite = False,
) -> None:
    """Measure the resolution of two half maps by Fourier shell correlation.

    Writes fsc.star, which reads like RELION's postprocess.star, and figures. Example:

    `cryofocus fsc half1.mrc half2.mrc --mask mask.mrc --directional --local -o resolution`
    """
    from cryofocus.api.analyses import fsc as measure
    from cryofocus.workflows.fsc import FscSettings
    from cryofocus.workflows.machine.progress import choose_progress

    if window is not None and not local:
        raise typer.BadParameter("belongs to --local", param_hint="--window")
    settings = FscSettings(mask, directional, local, window, seed)
    result = measure(
        first, second, output, settings, overwrite=overwrite, progress=choose_progress()
    )
    _say_result(result)
    for figure in sorted(result.folder.glob("*.png")):
        say(f"Figure        {figure}")
    say(f"Report        {result.folder / REPORT}")


def _say_result(result: FscResult) -> None:
    masked = ", mask corrected" if result.curves.masked is not None else ""
    say(
        f"Resolution    {result.resolution_angstrom:.2f} Å at FSC 0.143, "
        f"{result.resolution_half_angstrom:.2f} Å at 0.5{masked}"
    )
    if result.anisotropy is not None:
        best, worst = result.anisotropy.best_angstrom, result.anisotropy.worst_angstrom
        say(
            f"Directions    {best:.2f} to {worst:.2f} Å, sphericity "
            f"{result.anisotropy.sphericity:.2f} (1: the same in all directions)"
        )
    if result.local_range_angstrom is not None:
        finest, median, coarsest = result.local_range_angstrom
        say(f"Local         {finest:.1f} to {coarsest:.1f} Å, median {median:.1f} Å, at FSC 0.5")

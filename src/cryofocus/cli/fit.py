"""`cryofocus fit`: a map or an atomic model carried onto a map."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.console import say
from cryofocus.cli.options import Overwrite


def fit(
    moving: Annotated[
        Path, typer.Argument(metavar="MAP|MODEL", help="Map, or PDB or mmCIF model, to move.")
    ],
    target: Annotated[Path, typer.Option("--to", help="Map to fit to; it stays fixed.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Map to write, or model (.pdb, .cif)."),
    ],
    settings: cryofocus.FitSettings,
    mask: Annotated[Path | None, typer.Option(help="Region of the fixed map to compare.")] = None,
    local: Annotated[
        bool,
        typer.Option("--local", help="Only refine the given position; no search."),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Rotate and shift a map, or an atomic model, so that it agrees best with a map.

    All rotations and shifts are searched at low resolution, the best are refined. The motion goes
    into a .json file beside the map or model; align move hands it on to poses. Examples:

    `cryofocus fit model.pdb --to class001.mrc --max-resolution 12 -o docked.pdb`

    `cryofocus fit class002.mrc --to class001.mrc --mask core.mrc -o class002_fitted.mrc`
    """
    if local:
        settings = settings.model_copy(update={"search": "local"})
    made = cryofocus.fit(moving, target, output, mask=mask, settings=settings, overwrite=overwrite)
    transform = made.fit.transform
    axis = ", ".join(f"{value:.3f}" for value in transform.axis)
    shift = ", ".join(f"{value:.2f}" for value in transform.shift_angstrom)
    say(f"Rotation      {transform.angle_degrees:.2f}° about {axis} through the box centre")
    say(f"Shift         {shift} Å along x, y, z, after the rotation")
    before = made.fit.correlation_before
    beside = "" if before is None else f", before {before:.4f}"
    say(f"Correlation   {made.fit.correlation:.4f}{beside}")
    say(f"Written       {made.path}")
    say(f"Motion        {made.description}")

"""`cryofocus diffmap`, `merge` and `fit`: maps against each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import cryofocus
from cryofocus.cli.console import REPORT, say, show_progress
from cryofocus.cli.options import NewMap, Overwrite

if TYPE_CHECKING:
    from cryofocus.workflows.diffmap import WrittenDifference

Against = Literal["consensus", "pairs"]


def diffmap(
    first: Annotated[
        Path, typer.Argument(metavar="MAP|RUN", help="Map, or run directory of classify.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="MRC map to write; for a run, a directory.")
    ],
    settings: cryofocus.DiffmapSettings,
    second: Annotated[
        Path | None,
        typer.Argument(metavar="MAP", help="Map to subtract.", show_default=False),
    ] = None,
    against: Annotated[
        Against | None,
        typer.Option(
            help="For a run: each class minus the consensus, or all pairs. Default consensus."
        ),
    ] = None,
    halves: Annotated[
        tuple[Path, Path, Path, Path] | None,
        typer.Option(
            metavar="A1 A2 B1 B2",
            help="Half maps of both maps, to write the significance as well. A run has its own.",
            show_default=False,
        ),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="For a run: difference maps of another run, such as one without focus, to show "
            "below these in merged.svg, on one scale.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Subtract maps at matched amplitudes: two maps, or the class maps of a run.

    The second map is scaled to the first, Fourier shell by shell. With half maps, a significance
    map shows by how many standard errors each voxel differs. Examples:

    `cryofocus diffmap bound.mrc free.mrc -o difference.mrc`

    `cryofocus diffmap RUN --against pairs -o differences`

    `cryofocus diffmap FOCUSED --against pairs --beside GLOBAL/differences -o differences`
    """
    if second is None:
        if halves is not None:
            raise typer.BadParameter("a run has its own half maps", param_hint="--halves")
        if first.is_file():
            raise typer.BadParameter(
                f"found one map, {first}; expected two, or a run directory", param_hint="MAP"
            )
        made = cryofocus.diffmap_run(
            first,
            output,
            against=against or "consensus",
            beside=beside,
            settings=settings,
            overwrite=overwrite,
            progress=show_progress(),
        )
        say(made.summary())
        say(f"Report   {output / REPORT}")
        return
    if folders := [path for path in (first, second) if path.is_dir()]:
        raise typer.BadParameter(
            f"found {first} and {second}, of which {' and '.join(map(str, folders))} "
            f"{'are folders' if len(folders) > 1 else 'is a folder'}; expected one run directory, "
            "or two maps, such as class001.mrc of each. Differences of two runs are shown below "
            "each other by diffmap RUN --beside OTHER/differences",
            param_hint="MAP",
        )
    for given, option in ((against, "--against"), (beside, "--beside")):
        if given is not None:
            raise typer.BadParameter("compares the maps of a run, not two maps", param_hint=option)
    pair = cryofocus.diffmap(first, second, output, settings, halves=halves, overwrite=overwrite)
    say(f"Difference     {pair.path}, to {pair.resolution_angstrom:.1f} Å")
    if pair.significance is not None:
        say(f"Significance   {pair.significance}")
    say(f"Largest        {_peak(pair)}")


def merge(
    maps: Annotated[list[Path], typer.Argument(metavar="MAP", help="Difference maps.")],
    output: NewMap,
    absolute: Annotated[
        bool,
        typer.Option(
            "--absolute", help="Take absolute values; otherwise negative density counts as zero."
        ),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Merge difference maps into one: the voxelwise maximum, starting from zero.

    Example:

    `cryofocus merge differences/difference_1_2.mrc differences/difference_1_3.mrc -o all.mrc`
    """
    say(f"Merged   {cryofocus.merge(maps, output, absolute=absolute, overwrite=overwrite)}")


def _peak(made: WrittenDifference) -> str:
    """Describe the largest difference."""
    place = ", ".join(f"{value:.1f}" for value in made.peak_angstrom)
    sure = made.peak.significance
    errors = "" if sure is None else f", {sure:.1f} standard errors,"
    return (
        f"{made.peak.density:.4g}{errors} at {place} Å; "
        f"{made.peak.volume_cubic_angstrom:,.0f} Å³ above the threshold"
    )


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
    axis = ", ".join(f"{round(value, 3) + 0.0:.3f}" for value in transform.axis)
    shift = ", ".join(f"{round(value, 2) + 0.0:.2f}" for value in transform.shift_angstrom)
    say(f"Rotation      {transform.angle_degrees:.2f}° about {axis} through the box centre")
    say(f"Shift         {shift} Å along x, y, z, after the rotation")
    before = made.fit.correlation_before
    beside = "" if before is None else f", before {before:.4f}"
    say(f"Correlation   {made.fit.correlation:.4f}{beside}")
    say(f"Written       {made.path}")
    say(f"Motion        {made.description}")

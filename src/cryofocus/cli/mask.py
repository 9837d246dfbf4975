"""`cryofocus mask`: regions as masks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cryofocus.cli.console import say
from cryofocus.cli.options import Overwrite

if TYPE_CHECKING:
    from cryofocus.workflows.make_mask import MadeMask

app = typer.Typer(no_args_is_help=True, help="Make masks for classify --mask and other commands.")

# A centre may begin with a minus, which would otherwise be taken for an option.
NEGATIVE_NUMBERS = {"ignore_unknown_options": True}
RESIDUES = re.compile(r"(-?\d+)(?:-(-?\d+))?")

LikeMap = Annotated[
    Path,
    typer.Option("--like", "--map", help="Map whose grid and header origin the mask gets."),
]
MaskFile = Annotated[Path, typer.Option("-o", "--output", help="MRC map to write, 0 to 1.")]
SoftEdge = Annotated[
    float, typer.Option(min=0, help="Width of the soft edge outside the region, in Å.")
]


@app.callback()
def family() -> None:
    """Make masks for classify --mask and other commands."""


@app.command("sphere", context_settings=NEGATIVE_NUMBERS)
def sphere(
    centre_and_radius: Annotated[
        str,
        typer.Argument(
            metavar="X,Y,Z,R",
            help="Centre and radius in Å in the map's frame, as ChimeraX shows it.",
        ),
    ],
    like: LikeMap,
    output: MaskFile,
    soft_edge: SoftEdge = 8.0,
    overwrite: Overwrite = False,
) -> None:
    """Write a sphere as a mask.

    Example: `cryofocus mask sphere 142,118,97,30 --like map.mrc -o mask.mrc`
    """
    from cryofocus.workflows.make_mask import make_sphere_mask

    numbers = _numbers(centre_and_radius)
    _say_mask(
        make_sphere_mask(numbers, like, output, soft_edge_angstrom=soft_edge, overwrite=overwrite)
    )


@app.command("threshold")
def threshold(
    density: Annotated[Path, typer.Argument(metavar="MAP", help="Map.")],
    output: MaskFile,
    level: Annotated[
        float | None, typer.Option(help="Lowest density of the region, in units of the map.")
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(help="The same, in standard deviations above the map's mean."),
    ] = None,
    lowpass: Annotated[
        float | None, typer.Option(min=0.1, help="Filter the map to this resolution first, in Å.")
    ] = None,
    extend: Annotated[
        float, typer.Option(min=0, help="How far the mask reaches beyond the density, in Å.")
    ] = 0.0,
    soft_edge: SoftEdge = 8.0,
    largest_component: Annotated[
        bool, typer.Option("--largest-component", help="Keep only the largest connected piece.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write a mask of the density of a map.

    Example: `cryofocus mask threshold map.mrc --sigma 3 --lowpass 15 --extend 5 -o mask.mrc`
    """
    from cryofocus.workflows.make_mask import ThresholdMaskSettings, make_threshold_mask

    settings = ThresholdMaskSettings(level, sigma, lowpass, extend, soft_edge, largest_component)
    _say_mask(make_threshold_mask(density, output, settings, overwrite=overwrite))


@app.command("model")
def model(
    atoms: Annotated[
        Path, typer.Argument(metavar="MODEL", help="PDB or mmCIF file, fitted into the map.")
    ],
    like: LikeMap,
    output: MaskFile,
    chain: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Chains to take. Default: all.")
    ] = None,
    residues: Annotated[
        str | None,
        typer.Option(metavar="10-50,60,...", help="Residues to take. Default: all."),
    ] = None,
    radius: Annotated[
        float, typer.Option(min=0.1, help="The mask is 1 up to this distance from an atom, in Å.")
    ] = 5.0,
    soft_edge: SoftEdge = 8.0,
    overwrite: Overwrite = False,
) -> None:
    """Write a mask around chains or residues of an atomic model.

    Example: `cryofocus mask model model.cif --chain v --like map.mrc -o mask.mrc`
    """
    from cryofocus.workflows.make_mask import ModelMaskSettings, make_model_mask

    chains = tuple(chain.split(",")) if chain else ()
    settings = ModelMaskSettings(chains, _stretches(residues), radius, soft_edge)
    _say_mask(make_model_mask(atoms, like, output, settings, overwrite=overwrite))


@app.command("variance")
def variance(
    variance_map: Annotated[
        Path, typer.Argument(metavar="VARIANCE", help="Map written by cryofocus variance.")
    ],
    output: MaskFile,
    region: Annotated[
        int, typer.Option(min=1, help="Which region; 1 holds most of the variance.")
    ] = 1,
    level: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Part of the largest variance from which on a voxel counts."
        ),
    ] = 0.1,
    sigma: Annotated[
        float,
        typer.Option(min=0, help="Standard deviations it must stand above the map's own noise."),
    ] = 5.0,
    separation: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Part connected places whose peaks are at least so far apart, in Å. Default: "
            "what is connected is one region.",
        ),
    ] = None,
    extend: Annotated[
        float, typer.Option(min=0, help="How far the mask reaches beyond the region, in Å.")
    ] = 0.0,
    soft_edge: SoftEdge = 8.0,
    overwrite: Overwrite = False,
) -> None:
    """Write a mask of one region of a variance map.

    Example: `cryofocus mask variance variability/variance.mrc --region 2 -o mask.mrc`
    """
    from cryofocus.workflows.make_mask import VarianceMaskSettings, make_variance_mask

    settings = VarianceMaskSettings(region, level, sigma, separation, extend, soft_edge)
    _say_mask(make_variance_mask(variance_map, output, settings, overwrite=overwrite))


def _numbers(text: str) -> tuple[float, float, float, float]:
    """Read X,Y,Z,R."""
    try:
        x, y, z, radius = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"found {text!r}, expected four numbers in Å, such as 142,118,97,30",
            param_hint="X,Y,Z,R",
        ) from error
    return x, y, z, radius


def _stretches(text: str | None) -> tuple[tuple[int, int], ...]:
    """Read stretches of residues."""
    stretches = []
    for part in text.split(",") if text else ():
        found = RESIDUES.fullmatch(part)
        if found is None:
            raise typer.BadParameter(
                f"found {part!r}, expected numbers such as 10-50,60", param_hint="--residues"
            )
        stretches.append((int(found[1]), int(found[2] or found[1])))
    return tuple(stretches)


def _say_mask(made: MadeMask) -> None:
    content = made.content
    say(
        f"Mask   {made.path}, {content.volume_cubic_angstrom:,.0f} Å³, holds "
        f"{100 * content.density_fraction:.1f} % of the map's positive density"
    )

"""`cryofocus mask`: regions as masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import cryofocus
from cryofocus.cli.command import register
from cryofocus.cli.console import say
from cryofocus.cli.options import Overwrite
from cryofocus.formatting import format_percent
from cryofocus.option import Option

if TYPE_CHECKING:
    from cryofocus.workflows.make_mask import MadeMask

app = typer.Typer(no_args_is_help=True, help="Make masks for classify --mask and other commands.")

# A centre may begin with a minus, which would otherwise be taken for an option.
NEGATIVE_NUMBERS = {"ignore_unknown_options": True}
Sphere = tuple[float, float, float, float]
Box = tuple[float, float, float, float, float, float]

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


def place(
    density: Annotated[
        Path, typer.Argument(metavar="MAP", help="Map on the particles' grid, such as consensus.")
    ],
    settings: cryofocus.PlaceSettings,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Local port. Default: any free one."),
    ] = 0,
) -> None:
    """Place a sphere or ellipsoid by eye, on a page that only you can open.

    Example: `cryofocus mask place map.mrc --variance variability/variance.mrc -o mask.mrc`
    """
    server = cryofocus.place_mask(density, settings, port=port)
    try:
        say(f"Open   {server.address}\nStop   with Ctrl-C")
        server.serve()
    except KeyboardInterrupt:
        say("Stopped.")
        raise typer.Exit from None  # the end that was asked for


def sphere(
    like: LikeMap,
    output: MaskFile,
    centre_and_radius: Annotated[
        Sphere | None,
        Option(
            metavar="X,Y,Z,R",
            help="Centre and radius in Å in the map's frame, as ChimeraX shows it.",
            expected="four numbers in Å, such as 142,118,97,30",
            is_argument=True,
        ),
    ] = None,
    markers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.cmm",
            help="Instead: ChimeraX markers placed on the map; their spheres are joined.",
        ),
    ] = None,
    soft_edge: SoftEdge = 8.0,
    overwrite: Overwrite = False,
) -> None:
    """Write a sphere, or ChimeraX markers, as a mask.

    Example: `cryofocus mask sphere 142,118,97,30 --like map.mrc -o mask.mrc`
    """
    if (centre_and_radius is None) == (markers is None):
        found = "neither" if markers is None else "both"
        raise typer.BadParameter(f"found {found} of X,Y,Z,R and --markers, expected one")
    if centre_and_radius is not None:
        made = cryofocus.make_sphere_mask(
            centre_and_radius, like, output, soft_edge_angstrom=soft_edge, overwrite=overwrite
        )
    elif markers is not None:
        made = cryofocus.make_marker_mask(
            markers, like, output, soft_edge_angstrom=soft_edge, overwrite=overwrite
        )
    _say_mask(made)


def ellipsoid(
    centre_and_radii: Annotated[
        Box,
        Option(
            metavar="X,Y,Z,RX,RY,RZ",
            help="Centre, and radii along the axes of the map, in Å in its frame.",
            expected="six numbers in Å, such as 142,118,97,30,30,50",
            is_argument=True,
        ),
    ],
    like: LikeMap,
    output: MaskFile,
    soft_edge: SoftEdge = 8.0,
    overwrite: Overwrite = False,
) -> None:
    """Write an ellipsoid as a mask.

    Example: `cryofocus mask ellipsoid 142,118,97,30,30,50 --like map.mrc -o mask.mrc`
    """
    x, y, z, a, b, c = centre_and_radii
    region = cryofocus.Ellipsoid((x, y, z), (a, b, c))
    made = cryofocus.make_ellipsoid_mask(
        region, like, output, soft_edge_angstrom=soft_edge, overwrite=overwrite
    )
    _say_mask(made)


def threshold(
    density: Annotated[Path, typer.Argument(metavar="MAP", help="Map.")],
    output: MaskFile,
    settings: cryofocus.ThresholdMaskSettings,
    overwrite: Overwrite = False,
) -> None:
    """Write a mask of the density of a map.

    Example: `cryofocus mask threshold map.mrc --sigma 3 --lowpass 15 --extend 5 -o mask.mrc`
    """
    _say_mask(cryofocus.make_threshold_mask(density, output, settings, overwrite=overwrite))


def model(
    atoms: Annotated[
        Path, typer.Argument(metavar="MODEL", help="PDB or mmCIF file, fitted into the map.")
    ],
    like: LikeMap,
    output: MaskFile,
    settings: cryofocus.ModelMaskSettings,
    overwrite: Overwrite = False,
) -> None:
    """Write a mask around chains or residues of an atomic model.

    Example: `cryofocus mask model model.cif --chain v --like map.mrc -o mask.mrc`
    """
    _say_mask(cryofocus.make_model_mask(atoms, like, output, settings, overwrite=overwrite))


def variance(
    variance_map: Annotated[
        Path, typer.Argument(metavar="VARIANCE", help="Map written by cryofocus variance.")
    ],
    output: MaskFile,
    settings: cryofocus.VarianceMaskSettings,
    overwrite: Overwrite = False,
) -> None:
    """Write a mask of one region of a variance map.

    Example: `cryofocus mask variance variability/variance.mrc --region 2 -o mask.mrc`
    """
    _say_mask(cryofocus.make_variance_mask(variance_map, output, settings, overwrite=overwrite))


def _say_mask(made: MadeMask) -> None:
    content = made.content
    say(
        f"Mask   {made.path}, {content.volume_cubic_angstrom:,.0f} Å³, holds "
        f"{format_percent(content.density_fraction, 1)} of the map's positive density"
    )


register(app, place, "place")
register(app, sphere, "sphere", context_settings=NEGATIVE_NUMBERS)
register(app, ellipsoid, "ellipsoid", context_settings=NEGATIVE_NUMBERS)
register(app, threshold, "threshold")
register(app, model, "model")
register(app, variance, "variance")

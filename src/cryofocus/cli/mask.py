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
NUMBER_WORDS = {4: "four", 6: "six"}
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


@app.command("place")
def place(
    density: Annotated[
        Path, typer.Argument(metavar="MAP", help="Map on the particles' grid, such as consensus.")
    ],
    variance: Annotated[
        Path | None,
        typer.Option(metavar="MAP", help="Variance map on the same grid, laid over the map."),
    ] = None,
    particles: Annotated[
        Path | None, typer.Option(help="Particle table that the command to copy shall name.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="MRC map that the page may write the mask to."),
    ] = None,
    soft_edge: SoftEdge = 8.0,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port of this machine. Default: any that is free."),
    ] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Place a sphere or ellipsoid by eye, on a page that only you can open.

    Example: `cryofocus mask place map.mrc --variance variability/variance.mrc -o mask.mrc`
    """
    from cryofocus.report.place.page import PlaceSettings, place_mask

    settings = PlaceSettings(variance, particles, output, soft_edge, overwrite)
    server = place_mask(density, settings, port=port)
    try:
        say(f"Open   {server.address}\nStop   with Ctrl-C")
        server.serve()
    except KeyboardInterrupt:
        say("Stopped.")


@app.command("sphere", context_settings=NEGATIVE_NUMBERS)
def sphere(
    like: LikeMap,
    output: MaskFile,
    centre_and_radius: Annotated[
        str | None,
        typer.Argument(
            metavar="X,Y,Z,R",
            help="Centre and radius in Å in the map's frame, as ChimeraX shows it.",
            show_default=False,
        ),
    ] = None,
    markers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.cmm",
            help="Instead: markers of ChimeraX, placed on the map; their spheres together.",
        ),
    ] = None,
    soft_edge: SoftEdge = 8.0,
    overwrite: Overwrite = False,
) -> None:
    """Write a sphere, or the markers of ChimeraX, as a mask.

    Example: `cryofocus mask sphere 142,118,97,30 --like map.mrc -o mask.mrc`
    """
    from cryofocus.workflows.make_mask import make_sphere_mask
    from cryofocus.workflows.placed_masks import make_marker_mask

    if (centre_and_radius is None) == (markers is None):
        found = "neither" if markers is None else "both"
        raise typer.BadParameter(f"found {found} of X,Y,Z,R and --markers, expected one")
    if markers is not None:
        made = make_marker_mask(
            markers, like, output, soft_edge_angstrom=soft_edge, overwrite=overwrite
        )
    else:
        x, y, z, radius = _numbers(centre_and_radius or "", "X,Y,Z,R", "142,118,97,30")
        made = make_sphere_mask(
            (x, y, z, radius), like, output, soft_edge_angstrom=soft_edge, overwrite=overwrite
        )
    _say_mask(made)


@app.command("ellipsoid", context_settings=NEGATIVE_NUMBERS)
def ellipsoid(
    centre_and_radii: Annotated[
        str,
        typer.Argument(
            metavar="X,Y,Z,RX,RY,RZ",
            help="Centre, and radii along the axes of the map, in Å in its frame.",
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
    from cryofocus.data.markers import Ellipsoid
    from cryofocus.workflows.placed_masks import make_ellipsoid_mask

    x, y, z, a, b, c = _numbers(centre_and_radii, "X,Y,Z,RX,RY,RZ", "142,118,97,30,30,50")
    made = make_ellipsoid_mask(
        Ellipsoid((x, y, z), (a, b, c)),
        like,
        output,
        soft_edge_angstrom=soft_edge,
        overwrite=overwrite,
    )
    _say_mask(made)


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


def _numbers(text: str, names: str, example: str) -> list[float]:
    """Read numbers in Å between commas, as many as there are names."""
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    n_expected = names.count(",") + 1
    if len(numbers) != n_expected:
        raise typer.BadParameter(
            f"found {text!r}, expected {NUMBER_WORDS[n_expected]} numbers in Å, such as {example}",
            param_hint=names,
        )
    return numbers


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

"""The page of `mask place`: a sphere or ellipsoid on planes and surface of a map."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from markupsafe import Markup
from pydantic import Field

from cryofocus.arrays import Volume
from cryofocus.calls import checked
from cryofocus.data.grid_map import GridMap
from cryofocus.data.shapes.markers import Ellipsoid
from cryofocus.errors import InputError, SettingError
from cryofocus.formatting import format_percent
from cryofocus.maths.fourier import resize_volume
from cryofocus.option import Option
from cryofocus.report.drawing.section import environment, plotly_script, viewer_script
from cryofocus.report.drawing.slices import View
from cryofocus.report.drawing.style import CONSENSUS_COLOUR
from cryofocus.report.drawing.surfaces import (
    TINY,
    Layer,
    Range,
    crop_to_view,
    describe_layers,
    frame_of_view,
)
from cryofocus.report.place.local_server import Asset, LocalServer
from cryofocus.settings import Settings
from cryofocus.version import __version__
from cryofocus.workflows.make_mask import SOFT_EDGE_ANGSTROM
from cryofocus.workflows.placed_masks import make_ellipsoid_mask
from cryofocus.workflows.run.new_names import require_new_maps
from cryofocus.workflows.variance.regions import CLASSES, NumberedRegion, read_region

MAX_SLICE_BOX = 128
DENSITY_PERCENTILES = (2.0, 99.9)
SURFACE_SIGMAS = (1.5, 12.0)
FIRST_SIGMAS, NOISE_SIGMAS = 3.0, 0.8
FIRST_RADIUS_OF_BOX = 0.12
STRONG_QUANTILE = 0.998
FARTHEST_ANGSTROM = 1e9
HOW_TO = (
    "Drag inside the outline to move it, or its edge to resize it; scroll over a slice to step "
    "through the map. All slices pass through the middle of the mask."
)


class PlaceSettings(Settings):
    """What the page shows and offers.

    Attributes:
        variance: Variance map on the same grid, laid over the map.
        region: Number of the region of the variance map whose sphere is shown first.
        particles: Particle table to name in the command to copy.
        output: MRC map the page may write the mask to. Default: none.
        soft_edge_angstrom: Width of the soft edge outside the region, in Å.
        overwrite: Replace an existing result.
    """

    variance: Annotated[Path | None, Option(metavar="MAP")] = None
    region: int = Field(default=1, ge=1)
    particles: Path | None = None
    output: Annotated[Path | None, Option(short="-o")] = None
    soft_edge_angstrom: float = Field(default=SOFT_EDGE_ANGSTROM, ge=0)
    overwrite: bool = False


@checked
def place_mask(
    map_file: Path | str, settings: PlaceSettings | None = None, *, port: int = 0
) -> LocalServer:
    """Prepare the page on which a mask is placed by eye.

    Args:
        map_file: Map on the particles' grid.
        settings: What else is shown and offered.
        port: Port of this machine; 0 takes a free one.

    Returns:
        Its ``address`` is to be opened in a browser while ``serve`` runs.

    Raises:
        InputError: When a map cannot be used, or the variance map lies on another grid.
        OutputError: When the mask cannot be written where it should, or the port is taken.
    """
    settings = settings or PlaceSettings()
    if settings.output is not None:
        require_new_maps([settings.output], overwrite=settings.overwrite)
    if settings.particles is not None and not settings.particles.is_file():
        raise InputError(f"{settings.particles}: no such file. Give the particle table.")
    grid = GridMap.read(map_file)
    variance = region = None
    if settings.variance is not None:
        partner = grid.read_partner(settings.variance)
        variance = partner.data
        region = read_region(partner, settings.region)

    def write(asked: Any) -> str:
        return _write_mask(_read_ellipsoid(asked), grid.path, settings)

    answers = {} if settings.output is None else {"mask": write}
    return LocalServer(compose_assets(grid, variance, settings, region), answers, port)


def compose_assets(
    grid: GridMap,
    variance: Volume | None,
    settings: PlaceSettings,
    region: NumberedRegion | None = None,
) -> dict[str, Asset]:
    """Compose all the page is made of.

    Args:
        grid: The map.
        variance: On its grid, or None.
        settings: What is offered.
        region: Whose sphere comes first; without one it is the middle of the density.

    Returns:
        By name; the page itself has the empty name.
    """
    page = (
        environment()
        .get_template("place.html.jinja")
        .render(
            title=grid.path.name,
            headline="Place a mask",
            place=str(grid.path.resolve()),
            verdict=HOW_TO,
            is_none=False,
            version=__version__,
            has_variance=variance is not None,
            output=settings.output,
            data=Markup(json.dumps(_describe(grid, settings, region)).replace("<", "\\u003c")),
        )
    )
    assets = {
        "": Asset("text/html; charset=utf-8", page.encode()),
        "plotly.js": _script(plotly_script()),
        "contour.js": _script(viewer_script("contour.js")),
        "scene.js": _script(viewer_script("scene.js")),
        "place.js": _script(viewer_script("place.js")),
        "density": _as_bytes(grid.data, DENSITY_PERCENTILES),
        "surfaces": Asset("application/json", json.dumps(_surfaces(grid)).encode()),
    }
    if variance is not None:
        assets["variance"] = _as_bytes(np.maximum(variance, 0), (0.0, 100.0))
    return assets


def _describe(
    grid: GridMap, settings: PlaceSettings, region: NumberedRegion | None
) -> dict[str, Any]:
    box = min(grid.box, MAX_SLICE_BOX)
    extent = grid.box * grid.voxel_size_angstrom
    # Fourier resampling keeps the central voxel in its place.
    centre = np.asarray(grid.origin_angstrom) + grid.box // 2 * grid.voxel_size_angstrom
    return {
        "box": box,
        "voxel": extent / box,
        "mapVoxel": grid.voxel_size_angstrom,
        "low": (centre - box // 2 * extent / box).tolist(),
        "bounds": [
            list(grid.origin_angstrom),
            [o + (grid.box - 1) * grid.voxel_size_angstrom for o in grid.origin_angstrom],
        ],
        "start": _start(grid) if region is None else region.sphere_angstrom,
        "words": _words(grid, settings, CLASSES if region is None else region.classes),
        "sigmas": [*SURFACE_SIGMAS, FIRST_SIGMAS],
    }


def _words(grid: GridMap, settings: PlaceSettings, classes: str) -> Mapping[str, str]:
    """Give the parts of the commands, quoted for a shell."""
    is_moved = any(abs(o) > 1e-3 for o in grid.origin_angstrom)
    return {
        "particles": shlex.quote(str(settings.particles or "particles.star")),
        "map": shlex.quote(str(grid.path)),
        "frame": f" --map {shlex.quote(str(grid.path))}" if is_moved else "",
        "mask": shlex.quote(str(settings.output or "mask.mrc")),
        "classes": shlex.quote(classes),
        "edge": ""
        if settings.soft_edge_angstrom == SOFT_EDGE_ANGSTROM
        else f" --soft-edge {settings.soft_edge_angstrom:g}",
    }


def _start(grid: GridMap) -> tuple[float, float, float, float]:
    """Find a first sphere, x, y, z, radius in Å: about the middle of the density."""
    strong = np.argwhere(grid.data >= np.quantile(grid.data, STRONG_QUANTILE))
    z, y, x = strong.mean(axis=0) * grid.voxel_size_angstrom
    a, b, c = grid.origin_angstrom
    radius = FIRST_RADIUS_OF_BOX * grid.box * grid.voxel_size_angstrom
    return float(a + x), float(b + y), float(c + z), radius


def _surfaces(grid: GridMap) -> dict[str, Any]:
    view = View((0, 0, 0), 0, grid.box)
    mean, deviation = float(grid.data.mean(dtype="f8")), float(grid.data.std(dtype="f8"))
    sigmas = SURFACE_SIGMAS
    cube = crop_to_view(grid.data, view)
    frame = frame_of_view(grid.box, view, grid.voxel_size_angstrom, grid.origin_angstrom)
    shown = Range(
        low=mean + NOISE_SIGMAS * deviation,
        high=max(float(cube.max()), mean + sigmas[1] * deviation),
        first=mean + sigmas[0] * deviation,
        last=mean + sigmas[1] * deviation,
        start=mean + FIRST_SIGMAS * deviation,
        unit=max(deviation, TINY),
        zero=mean,
        name="σ",
    )
    layer = Layer("Map", "density", (CONSENSUS_COLOUR,), cube)
    return describe_layers([layer], {"density": shown}, frame)


def _as_bytes(volume: Volume, percentiles: tuple[float, float]) -> Asset:
    """Bring a map to the size it is drawn at, one byte per voxel."""
    drawn = resize_volume(volume, MAX_SLICE_BOX) if len(volume) > MAX_SLICE_BOX else volume
    low, high = np.percentile(drawn, percentiles)
    scaled = (drawn - low) / max(float(high - low), 1e-30)
    grey = np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return Asset("application/octet-stream", grey.tobytes())


def _script(text: str) -> Asset:
    return Asset("text/javascript; charset=utf-8", text.encode())


def _read_ellipsoid(asked: Any) -> Ellipsoid:
    """Read what the page sent.

    Raises:
        SettingError: When it is not six numbers.
    """
    is_list = isinstance(asked, list) and len(asked) == 6
    if not is_list or not all(map(_is_length, asked)):
        raise SettingError("mask: expected six numbers: centre and radii along x, y, z in Å.")
    x, y, z, a, b, c = map(float, asked)
    return Ellipsoid((x, y, z), (a, b, c))


def _is_length(number: Any) -> bool:
    """Tell whether something is a number that can be one of Å; True and False are none."""
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return is_number and abs(number) < FARTHEST_ANGSTROM


def _write_mask(ellipsoid: Ellipsoid, map_file: Path, settings: PlaceSettings) -> str:
    """Write the mask; the page may replace the one it wrote before."""
    assert settings.output is not None
    made = make_ellipsoid_mask(
        ellipsoid,
        map_file,
        settings.output,
        soft_edge_angstrom=settings.soft_edge_angstrom,
        overwrite=True,
    )
    return (
        f"Wrote {made.path}: {made.content.volume_cubic_angstrom:,.0f} Å³, "
        f"{format_percent(made.content.density_fraction, 1)} of the map’s positive density."
    )

"""The page and the picture of `variance`: where particles differ, and what to focus on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer, UInt8
from scipy.ndimage import map_coordinates

from cryofocus.arrays import Volume
from cryofocus.formatting import format_angstrom, format_count, format_percent
from cryofocus.report.analyses.latent_charts import MOST_AXES, chart_latent
from cryofocus.report.analyses.page import (
    Analysis,
    ChartRow,
    Table,
    list_files,
    present_pictures,
)
from cryofocus.report.drawing.raster import Raster, number_colours, palette
from cryofocus.report.drawing.sheet import Circle, Line, Mark, Panel, Sheet, Text
from cryofocus.report.drawing.style import PAGE_WIDTH, class_colour
from cryofocus.workflows.variance import result as found
from cryofocus.workflows.variance.result import (
    PeakRow,
    RegionRow,
    VarianceResult,
    VarianceSummary,
)

PICTURE = "variance.svg"
N_PIXELS, GAP, TITLE, LEGEND = 300, 9.0, 24.0, 58.0
BAND_WIDTH, NUMBER_SIZE = 60.0, 12.0
# Across and up in each view: axes of x, y, z; the third is projected along.
VIEWS = ((0, 1, "xy, along z"), (0, 2, "xz, along y"), (1, 2, "yz, along x"))
# Bands of colour begin at these parts of the largest variance, laid over the map so strongly.
BANDS, OPACITY = (0.2, 0.4, 0.6, 0.8), 0.8
BRIGHTEST = 1.3
FILES = (
    ("variance.mrc", "variance of the density over the particles, noise removed"),
    (found.REGIONS, "proposed spheres, with the commands that classify them"),
    ("masks/*.mrc", "the spheres as masks"),
    (found.REGION_VOXELS, "voxels of each region, by its number"),
    ("series/*.mrc", "the map moved along each axis"),
    ("particles.*", "the particle table with every particle's coordinates"),
    (PICTURE, "variance over the map from three sides, with the spheres"),
    ("*.png", "the charts as pictures"),
    ("latent.npy", "coordinates; their variances are in latent_variance.npy"),
    ("bootstrap_variance.mrc", "variance of maps of resampled particles"),
    (found.PEAKS, "peaks of the variance, and of the bootstrap beside them"),
)
PICTURES = (
    (
        PICTURE,
        "Variance over the consensus from three sides",
        "Consensus in grey, the largest variance along each view in colour, and the proposed "
        "spheres.",
    ),
)


LATENT_NOTE = (
    "How the particles are spread along the axes; the cross is the error of one particle, and the "
    "numbered lines are where the maps of the series stand. Separate clouds are states; one smear "
    "is motion."
)


def read_variance(folder: Path) -> Analysis:
    """Read a result of `variance` for a page.

    Raises:
        FormatError: When a file of it is missing or damaged.
    """
    summary = VarianceSummary.read(folder / found.SUMMARY)
    regions, peaks = RegionRow.read(folder / found.REGIONS), PeakRow.read(folder / found.PEAKS)
    latent = chart_latent(folder, summary.axis_variance_shares)
    return Analysis(
        folder=folder,
        title="Where particles differ",
        headline=_headline(summary.axes),
        verdict=_verdict(summary, peaks) + (f" {found.ORDER}" if regions else ""),
        pictures=present_pictures(folder, PICTURES),
        charts=(ChartRow(latent, _which_axes(summary.axes) + LATENT_NOTE),) if latent else (),
        table=_table(regions) if regions else None,
        files=list_files(folder, FILES),
        warnings=summary.warnings,
        commands=tuple((f"Classify in region {row.region}", row.command) for row in regions),
    )


def _which_axes(n_axes: int) -> str:
    """Say which axes have a chart, if not all have one."""
    return f"The first {MOST_AXES} of {n_axes} axes. " if n_axes > MOST_AXES else ""


def _headline(n_axes: int) -> str:
    if n_axes == 0:
        return "Nothing was found to vary"
    return f"{n_axes} ax{'e' if n_axes > 1 else 'i'}s of variation"


def _verdict(summary: VarianceSummary, peaks: Sequence[PeakRow]) -> str:
    told = (
        f"Over {format_count(summary.particles)} particles, at "
        f"{format_angstrom(summary.resolution_angstrom)}."
    )
    if summary.axes == 0:
        return f"{told} No axis was confirmed by the half set that had no part in finding it."
    told += f" Correlation of the half sets' variance maps: {summary.half_set_correlation:.2f}."
    distances = [
        row.bootstrap_distance_angstrom
        for row in peaks
        if row.bootstrap_distance_angstrom is not None
    ]
    if distances:
        told += (
            f" The bootstrap's {len(distances)} peaks lie at most "
            f"{format_angstrom(max(distances))} from the variance's."
        )
    return told


def _table(regions: Sequence[RegionRow]) -> Table:
    rows = tuple(
        (
            str(row.region),
            ",".join(f"{getattr(row, name):.1f}" for name in found.SPHERE),
            format_percent(row.variance_share),
            row.states_text,
        )
        for row in regions
    )
    return Table(("Region", "Sphere X,Y,Z,R (Å)", "Of variance", "States"), rows)


def write_variance_picture(result: VarianceResult) -> Path:
    """Write variance.svg into the folder of the result of `cryofocus.variance`.

    Raises:
        OutputError: Disk full, no permission.
    """
    draw_variance(result).write(result.folder / PICTURE)
    return result.folder / PICTURE


def draw_variance(result: VarianceResult) -> Sheet:
    """Draw the variance over the consensus from three sides, with the proposed spheres.

    A second row shows the bootstrap where it was asked for.
    """
    rows = [("Variance", result.variance)]
    if result.bootstrap is not None:
        rows.append(("Bootstrap", result.bootstrap))
    edge = (PAGE_WIDTH - (len(VIEWS) - 1) * GAP) / len(VIEWS)
    sheet = Sheet(len(rows) * (edge + TITLE) + LEGEND)
    for row, (name, variance) in enumerate(rows):
        for column, (across, up, view) in enumerate(VIEWS):
            corner = column * (edge + GAP), row * (edge + TITLE) + TITLE
            sheet.add(Text(f"{name}, {view}", corner[0], corner[1] - 8, size=13, bold=True))
            panel = Panel(*corner, edge, N_PIXELS)
            sheet.add(panel.image(_project(result, variance, (across, up))))
            _add_spheres(sheet, panel, result, (across, up))
    sheet.add(*_legend(sheet.height - 34))
    return sheet


def _extent(result: VarianceResult) -> float:
    """Return the edge of the consensus in Å."""
    return len(result.consensus) * result.pixel_size_angstrom


def _project(result: VarianceResult, variance: Volume, view: tuple[int, int]) -> Raster:
    """Project the consensus as grey and the largest variance over it as bands of colour."""
    across, up = view
    # Arrays are z, y, x; x to the right and the other upwards.
    along = 2 - ({0, 1, 2} - {across, up}).pop()
    density = np.maximum(result.consensus, 0).sum(axis=along)
    shadow = variance.max(axis=along)
    places = ((np.arange(N_PIXELS) + 0.5) / N_PIXELS - 0.5) * _extent(result)
    grey = _sample(density, places / result.pixel_size_angstrom)
    bright = BRIGHTEST * max(float(density.max()), 1e-30)
    colours = palette("Greys")[number_colours(grey, 0.0, bright)].astype(np.float64)
    if shadow.max() > 0:
        share = _sample(shadow / shadow.max(), places / result.voxel_size_angstrom)
        band = np.digitize(share, BANDS)
        mixed = OPACITY * _shades(band) + (1 - OPACITY) * colours
        colours = np.where((band > 0)[..., None], mixed, colours)
    pixels: UInt8[np.ndarray, "n n 3"] = np.rint(colours[::-1]).astype(np.uint8)
    return Raster(pixels)


def _shades(band: Integer[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Give the colours of bands, the first of which is 1."""
    numbers = number_colours((band - 0.5) / len(BANDS), 0.0, 1.0)
    return np.asarray(palette("YlOrRd")[numbers])


def _legend(y: float) -> Iterator[Mark]:
    """Explain the bands of colour, as they look where the consensus is empty."""
    left = (PAGE_WIDTH - len(BANDS) * BAND_WIDTH) / 2
    words = "largest variance along the view, % of the highest in the map"
    yield Text(words, PAGE_WIDTH / 2, y - 7, anchor="middle")
    seen = OPACITY * _shades(np.arange(1, len(BANDS) + 1)) + (1 - OPACITY) * 255
    for number, (share, colour) in enumerate(zip(BANDS, seen, strict=True)):
        low, high = left + number * BAND_WIDTH, left + (number + 1) * BAND_WIDTH
        corners = ((low, y), (high, y), (high, y + 10), (low, y + 10))
        look = "#" + bytes(np.rint(colour).astype(np.uint8)).hex()
        yield Line(corners, look, width=0, filled=True)
        yield Text(f"{100 * share:.0f}", low, y + 24, size=10.0, anchor="middle")
    yield Text("100", high, y + 24, size=10.0, anchor="middle")


def _sample(
    plane: Float[np.ndarray, "rows columns"], steps: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n n"]:
    """Sample a plane at so many of its voxels from its middle."""
    places = steps + len(plane) // 2
    grid = np.meshgrid(places, places, indexing="ij")
    return np.asarray(map_coordinates(plane.astype(np.float64), grid, order=1, mode="nearest"))


def _add_spheres(
    sheet: Sheet, panel: Panel, result: VarianceResult, view: tuple[int, int]
) -> None:
    """Draw the proposed spheres with numbers; spheres behind each other share the place of one."""
    scale = N_PIXELS / _extent(result)
    numbers: list[tuple[float, float, list[int]]] = []
    for number, proposal in enumerate(result.proposals, start=1):
        x, y = (proposal.centre_angstrom[axis] * scale + N_PIXELS / 2 - 0.5 for axis in view)
        left, top = panel.place(x, y)
        radius = proposal.sphere[3] * scale * panel.edge / N_PIXELS
        sheet.add(Circle(left, top, radius, class_colour(number)))
        above = top - radius - 5
        for x_taken, y_taken, shared in numbers:
            if max(abs(left - x_taken), abs(above - y_taken)) < NUMBER_SIZE:
                shared.append(number)
                break
        else:
            numbers.append((left, above, [number]))
    for left, above, shared in numbers:
        words = ", ".join(map(str, shared))
        sheet.add(Text(words, left, above, NUMBER_SIZE, anchor="middle", bold=True))

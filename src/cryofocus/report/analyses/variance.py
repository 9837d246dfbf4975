"""The page and the figures of `variance`: where particles differ, and what to focus on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from cryofocus.arrays import Volume
from cryofocus.formatting import format_angstrom, format_count, format_percent
from cryofocus.report.analyses.latent_charts import BINS, MOST_AXES, chart_latent
from cryofocus.report.analyses.page import (
    Analysis,
    ChartRow,
    Table,
    list_files,
    present_pictures,
)
from cryofocus.report.drawing import style
from cryofocus.workflows.variance import result as found
from cryofocus.workflows.variance.result import (
    PeakRow,
    RegionRow,
    VarianceResult,
    VarianceSummary,
)

VARIANCE_FIGURE, LATENT_FIGURE = "variance.png", "latent.png"
PANEL_INCHES = 3.6
LATENT_HEIGHT_INCHES = 4.2
# Across and up in each view: axes of x, y, z; the third is projected along.
VIEWS = ((0, 1, "xy, along z"), (0, 2, "xz, along y"), (1, 2, "yz, along x"))
# Contours at these parts of the largest variance.
CONTOURS = (0.2, 0.4, 0.6, 0.8)
FILES = (
    ("variance.mrc", "variance of the density over the particles, noise removed"),
    (found.REGIONS, "proposed spheres, with the commands that classify them"),
    ("masks/*.mrc", "the spheres as masks"),
    (found.REGION_VOXELS, "voxels of each region, by its number"),
    ("series/*.mrc", "the map moved along each axis"),
    ("particles.*", "the particle table with every particle's coordinates"),
    ("*.png", "the pictures of this page, and the charts as pictures"),
    ("latent.npy", "coordinates; their variances are in latent_variance.npy"),
    ("bootstrap_variance.mrc", "variance of maps of resampled particles"),
    (found.PEAKS, "peaks of the variance, and of the bootstrap beside them"),
)
PICTURES = (
    (
        VARIANCE_FIGURE,
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
        verdict=_verdict(summary, peaks),
        pictures=present_pictures(folder, PICTURES),
        charts=(ChartRow(latent, LATENT_NOTE),) if latent else (),
        table=_table(regions) if regions else None,
        files=list_files(folder, FILES),
        commands=tuple((f"Classify in region {row.region}", row.command) for row in regions),
    )


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


def write_variance_figures(result: VarianceResult) -> list[Path]:
    """Write variance.png and, where something varies, latent.png.

    The figures go into the folder of the result of `cryofocus.variance`.

    Raises:
        OutputError: Disk full, no permission.
    """
    figures = {VARIANCE_FIGURE: partial(draw_variance, result)}
    if result.n_axes:
        figures[LATENT_FIGURE] = partial(draw_latent, result)
    return style.write_figures(result.folder, figures)


def draw_variance(result: VarianceResult) -> Figure:
    """Draw the variance over the consensus from three sides, with the proposed spheres.

    A second row shows the bootstrap where it was asked for.
    """
    rows = [("Variance", result.variance)]
    if result.bootstrap is not None:
        rows.append(("Bootstrap", result.bootstrap))
    figure = style.new_figure(PANEL_INCHES * len(rows), gap=0.04)
    panels = figure.subplots(len(rows), len(VIEWS), squeeze=False)
    for (name, variance), row in zip(rows, panels, strict=True):
        for panel, (across, up, view) in zip(row, VIEWS, strict=True):
            _draw_projection(panel, result, variance, (across, up))
            panel.set_title(f"{name}, {view}")
    return figure


def draw_latent(result: VarianceResult) -> Figure:
    """Draw the density of the particles along the real axes.

    The first two axes against each other, and each axis on its own with its share of the variance
    and the places of the maps of its series.
    """
    n_shown = min(result.n_axes, MOST_AXES)
    figure = style.new_figure(LATENT_HEIGHT_INCHES, gap=0.08)
    columns, rows = 1 + (n_shown > 1), 1 + (n_shown > 2)
    grid = figure.add_gridspec(rows, 1 + columns, width_ratios=(2.2, *(1,) * columns))
    _draw_pair(figure.add_subplot(grid[:, 0]), result)
    for axis in range(n_shown):
        place = grid[axis // columns, 1 + axis % columns]
        _draw_axis(figure.add_subplot(place), result, axis)
    return figure


def _draw_projection(
    panel: Axes, result: VarianceResult, variance: Volume, view: tuple[int, int]
) -> None:
    """Project the consensus as grey and the largest variance as contours; draw the spheres."""
    across, up = view
    # Arrays are z, y, x; x to the right and the other upwards.
    along = 2 - ({0, 1, 2} - {across, up}).pop()
    voxel, full = result.voxel_size_angstrom, len(result.consensus)
    half = full * result.pixel_size_angstrom / 2
    extent = (-half, half, -half, half)
    density = np.maximum(result.consensus, 0).sum(axis=along)
    panel.imshow(density, origin="lower", extent=extent, cmap="Greys", vmax=1.3 * density.max())
    shadow = variance.max(axis=along)
    if shadow.max() > 0:
        places = (np.arange(len(variance)) - len(variance) // 2) * voxel
        levels = [part * float(shadow.max()) for part in CONTOURS]
        panel.contourf(
            places, places, shadow, [*levels, float(shadow.max())], cmap="YlOrRd", alpha=0.8
        )
    for number, proposal in enumerate(result.proposals, start=1):
        centre = proposal.centre_angstrom
        place = (centre[across], centre[up])
        radius = proposal.sphere[3]
        colour = style.class_colour(number)
        panel.add_patch(Circle(place, radius, fill=False, edgecolor=colour, linewidth=1.5))
        panel.annotate(
            str(number),
            (place[0], place[1] + radius),
            (0, 3),
            textcoords="offset points",
            ha="center",
            weight="bold",
        )
    panel.set(aspect="equal", xticks=[], yticks=[], xlim=extent[:2], ylim=extent[:2])
    panel.grid(visible=False)


def _draw_pair(panel: Axes, result: VarianceResult) -> None:
    """Draw the particles' density along the first two axes, and how sure a place is."""
    mean, variance = result.latent, result.latent_variance
    if mean.shape[1] < 2:
        panel.set_axis_off()
        return
    reach = 1.05 * float(np.abs(mean[:, :2]).max())
    counts, edges, _ = np.histogram2d(
        mean[:, 1], mean[:, 0], bins=BINS, range=[(-reach, reach)] * 2
    )
    shown = np.where(counts > 0, counts, np.nan)
    panel.pcolormesh(edges, edges, shown, cmap="viridis_r")
    error = np.sqrt(variance[:, :2].mean(axis=0))
    x, y = (float(value) for value in -reach + 1.3 * error)
    panel.errorbar(x, y, xerr=error[0], yerr=error[1], color=style.INK, capsize=2, lw=1)
    panel.set(aspect="equal", xlabel="axis 1", ylabel="axis 2", title="Particles")


def _draw_axis(panel: Axes, result: VarianceResult, axis: int) -> None:
    """Draw the particles' density along one axis, and where the series' maps stand."""
    mean = result.latent[:, axis]
    colour = style.class_colour(axis + 1)
    panel.hist(mean, bins=BINS, color=colour, alpha=0.5)
    for number, place in enumerate(np.percentile(mean, found.SERIES_PERCENTILES), start=1):
        panel.axvline(place, color=style.INK, linewidth=0.8, linestyle=":")
        panel.annotate(
            str(number),
            (place, 1),
            (0, 1),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    share = 100 * float(result.axis_shares[axis])
    panel.set_title(f"Axis {axis + 1} ({share:.0f} %)", pad=16)
    panel.set(yticks=[], xlabel="coordinate")

"""The particles along the axes of `variance`, for papers; its page has them as charts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.report.analyses.latent_charts import BINS, MOST_AXES
from cryofocus.report.drawing import style
from cryofocus.report.figures.style import new_figure, write_figures
from cryofocus.workflows.variance import result as found
from cryofocus.workflows.variance.result import VarianceResult

LATENT_FIGURE = "latent.png"
LATENT_HEIGHT_INCHES = 4.2


def write_latent_figure(result: VarianceResult) -> list[Path]:
    """Write latent.png into the folder of the result, where something varies.

    Raises:
        OutputError: Disk full, no permission.
    """
    figures = {LATENT_FIGURE: lambda: draw_latent(result)} if result.n_axes else {}
    return write_figures(result.folder, figures)


def draw_latent(result: VarianceResult) -> Figure:
    """Draw the density of the particles along the real axes.

    The first two axes against each other, and each axis on its own with its share of the variance
    and the places of the maps of its series.
    """
    n_shown = min(result.n_axes, MOST_AXES)
    figure = new_figure(LATENT_HEIGHT_INCHES, gap=0.08)
    columns, rows = 1 + (n_shown > 1), 1 + (n_shown > 2)
    grid = figure.add_gridspec(rows, 1 + columns, width_ratios=(2.2, *(1,) * columns))
    _draw_pair(figure.add_subplot(grid[:, 0]), result)
    for axis in range(n_shown):
        place = grid[axis // columns, 1 + axis % columns]
        _draw_axis(figure.add_subplot(place), result, axis)
    return figure


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

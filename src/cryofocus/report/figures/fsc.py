"""The figures of `fsc`, for papers and notebooks; its page has them as charts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from cryofocus.maps.resolution import DirectionalFsc
from cryofocus.maths.shells import FSC_HALF, FSC_LIMIT
from cryofocus.report.analyses.fsc_charts import SCALE_ENDS
from cryofocus.report.drawing import style
from cryofocus.report.figures.style import new_figure, write_figures
from cryofocus.workflows.fsc import FscResult

FIGURE_HEIGHT_INCHES = 3.8
FSC_FIGURE, DIRECTIONAL_FIGURE = "fsc.png", "directional.png"
DIRECTION_COLOURS = "viridis_r"
N_TICKS = 6


def write_fsc_figures(result: FscResult) -> list[Path]:
    """Write fsc.png and, where it was measured by direction, directional.png.

    The figures go into the folder of the result of `cryofocus.fsc`.

    Raises:
        OutputError: Disk full, no permission.
    """
    figures = {FSC_FIGURE: partial(draw_fsc, result)}
    if result.directional is not None:
        figures[DIRECTIONAL_FIGURE] = partial(draw_directional, result, result.directional)
    return write_figures(result.folder, figures)


def draw_fsc(result: FscResult) -> Figure:
    """Draw the Fourier shell correlations and where they cross 0.143 and 0.5."""
    figure = new_figure(FIGURE_HEIGHT_INCHES, gap=0.05)
    panel = figure.subplots()
    curves, x = result.curves, _frequency(result)
    if curves.masked is not None and curves.randomised is not None:
        panel.plot(x, curves.unmasked, color=style.MUTED, lw=1.2, label="unmasked")
        panel.plot(x, curves.masked, color=style.CLASS_COLOURS[5], lw=1.2, label="masked")
        panel.plot(
            x, curves.randomised, color=style.CLASS_COLOURS[1], lw=1.2, label="phases random"
        )
    label = "unmasked" if curves.masked is None else "corrected for the mask"
    panel.plot(x, curves.corrected, color=style.CLASS_COLOURS[0], label=label, zorder=3)
    for level, resolution in (
        (FSC_LIMIT, result.resolution_angstrom),
        (FSC_HALF, result.resolution_half_angstrom),
    ):
        panel.axhline(level, color=style.MUTED, linewidth=0.8, linestyle=":")
        if not result.crosses(level):
            continue
        panel.plot([1 / resolution], [level], marker="o", color=style.INK, zorder=4)
        panel.annotate(
            f"{resolution:.2f} Å", (1 / resolution, level), (7, 6), textcoords="offset points"
        )
    _label_axes(panel, result)
    panel.set_title("Fourier shell correlation of the half maps")
    panel.legend(loc="lower left", frameon=True, edgecolor="none")
    return figure


def draw_directional(result: FscResult, directional: DirectionalFsc) -> Figure:
    """Draw the resolution by direction on the half sphere, and the spread of the curves."""
    figure = new_figure(FIGURE_HEIGHT_INCHES, gap=0.05)
    sphere, panel = figure.subplots(1, 2, width_ratios=(1, 1.5))
    extent = result.box * result.voxel_size_angstrom
    resolution = extent / directional.crossings(FSC_LIMIT)
    _draw_sphere(figure, sphere, directional, resolution)
    x, curves = _frequency(result), directional.fsc
    blue = style.CLASS_COLOURS[0]
    low, high = np.percentile(curves, (10, 90), axis=0)
    panel.fill_between(x, curves.min(axis=0), curves.max(axis=0), color=blue, alpha=0.15, lw=0)
    panel.fill_between(x, low, high, color=blue, alpha=0.3, lw=0, label="80 % of directions")
    panel.plot(x, curves.mean(axis=0), color=blue, label="mean of directions")
    panel.plot(x, curves[resolution.argmin()], "--", color=style.INK, lw=1, label="best")
    panel.plot(x, curves[resolution.argmax()], color=style.CLASS_COLOURS[1], lw=1.2, label="worst")
    panel.axhline(FSC_LIMIT, color=style.MUTED, linewidth=0.8, linestyle=":")
    _label_axes(panel, result)
    title = "FSC within cones of 20°"
    if result.anisotropy is not None:
        title += f", sphericity {result.anisotropy.sphericity:.2f}"
    panel.set_title(title)
    panel.legend(loc="lower left", frameon=True, edgecolor="none")
    return figure


def _draw_sphere(
    figure: Figure, panel: Axes, directional: DirectionalFsc, resolution: np.ndarray
) -> None:
    """Lay the half sphere out with true areas (Lambert); z is in the middle, x to the right."""
    # Directions below the equator continue the map beyond its rim, so that it is filled.
    both = np.concatenate([directional.direction, -directional.direction])
    shown = both[:, 2] > -0.3
    x, y, z = both[shown].T
    stretch = np.sqrt(2 / (1 + z))
    values = np.tile(resolution, 2)[shown]
    # Wide enough that noise does not look like anisotropy; a missing cone must not hide the rest.
    middle = float(np.median(resolution))
    low = min(float(resolution.min()), 0.95 * middle)
    high = float(np.clip(resolution.max(), 1.05 * middle, SCALE_ENDS * middle))
    drawn = panel.tripcolor(
        stretch * x,
        stretch * y,
        values,
        shading="gouraud",
        cmap=DIRECTION_COLOURS,
        vmin=low,
        vmax=high,
    )
    rim = np.linspace(0, 2 * np.pi, 200)
    edge = np.sqrt(2)
    drawn.set_clip_path(Circle((0, 0), edge, transform=panel.transData))
    panel.plot(edge * np.cos(rim), edge * np.sin(rim), color=style.MUTED, linewidth=1.0)
    for text, place in (("z", (0, 0)), ("x", (edge, 0)), ("y", (0, edge))):
        offset = (6 * (text == "x"), 5 * (text == "y"))
        panel.annotate(
            text,
            place,
            offset,
            textcoords="offset points",
            ha="center",
            va="center",
            bbox={"facecolor": "white", "alpha": 0.6, "edgecolor": "none", "pad": 1.5},
        )
    panel.set(title="Resolution by direction", aspect="equal")
    panel.set(xlim=(-1.55, 1.6), ylim=(-1.5, 1.6))
    panel.set_axis_off()
    extend = "max" if resolution.max() > high else "neither"
    bar = figure.colorbar(drawn, ax=panel, shrink=0.8, pad=0.02, extend=extend)
    bar.set_label("Å at FSC 0.143")
    bar.outline.set_visible(False)


def _frequency(result: FscResult) -> np.ndarray:
    """Return the spatial frequency of each shell in 1/Å."""
    extent = result.box * result.voxel_size_angstrom
    return np.arange(len(result.curves.unmasked)) / extent


def _label_axes(panel: Axes, result: FscResult) -> None:
    """Mark frequencies with the resolutions they stand for."""
    last = 0.5 / result.voxel_size_angstrom
    ticks = np.linspace(0, last, N_TICKS + 1)[1:]
    panel.set_xticks(ticks, [f"{1 / tick:.1f}" for tick in ticks])
    panel.set(xlim=(0, last), ylim=(-0.1, 1.03), xlabel="resolution, Å", ylabel="FSC")

"""How far poses have moved: turns about three axes, and shifts in the image."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cryofocus.report.drawing.style import CLASS_COLOURS, LINE_STYLES
from cryofocus.report.figures.style import PAGE_WIDTH_INCHES, write_figures

FIGURE_HEIGHT_INCHES = 3.6
FEWEST_BINS, MOST_BINS = 10, 60
# Both panels show all but this share of the particles; a few that went astray would hide the rest.
LEFT_OUT = 0.01


def write_moves(
    path: Path,
    turn_degrees: Float64[np.ndarray, "particle 3"],
    move_angstrom: Float64[np.ndarray, "particle 2"],
) -> None:
    """Draw the distribution of turns and shifts into a PNG file.

    Args:
        path: Picture to write.
        turn_degrees: Rotation vector of each particle about the map's x, y and z axes.
        move_angstrom: x and y of the change of each shift.

    Raises:
        OutputError: Disk full, no permission.
    """
    draw = partial(draw_moves, turn_degrees, move_angstrom)
    write_figures(path.parent, {path.name: draw})


def draw_moves(
    turn_degrees: Float64[np.ndarray, "particle 3"],
    move_angstrom: Float64[np.ndarray, "particle 2"],
) -> Figure:
    """Draw turns about each axis as curves and shifts as a map; see `write_moves`."""
    figure = Figure(figsize=(PAGE_WIDTH_INCHES, FIGURE_HEIGHT_INCHES), layout="constrained")
    turns, shifts = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_turns(turns, turn_degrees)
    _draw_shifts(figure, shifts, move_angstrom)
    return figure


def _draw_turns(panel: Axes, turn_degrees: Float64[np.ndarray, "particle 3"]) -> None:
    reach = _reach(turn_degrees)
    for axis, name in enumerate("xyz"):
        values = turn_degrees[:, axis]
        panel.hist(
            values,
            bins=_count_bins(values),
            range=(-reach, reach),
            histtype="step",
            linewidth=1.6,
            linestyle=LINE_STYLES[axis],
            color=CLASS_COLOURS[axis],
            label=f"about {name}: standard deviation {values.std():.2f}°",
        )
    panel.set(title="Turns about the map's axes", xlabel="degrees", ylabel="particles")
    # Room for the legend above the curves.
    panel.margins(y=0.45)
    panel.legend(frameon=False, loc="upper left")


def _draw_shifts(
    figure: Figure, panel: Axes, move_angstrom: Float64[np.ndarray, "particle 2"]
) -> None:
    reach = _reach(move_angstrom)
    x, y = move_angstrom.T
    limits = [(-reach, reach)] * 2
    bins = _count_bins(x)
    *_, image = panel.hist2d(x, y, bins=bins, range=limits, cmap="Blues", cmin=1, vmin=0)
    panel.set(title="Shifts", xlabel="x (Å)", ylabel="y (Å)", aspect="equal")
    figure.colorbar(image, ax=panel, label="particles", ticks=MaxNLocator(integer=True))


def _count_bins(values: Float64[np.ndarray, " particle"]) -> int:
    """Return how many bins so many particles fill, along one axis."""
    return int(np.clip(np.sqrt(len(values)), FEWEST_BINS, MOST_BINS))


def _reach(values: Float64[np.ndarray, "particle axis"]) -> float:
    """Return what nearly all values lie within, and never nothing."""
    return max(float(np.quantile(np.abs(values), 1 - LEFT_OUT)), 1e-3)

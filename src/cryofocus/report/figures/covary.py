"""The figures of `covary`, for papers and notebooks; its page has them as charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.report.analyses.covary_charts import as_array
from cryofocus.report.drawing.chart import MOST_WRITTEN
from cryofocus.report.drawing.style import INK, MUTED, RULE, class_colour
from cryofocus.report.figures.style import new_figure, write_figures
from cryofocus.workflows.covary import record as files
from cryofocus.workflows.covary.record import ClassLevel, CovaryRecord

MATRIX_HEIGHT_INCHES, MASS_HEIGHT_INCHES = 4.6, 3.4


def write_matrices(folder: Path) -> list[Path]:
    """Write correlation.png into a directory of covary.

    Raises:
        FormatError: When the directory holds no results of covary.
        OutputError: Disk full, no permission.
    """
    record = CovaryRecord.read(folder / files.RECORD)
    return write_figures(folder, {files.FIGURE: lambda: draw_matrices(record)})


def draw_matrices(record: CovaryRecord) -> Figure:
    """Draw the correlation matrices over classes and over particles side by side."""
    figure = new_figure(MATRIX_HEIGHT_INCHES, gap=0.06)
    levels = [
        (title, level.correlation)
        for title, level in (
            ("Over classes and runs", record.class_level),
            ("Over particles, noise removed", record.particle_level),
        )
        if level is not None
    ]
    panels = list(figure.subplots(1, 2, squeeze=False)[0])
    _show(figure, panels, [as_array(matrix) for _, matrix in levels], 1.0, "correlation")
    for panel, (title, matrix) in zip(panels, levels, strict=False):
        _dress(panel, record.regions, title)
        _write_fields(panel, as_array(matrix), "?")
    return figure


def draw_masses(names: Sequence[str], level: ClassLevel) -> Figure:
    """Draw the mass of every region in every class map, one colour per run."""
    figure = new_figure(MASS_HEIGHT_INCHES, gap=0.0)
    panel = figure.add_subplot()
    masses, errors = as_array(level.masses), as_array(level.errors)
    run = np.array([row[0] for row in level.class_of_row])
    for number, name in enumerate(level.runs):
        rows = np.flatnonzero(run == number)
        offset = (number - (len(level.runs) - 1) / 2) * 0.6 / len(level.runs)
        for count, row in enumerate(rows):
            panel.errorbar(
                np.arange(len(names)) + offset,
                masses[row],
                yerr=errors[row],
                fmt="o",
                markersize=5,
                color=class_colour(number + 1),
                label=name if count == 0 else None,
            )
    panel.set_xticks(range(len(names)), list(names))
    whole = "consensus" if level.unit == "the consensus" else "perfect map"
    panel.set(ylabel=f"mass / mass in {whole}", title="Regions in each class map")
    panel.axhline(0.0, color=MUTED, linewidth=1.0)
    figure.legend(loc="outside right upper", title="run")
    return figure


def _show(
    figure: Figure,
    panels: Sequence[Axes],
    matrices: Sequence[Float64[np.ndarray, "rows columns"]],
    end: float,
    label: str,
) -> None:
    """Draw matrices in one scale from minus to plus `end`; leave the other panels empty."""
    used = list(panels[: len(matrices)])
    for panel in panels[len(used) :]:
        panel.set_axis_off()
    for panel, matrix in zip(used, matrices, strict=True):
        image = panel.imshow(matrix, cmap="RdBu_r", vmin=-end, vmax=end)
    if used:
        figure.colorbar(image, ax=used, shrink=0.8, label=label)


def _dress(panel: Axes, names: Sequence[str], title: str) -> None:
    panel.set_title(title)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set_facecolor(RULE)
    tilt = 0 if max(map(len, names)) <= 4 else 35
    panel.set_xticks(
        range(len(names)), list(names), rotation=tilt, ha="right" if tilt else "center"
    )
    panel.set_yticks(range(len(names)), list(names))


def _write_fields(panel: Axes, matrix: Float64[np.ndarray, "n n"], nothing: str) -> None:
    if len(matrix) > MOST_WRITTEN:
        return
    largest = float(np.nanmax(np.abs(matrix), initial=1e-9))
    for (row, column), value in np.ndenumerate(matrix):
        text = f"{value:.2f}" if np.isfinite(value) else nothing
        colour = "white" if np.isfinite(value) and abs(value) > 0.6 * largest else INK
        panel.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)

"""Figures of the humanoid benchmark, drawn from the results of its cells.

Slices show what a kappa looks like: true and found class maps at falling SNR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.benchmark.cells import CellResult
from cryofocus.benchmark.draw_curves import (
    draw_convergence,
    draw_kappa,
    draw_reliability,
    draw_titration,
)
from cryofocus.benchmark.plan import titration_points
from cryofocus.benchmark.slices import ClassSlices
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.report.drawing import style
from cryofocus.report.figures.style import PAGE_WIDTH_INCHES, drawing, new_figure, write_png
from cryofocus.report.run.planes import DENSITY_PERCENTILES, DIFFERENCE_COLOURS

Row = tuple[CellResult, ClassSlices]

DOTS_PER_INCH, SLICES_PER_INCH = 200, 120
MARGIN_FRACTION = 0.05
DENSE_FRACTION = 0.2
TITLE_INCHES = 0.4
# Differences are fainter than the maps: their colours run to this part of the grey scale.
DIFFERENCE_FRACTION = 0.5
PICTURES = ("true", "found", "difference")


def write_figures(
    folder: Path,
    results: Sequence[CellResult],
    slices: Sequence[tuple[CellResult, ClassSlices]] = (),
) -> list[Path]:
    """Write the figures that the finished cells give something to draw for.

    Args:
        folder: Existing directory.
        results: Of finished cells.
        slices: Slices of class maps of cells in focus.

    Returns:
        The files written: kappa.png and reliability.png of cells in focus and the control,
            kappa_by_cycle.png where cycles were recorded, titration.png where the sphere was
            swept, class_slices.png where there are slices.

    Raises:
        OutputError: Disk full, no permission.
    """
    exact = [result for result in results if not (result.cell.is_titration or result.poses)]
    usual = [result for result in exact if result.cell.is_usual_protocol]
    in_focus = [result for result in usual if result.cell.kind == "focus"]
    recorded = [result for result in in_focus if result.kappa_by_cycle]
    points, rows = titration_points(results), choose_rows(slices)
    figures: dict[str, Callable[[], Figure]] = {}
    if in_focus:
        figures["kappa"] = partial(draw_kappa, usual)
        figures["reliability"] = partial(draw_reliability, in_focus)
    if recorded:
        figures["kappa_by_cycle"] = partial(draw_convergence, recorded)
    if points:
        figures["titration"] = partial(draw_titration, points)
    if rows:
        figures["class_slices"] = partial(draw_slices, rows)
    paths = []
    with drawing():
        for name, draw in figures.items():
            figure = draw()
            paths.append(folder / f"{name}.png")
            # Slices are many pictures; they stay small without fewer colours.
            fine = SLICES_PER_INCH if name == "class_slices" else DOTS_PER_INCH
            write_png(paths[-1], figure, fine)
    return paths


def choose_rows(slices: Sequence[Row]) -> list[Row]:
    """Choose what the figure shows: one scenario and strategy, the highest SNR first.

    Args:
        slices: Of any cells.

    Returns:
        Of the first strategy, its first scenario and, at each SNR, the first seed.
    """
    chosen: dict[float, Row] = {}
    ordered = sorted(slices, key=lambda row: _rank(row[0]))
    for result, planes in ordered:
        if _rank(result)[:2] == _rank(ordered[0][0])[:2]:
            chosen.setdefault(result.cell.snr, (result, planes))
    return [chosen[snr] for snr in sorted(chosen, reverse=True)]


def draw_slices(rows: Sequence[Row]) -> Figure:
    """Draw each class as it is, as it was found and the difference, one row an SNR.

    Args:
        rows: From `choose_rows`, at least one.

    Returns:
        As wide as the page. All maps of a row share their grey scale; differences run from minus
            to plus half of its bright end. The line is the edge of the mask.
    """
    n_classes = len(rows[0][1].true)
    shown = _crop(rows)
    shape = rows[0][1].mask[shown].shape
    width = PAGE_WIDTH_INCHES / (len(PICTURES) * n_classes)
    height = width * shape[0] / shape[1] + TITLE_INCHES
    figure = new_figure(height * len(rows), gap=0.02)
    cell = rows[0][0].cell
    parts = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, (result, planes) in zip(parts, rows, strict=True):
        part.suptitle(
            f"Scenario {cell.scenario}, {cell.strategy}, SNR {result.cell.snr:.3f}:  "
            f"kappa {result.kappa:.3f}, best possible {result.oracle_kappa:.3f}",
            x=0.01,
            ha="left",
            fontsize=11,
            fontweight="bold",
        )
        axes = part.subplots(1, len(PICTURES) * n_classes, squeeze=False)[0]
        low, high = np.percentile(planes.true[(slice(None), *shown)], DENSITY_PERCENTILES)
        limit = DIFFERENCE_FRACTION * high
        for k in range(n_classes):
            own = axes[len(PICTURES) * k : len(PICTURES) * (k + 1)]
            difference = planes.found[k] - planes.true[k]
            for panel, plane in zip(own[:2], (planes.true[k], planes.found[k]), strict=True):
                _draw(panel, plane[shown], "gray", (low, high))
                _outline(panel, planes.mask[shown], style.MASK_COLOUR)
            _draw(own[2], difference[shown], DIFFERENCE_COLOURS, (-limit, limit))
            _outline(own[2], planes.mask[shown], style.INK)
            for panel, name in zip(own, PICTURES, strict=True):
                panel.set_title(f"{k + 1}: {name}", fontsize=9, fontweight="normal", pad=3)
    return figure


def _rank(result: CellResult) -> tuple[int, int, int]:
    return list(STRATEGIES).index(result.cell.strategy), result.cell.scenario, result.cell.seed


def _crop(rows: Sequence[Row]) -> tuple[slice, slice]:
    """Bound the density of the true classes and the mask, with a margin."""
    planes = rows[0][1]
    strongest = planes.true.max(axis=0)
    dense = (strongest > DENSE_FRACTION * strongest.max()) | (planes.mask > DENSE_FRACTION)
    margin = round(MARGIN_FRACTION * len(dense))
    bounds = []
    for axis in (1, 0):
        places = np.flatnonzero(dense.any(axis=axis))
        bounds.append(slice(max(places[0] - margin, 0), places[-1] + margin + 1))
    return bounds[0], bounds[1]


def _draw(
    panel: Axes, plane: Float[np.ndarray, "r c"], colours: str, limits: tuple[float, float]
) -> None:
    low, high = limits
    panel.imshow(plane, cmap=colours, vmin=low, vmax=high, origin="lower", interpolation="bicubic")
    panel.grid(visible=False)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)


def _outline(panel: Axes, mask: Float[np.ndarray, "r c"], colour: str) -> None:
    if mask.min() < 0.5 < mask.max():
        panel.contour(mask, levels=[0.5], colors=[colour], linewidths=1.1)

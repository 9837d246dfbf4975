"""Figures of the humanoid benchmark, drawn from the results of its cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from cryofocus.benchmark.cells import CellResult
from cryofocus.benchmark.draw_convergence import draw_convergence
from cryofocus.benchmark.draw_kappa import draw_kappa, draw_titration
from cryofocus.benchmark.draw_reliability import draw_reliability
from cryofocus.benchmark.draw_slices import choose_rows, draw_slices
from cryofocus.benchmark.slices import ClassSlices
from cryofocus.benchmark.titration import titration_points
from cryofocus.report.drawing import style

DOTS_PER_INCH = 200


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
    usual = [result for result in results if not (result.cell.is_titration or result.poses)]
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
    with style.drawing():
        for name, draw in figures.items():
            figure = draw()
            paths.append(folder / f"{name}.png")
            style.write_png(paths[-1], figure, DOTS_PER_INCH)
    return paths

"""Charts on the page of `covary`: correlation matrices, masses of regions, coupling of units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from cryofocus.report.drawing.chart import FAINT, Chart, axis, level, marks, matrix
from cryofocus.report.drawing.style import class_colour
from cryofocus.workflows.covary.record import ClassLevel, CovaryRecord, Matrix, UnitLevel

MOST_UNITS = 6
STRONG_EXCESS = 0.25
SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star", "pentagon")


def chart_matrices(record: CovaryRecord) -> tuple[Chart, ...]:
    """Show the correlation matrices over classes and over particles."""
    levels = (
        ("Correlation over classes and runs", record.class_level),
        ("Correlation over particles, noise removed", record.particle_level),
    )
    return tuple(
        matrix(title, record.regions, as_array(found.correlation), 1.0)
        for title, found in levels
        if found is not None
    )


def chart_masses(names: Sequence[str], found: ClassLevel) -> Chart:
    """Show the mass of every region in every class map, with errors, by run."""
    masses, errors = as_array(found.masses), as_array(found.errors)
    run = np.array([row[0] for row in found.class_of_row])
    traces = []
    for number, name in enumerate(found.runs):
        rows = np.flatnonzero(run == number)
        offset = (number - (len(found.runs) - 1) / 2) * 0.6 / len(found.runs)
        x = np.tile(np.arange(len(names)) + offset, len(rows))
        bars = {"type": "data", "array": errors[rows].ravel().round(5).tolist(), "thickness": 1.5}
        look = {"size": 8, "color": class_colour(number + 1), "symbol": SYMBOLS[number % 8]}
        told = [f"{name}, class {found.class_of_row[row][1]}" for row in rows for _ in names]
        traces.append(marks(x, masses[rows].ravel(), name, marker=look, error_y=bars, text=told))
    whole = "consensus" if found.unit == "the consensus" else "perfect map"
    layout = {
        "xaxis": axis("", tickvals=[*range(len(names))], ticktext=list(names), showgrid=False),
        "yaxis": axis(f"mass / mass in {whole}"),
        "shapes": [level(0.0, line={"color": FAINT, "width": 1})],
        "height": 360,
    }
    text = "mass of every region in every class map, with its error, a shape for each run"
    return Chart("Regions in each class map", text, (*traces,), layout)


def chart_units(levels: Sequence[UnitLevel]) -> tuple[Chart, ...]:
    """Show how much more often than by chance units have each combination of classes."""
    charts = []
    for found in levels[:MOST_UNITS]:
        excess = as_array(found.joint) - as_array(found.expected)
        apart = "" if found.angle_degrees is None else f", {found.angle_degrees:.0f}° apart"
        title = f"Units {found.units[0][0]} and {found.units[0][1]}{apart}"
        names = [str(k + 1) for k in range(len(excess))]
        words = {"across": "class of one unit", "up": "of the other"}
        charts.append(matrix(title, names, excess, STRONG_EXCESS, **words))
    return tuple(charts)


def as_array(matrix: Matrix) -> Float64[np.ndarray, "rows columns"]:
    """Return a matrix of the record as an array; NaN for what is undetermined."""
    return np.array([[np.nan if v is None else v for v in row] for row in matrix], np.float64)

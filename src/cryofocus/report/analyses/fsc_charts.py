"""Charts of `fsc`: the curves, and the resolution by direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cryofocus.formatting import format_angstrom
from cryofocus.maths.shells import FSC_HALF, FSC_LIMIT
from cryofocus.report.drawing.chart import (
    FAINT,
    Chart,
    Trace,
    axis,
    correlation_axis,
    level,
    line,
    marks,
    resolution_axis,
)
from cryofocus.report.drawing.style import CLASS_COLOURS, INK
from cryofocus.workflows.fsc import StoredCurves
from cryofocus.workflows.fsc_directions import ConeRow, DirectionRow

HEIGHT = 400
SCALE_ENDS = 2.0
"""Colours end at this multiple of the median resolution."""
EDGE = np.sqrt(2)
"""Radius of a half sphere laid out with true areas."""
# Light where resolution is good; every eye sees the order.
COLOURS = [[0, "#fde725"], [0.25, "#5ec962"], [0.5, "#21918c"], [0.75, "#3b528b"], [1, "#440154"]]


def chart_curves(stored: StoredCurves) -> Chart:
    """Show the Fourier shell correlations, and where they cross 0.143 and 0.5."""
    x, curves, traces = stored.frequency, stored.curves, []
    if curves.masked is not None and curves.randomised is not None:
        for y, name, colour, dash in (
            (curves.unmasked, "unmasked", FAINT, "dash"),
            (curves.masked, "masked", CLASS_COLOURS[5], "dot"),
            (curves.randomised, "phases random", CLASS_COLOURS[1], "dashdot"),
        ):
            traces.append(line(x, y, name, line={"color": colour, "dash": dash, "width": 1.5}))
    name = "unmasked" if curves.masked is None else "corrected for the mask"
    look = {"color": CLASS_COLOURS[0], "width": 2.5}
    traces.append(line(x, curves.corrected, name, line=look))
    for limit, symbol in ((FSC_LIMIT, "circle"), (FSC_HALF, "diamond")):
        if (crossing := stored.crossing_angstrom(limit)) is not None:
            # Words beside a point would lie on the other curves.
            look = {"color": INK, "size": 9, "symbol": symbol}
            traces.append(
                marks([1 / crossing], [limit], f"{crossing:.2f} Å at {limit:g}", marker=look)
            )
    layout = _axes(x, traces) | {"shapes": [level(FSC_LIMIT), level(FSC_HALF)]}
    text = f"correlation by resolution in Å; dashed, {FSC_LIMIT} and {FSC_HALF}"
    return Chart("Fourier shell correlation of the half maps", text, (*traces,), layout)


def chart_directions(rows: Sequence[DirectionRow]) -> Chart:
    """Lay the half sphere of directions out with true areas (Lambert); z is in the middle."""
    vectors = np.array([(row.x, row.y, row.z) for row in rows])
    stretch = np.sqrt(2 / (1 + vectors[:, 2]))
    resolution = np.array([row.resolution_angstrom for row in rows])
    # Wide enough that noise does not look like anisotropy; a missing cone must not hide the rest.
    middle = float(np.median(resolution))
    look = {
        "size": 11,
        "color": resolution.round(3).tolist(),
        "cmin": min(float(resolution.min()), 0.95 * middle),
        "cmax": float(np.clip(resolution.max(), 1.05 * middle, SCALE_ENDS * middle)),
        "colorscale": COLOURS,
        "colorbar": {"thickness": 10, "outlinewidth": 0, "ticksuffix": " Å"},
    }
    told = {
        "text": [
            f"{format_angstrom(row.resolution_angstrom)} along "
            f"({row.x:.2f}, {row.y:.2f}, {row.z:.2f})"
            for row in rows
        ],
        "hoverinfo": "text",
    }
    trace = marks(stretch * vectors[:, 0], stretch * vectors[:, 1], "", marker=look, **told)
    bare = {"visible": False, "range": [-1.75, 1.75]}
    rim = {"type": "circle", "x0": -EDGE, "x1": EDGE, "y0": -EDGE, "y1": EDGE}
    names = (("z", 0.0, 0.0), ("x", EDGE + 0.2, 0.0), ("y", 0.0, EDGE + 0.2))
    layout = {
        "xaxis": axis("", **bare),
        "yaxis": axis("", scaleanchor="x", **bare),
        "shapes": [rim | {"line": {"color": FAINT, "width": 1}}],
        "annotations": [
            {"x": x, "y": y, "text": f"<b>{text}</b>", "showarrow": False, "bgcolor": "white"}
            for text, x, y in names
        ],
        "showlegend": False,
        "height": HEIGHT,
    }
    text = "half sphere of directions with z in the middle and x to the right; Å at FSC 0.143"
    return Chart("Resolution by direction", text, (trace,), layout)


def chart_cones(rows: Sequence[ConeRow]) -> Chart:
    """Show the mean and the spread of the correlations within cones."""
    x = np.array([row.frequency_per_angstrom for row in rows])

    def curve(name: str) -> np.ndarray:
        return np.array([getattr(row, name) for row in rows])

    blue = CLASS_COLOURS[0]
    hidden = {"line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    traces = [
        line(x, curve("lowest"), "", **hidden),
        line(x, curve("highest"), "all directions", **_filled(blue, "26")),
        line(x, curve("low"), "", **hidden),
        line(x, curve("high"), "80 % of directions", **_filled(blue, "4d")),
        line(x, curve("mean"), "mean", line={"color": blue}),
        line(x, curve("best"), "best", line={"color": INK, "dash": "dash", "width": 1.2}),
        line(x, curve("worst"), "worst", line={"color": CLASS_COLOURS[1], "dash": "dot"}),
    ]
    layout = _axes(x, traces) | {"shapes": [level(FSC_LIMIT)]}
    text = f"correlation by resolution in Å, its mean and spread; dashed, {FSC_LIMIT}"
    return Chart("FSC within cones of 20°", text, (*traces,), layout)


def _filled(colour: str, opacity: str) -> dict[str, Any]:
    return {"line": {"width": 0}, "fill": "tonexty", "fillcolor": colour + opacity}


def _axes(frequency: np.ndarray, traces: Sequence[Trace]) -> dict[str, Any]:
    return {
        "xaxis": resolution_axis(float(frequency[-1])),
        "yaxis": correlation_axis(traces),
        "height": HEIGHT,
    }

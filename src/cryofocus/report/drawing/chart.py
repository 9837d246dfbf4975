"""Charts that readers can read values off: described here, drawn in the page by plotly."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from cryofocus.formatting import format_number
from cryofocus.report.drawing.section import plotly_script, viewer_script
from cryofocus.report.drawing.style import class_colour

TRACE_TYPES = ("scatter", "bar", "heatmap", "sankey", "mesh3d")
"""All that pages draw with plotly; a smaller bundle needs these and no others."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
HATCHES = ("", "/", "x", ".", "-", "|", "\\", "+")
FAINT, EMPTY = "#8a95a0", "#d5dbe1"
BLUE_TO_RED = [
    [0, "#2166ac"],
    [0.25, "#92c5de"],
    [0.5, "#f7f7f7"],
    [0.75, "#f4a582"],
    [1, "#b2182b"],
]
MOST_WRITTEN, N_TICKS = 12, 6
"""Values are written into the fields of matrices up to this size."""
LOWEST_SHOWN = -0.55
"""Correlations below say no more; one corrected for a mask can fall to any depth."""

Layout = dict[str, Any]
Trace = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart, and what it shows for those who do not see it.

    Attributes:
        title: Above it.
        description: What it shows, with the axes.
        traces: Of plotly, of `TRACE_TYPES`.
        layout: Of plotly, beyond what all charts have.
    """

    title: str
    description: str
    traces: tuple[Trace, ...]
    layout: Layout

    @property
    def html(self) -> Markup:
        """Give the chart as an element of the page, with its numbers in it."""
        numbers = json.dumps(
            {"data": self.traces, "layout": self.layout | {"title": {"text": self.title}}},
            separators=(",", ":"),
        ).replace("<", "\\u003c")
        return Markup(
            '<div class="chart" role="img" aria-label="{}">'
            '<script type="application/json">{}</script></div>'
        ).format(f"{self.title}: {self.description}", Markup(numbers))


def chart_scripts() -> tuple[str, ...]:
    """Give the scripts that draw charts."""
    return plotly_script(), viewer_script("charts.js")


def axis(title: str, **details: Any) -> Layout:
    """Describe an axis."""
    return {"title": {"text": title}} | details


def line(x: Any, y: Any, name: str, **look: Any) -> Trace:
    """Describe a line through points; numbers may be arrays."""
    points = {"x": _plain(x), "y": _plain(y), "name": name}
    return {"type": "scatter", "mode": "lines"} | points | look


def class_line(x: Any, y: Any, class_number: int) -> Trace:
    """Describe the line of a class, which differs from others in colour and in dashes."""
    look = {"color": class_colour(class_number), "dash": DASHES[(class_number - 1) % len(DASHES)]}
    return line(x, y, f"class {class_number}", line=look)


def class_bars(x: Any, y: Any, class_number: int) -> Trace:
    """Describe the bars of a class, which differ from others in colour and in hatches."""
    hatch = {
        "shape": HATCHES[(class_number - 1) % len(HATCHES)],
        "fillmode": "overlay",
        "fgcolor": "white",
    }
    look = {"color": class_colour(class_number), "pattern": hatch}
    points = {"x": _plain(x), "y": _plain(y), "name": f"class {class_number}"}
    return {"type": "bar", "marker": look} | points


def resolution_axis(nyquist: float) -> dict[str, Any]:
    """Describe an axis of spatial frequencies (1/Å) that is labelled in Å."""
    ticks = (np.arange(1, N_TICKS + 1) * nyquist / N_TICKS).tolist()
    words = [f"{1 / tick:.1f}" for tick in ticks]
    return axis("resolution (Å)", range=[0, nyquist], tickvals=ticks, ticktext=words)


def correlation_axis(traces: Iterable[Trace]) -> Layout:
    """Describe an axis of correlations on which lines that fall below zero stay whole."""
    lowest = min((min(trace["y"]) for trace in traces), default=0.0)
    return axis("correlation", range=[float(np.clip(lowest - 0.03, LOWEST_SHOWN, -0.1)), 1.03])


def log_axis(title: str, values: Iterable[float]) -> Layout:
    """Describe a logarithmic axis on which labels do not touch, however far values spread."""
    spread = np.log10([value for value in values if value > 0] or [1.0])
    n_decades = float(np.ptp(spread))
    if n_decades >= 1:
        step = math.ceil(n_decades / N_TICKS)
        return axis(title, type="log", exponentformat="power", dtick=step)
    # Between decades plotly writes digits alone, of numbers that nobody can then read.
    first, last = math.floor(spread.min()), math.ceil(spread.max())
    ticks = [(digit, power) for power in range(first, last + 1) for digit in (1, 2, 5)]
    return axis(
        title,
        type="log",
        tickvals=[digit * 10.0**power for digit, power in ticks],
        ticktext=[f"{digit}×10<sup>{power}</sup>" for digit, power in ticks],
    )


def level(value: float, **place: Any) -> Layout:
    """Describe a dashed line across the whole chart."""
    ends = {"x0": 0, "x1": 1, "xref": "paper", "y0": value, "y1": value}
    return {"type": "line", "line": {"color": FAINT, "width": 1, "dash": "dash"}} | ends | place


def marks(x: Any, y: Any, name: str, **look: Any) -> Trace:
    """Describe separate points; numbers may be arrays."""
    return line(x, y, name, **{"mode": "markers", **look})


def upright(place: float, **look: Any) -> Layout:
    """Describe a dashed line from the bottom to the top of the whole chart."""
    return level(0, x0=place, x1=place, xref="x", y0=0, y1=1, yref="paper", **look)


def matrix(
    title: str,
    names: Sequence[str],
    values: Float[np.ndarray, "n n"],
    end: float,
    *,
    across: str = "",
    up: str = "",
) -> Chart:
    """Show a square matrix in colours from minus to plus `end`, with its values in its fields.

    Args:
        title: Above it.
        names: Of rows and columns.
        values: NaN where there is none: grey, with a question mark.
        end: Value with the strongest colour.
        across: What the columns are.
        up: What the rows are.
    """
    is_written = len(names) <= MOST_WRITTEN
    finite = [[_finite(value) for value in row] for row in values.tolist()]
    written = [["" if value is None else format_number(value) for value in row] for row in finite]
    trace = {
        "type": "heatmap",
        "x": list(names),
        "y": list(names),
        "z": finite,
        "zmin": -end,
        "zmax": end,
        "colorscale": BLUE_TO_RED,
        "colorbar": {"thickness": 10, "outlinewidth": 0},
        "hoverongaps": False,
        **({"text": written, "texttemplate": "%{text}"} if is_written else {}),
    }
    unknown = [
        {"x": names[k], "y": names[i], "text": "?", "showarrow": False}
        for i, k in np.argwhere(~np.isfinite(values)).tolist()
        if is_written
    ]
    layout = {
        "xaxis": axis(across, type="category", showgrid=False),
        "yaxis": axis(up, type="category", showgrid=False, autorange="reversed"),
        "plot_bgcolor": EMPTY,
        "annotations": unknown,
        "height": max(290, 130 + 30 * len(names)),
    }
    return Chart(title, "a matrix; values stand in its fields", (trace,), layout)


def flow(
    columns: list[list[str]], counts: list[list[list[int]]], title: str, unit: str = "particles"
) -> Chart:
    """Draw how many particles go from each class of a column to each of the next.

    Args:
        columns: Names of the classes in each column; the class of a place is the same in all.
        counts: Between columns, particles by class on the left and on the right.
        title: Of the chart.
        unit: What is counted.
    """
    last = max(len(columns) - 1, 1)
    bands = [
        ((n, a), (n + 1, b), count)
        for n, table in enumerate(counts)
        for a, row in enumerate(table)
        for b, count in enumerate(row)
        if count
    ]
    # A class without particles is none: plotly leaves it out, but gives its place to another.
    places = sorted({place for start, end, _ in bands for place in (start, end)})
    number = {place: i for i, place in enumerate(places)}
    trace = {
        "type": "sankey",
        "arrangement": "snap",
        "node": {
            "label": [columns[n][k] for n, k in places],
            "color": [class_colour(k + 1) for _, k in places],
            "x": [0.001 + 0.998 * n / last for n, _ in places],
            "y": [(k + 0.5) / len(columns[n]) for n, k in places],
            "pad": 14,
            "thickness": 12,
        },
        "link": {
            "source": [number[start] for start, _, _ in bands],
            "target": [number[end] for _, end, _ in bands],
            "value": [count for _, _, count in bands],
            "color": [_faded(class_colour(start[1] + 1)) for start, _, _ in bands],
        },
        "valueformat": ",d",
        "valuesuffix": f" {unit}",
    }
    layout = {"margin": {"l": 14, "r": 14, "t": 40, "b": 14}}
    text = f"bands as wide as the number of {unit} that they carry"
    return Chart(title, text, (trace,), layout)


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.4)"


def _finite(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _plain(values: Any) -> list[Any]:
    """Write numbers with the digits that a chart can show."""
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return [float(f"{value:.5g}") if isinstance(value, float) else value for value in plain]

"""Charts that readers can read values off: described here, drawn in the page by plotly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cryofocus.report.drawing.section import plotly_script, viewer_script
from cryofocus.report.drawing.style import class_colour

TRACE_TYPES = ("scatter", "bar", "heatmap", "sankey", "mesh3d")
"""All that pages draw with plotly; a smaller bundle needs these and no others."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
HATCHES = ("", "/", "x", ".", "-", "|", "\\", "+")
FAINT = "#8a95a0"

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


def level(value: float, **place: Any) -> Layout:
    """Describe a dashed line across the whole chart."""
    ends = {"x0": 0, "x1": 1, "xref": "paper", "y0": value, "y1": value}
    return {"type": "line", "line": {"color": FAINT, "width": 1, "dash": "dash"}} | ends | place


def flow(columns: list[list[str]], counts: list[list[list[int]]], title: str) -> Chart:
    """Draw how many particles go from each class of a column to each of the next.

    Args:
        columns: Names of the classes in each column; the class of a place is the same in all.
        counts: Between columns, particles by class on the left and on the right.
        title: Of the chart.
    """
    first = [sum(map(len, columns[:n])) for n in range(len(columns))]
    last = max(len(columns) - 1, 1)
    places = [(n, k) for n, names in enumerate(columns) for k in range(len(names))]
    links = [
        (first[n] + a, first[n + 1] + b, count, a)
        for n, table in enumerate(counts)
        for a, row in enumerate(table)
        for b, count in enumerate(row)
        if count
    ]
    trace = {
        "type": "sankey",
        "arrangement": "snap",
        "node": {
            "label": [name for names in columns for name in names],
            "color": [class_colour(k + 1) for _, k in places],
            "x": [0.001 + 0.998 * n / last for n, _ in places],
            "y": [(k + 0.5) / len(columns[n]) for n, k in places],
            "pad": 14,
            "thickness": 12,
        },
        "link": {
            "source": [one[0] for one in links],
            "target": [one[1] for one in links],
            "value": [one[2] for one in links],
            "color": [_faded(class_colour(one[3] + 1)) for one in links],
        },
        "valueformat": ",d",
        "valuesuffix": " particles",
    }
    return Chart(title, "bands as wide as the number of particles that they carry", (trace,), {})


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.4)"


def _plain(values: Any) -> list[Any]:
    """Write numbers with the digits that a chart can show."""
    return [float(f"{value:.5g}") if isinstance(value, float) else value for value in list(values)]

"""Charts of the coordinates that `variance` gives the particles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from cryofocus.report.drawing.chart import Chart, axis, marks, upright
from cryofocus.report.drawing.style import INK, class_colour
from cryofocus.workflows.run.reading import explain_damage, map_array
from cryofocus.workflows.variance.result import (
    LATENT,
    LATENT_VARIANCE,
    MEASURE_AGAIN,
    SERIES_PERCENTILES,
)

MOST_AXES = 4
BINS = 40
# Few to many particles.
COUNT_COLOURS = [[0, "#e3eef7"], [0.5, "#5aa2d1"], [1, "#08306b"]]

Coordinates = Float[np.ndarray, "particle q"]


def chart_latent(folder: Path, axis_shares: tuple[float, ...]) -> tuple[Chart, ...]:
    """Show the density of the particles over the first two axes, and along each.

    Args:
        folder: Directory of the result.
        axis_shares: Of the variance that each real axis makes up.

    Raises:
        FormatError: When a file of coordinates is missing or damaged.
    """
    if not axis_shares:
        return ()
    mean = _read(folder / LATENT)
    charts = [chart_axis(mean[:, k], k + 1, share) for k, share in enumerate(axis_shares)]
    if mean.shape[1] > 1 and len(axis_shares) > 1:
        charts.insert(0, chart_pair(mean, _read(folder / LATENT_VARIANCE)))
    return (*charts[: MOST_AXES + 1],)


def _read(path: Path) -> Coordinates:
    with explain_damage(path, MEASURE_AGAIN):
        return np.asarray(map_array(path), np.float64)


def chart_pair(mean: Coordinates, variance: Coordinates) -> Chart:
    """Show the particles' density over the first two axes; a cross is one particle's error."""
    reach = 1.05 * float(np.abs(mean[:, :2]).max())
    counts, edges, _ = np.histogram2d(
        mean[:, 1], mean[:, 0], bins=BINS, range=[(-reach, reach)] * 2
    )
    middles = ((edges[1:] + edges[:-1]) / 2).round(4).tolist()
    trace = {
        "type": "heatmap",
        "x": middles,
        "y": middles,
        "z": [[int(count) or None for count in row] for row in counts.tolist()],
        "colorscale": COUNT_COLOURS,
        "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": "particles"}},
        "hoverongaps": False,
    }
    error = np.sqrt(variance[:, :2].mean(axis=0)).round(4).tolist()
    x, y = (-reach + 1.3 * one for one in error)
    look = {"mode": "markers", "marker": {"size": 1, "color": INK}, "showlegend": False}
    bars = {
        f"error_{name}": {"type": "constant", "value": value, "color": INK, "thickness": 1.5}
        for name, value in zip("xy", error, strict=True)
    }
    cross = marks([x], [y], "error of one particle", **look, **bars)
    layout = {"xaxis": axis("axis 1"), "yaxis": axis("axis 2"), "height": 380}
    text = "number of particles over axis 1 and axis 2; a cross is the error of one particle"
    return Chart("Particles", text, (trace, cross), layout)


def chart_axis(mean: Float[np.ndarray, " particle"], number: int, share: float) -> Chart:
    """Show the particles' density along one axis, and where the maps of its series stand."""
    counts, edges = np.histogram(mean, bins=BINS)
    bars = {
        "type": "bar",
        "x": ((edges[1:] + edges[:-1]) / 2).round(4).tolist(),
        "y": counts.tolist(),
        "name": "particles",
        "marker": {"color": class_colour(number)},
    }
    places = np.percentile(mean, SERIES_PERCENTILES).round(4).tolist()
    told = [
        {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "text": str(n), "showarrow": False}
        for n, x in enumerate(places, start=1)
    ]
    layout = {
        "xaxis": axis("coordinate"),
        "yaxis": axis("particles"),
        "bargap": 0,
        "shapes": [upright(x) for x in places],
        "annotations": told,
    }
    text = "number of particles by coordinate; dotted, the maps of the series by their numbers"
    return Chart(f"Axis {number} ({100 * share:.0f} % of the variance)", text, (bars,), layout)

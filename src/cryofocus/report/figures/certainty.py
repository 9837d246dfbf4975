"""How certain particles are of their classes, and whether other runs bear it out."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from cryofocus.report.drawing import style
from cryofocus.report.figures.style import new_figure
from cryofocus.report.run import certainty
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.words import unit

CHART_HEIGHT_INCHES = 3.3
MAX_LEGEND_ENTRIES = 10
PROBABILITY = "probability of its class"


def draw_certainty(results: RunResults) -> Figure:
    """Draw the highest posteriors, what a threshold would keep, and whether other runs confirm it.

    Two charts side by side; three if there are runs to compare with.
    """
    figure = new_figure(CHART_HEIGHT_INCHES, gap=0.08)
    found = certainty.calibrate(results)
    left, right, *others = figure.subplots(1, 2 if found is None else 3)
    edges, shares = certainty.count_posteriors(results)
    below = np.zeros(len(edges) - 1)
    threshold, kept = certainty.kept_fractions(results)
    for number, (counts, part) in enumerate(zip(shares, kept, strict=True), start=1):
        look = {"color": style.class_colour(number), "label": f"class {number}"}
        left.bar(edges[:-1], counts, np.diff(edges), below, align="edge", **look)
        right.plot(threshold, part, linestyle=style.line_style(number), **look)
        below = below + counts
    left.axvline(float(results.max_posterior.mean()), color=style.INK, lw=1.2, ls=(0, (4, 3)))
    left.set(title="How probable the class is", xlabel=PROBABILITY)
    left.set_ylabel(f"of all {unit(results.job)}")
    right.set(
        title="What --min-posterior keeps",
        xlabel="lowest probability kept",
        ylabel="of the class",
        ylim=(0, 1.02),
    )
    for panel in (left, right):
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    if len(shares) <= MAX_LEGEND_ENTRIES:
        right.legend(loc="lower left")
    for panel in others:
        assert found is not None
        _draw_calibration(panel, *found, edges[0])
    return figure


def _draw_calibration(
    panel: Axes, posterior: certainty.Points, agreeing: certainty.Points, chance: float
) -> None:
    panel.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    panel.plot(posterior, agreeing, marker="o", markersize=4)
    panel.set(title="Confirmed by other runs", xlabel=PROBABILITY)
    panel.set(ylabel="of the other runs agree", xlim=(chance, 1.01), ylim=(0, 1.04))
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))

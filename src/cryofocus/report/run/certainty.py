"""How certain particles are of their classes, and whether other runs bear it out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from cryofocus.report.drawing import style
from cryofocus.report.run.results import RunResults

CHART_HEIGHT_INCHES = 3.3
N_BINS = 25
N_THRESHOLDS = 101
N_CALIBRATION_BINS = 8
MIN_CALIBRATION_PARTICLES = 20
MAX_LEGEND_ENTRIES = 10

Points = Float[np.ndarray, " m"]


def count_posteriors(
    results: RunResults,
) -> tuple[Points, Float[np.ndarray, "n_classes bins"]]:
    """Count the particles of each class by their highest posterior.

    Returns:
        Edges of the bins, from chance to 1, and shares of all particles.
    """
    n_classes = results.job.n_classes
    edges = np.linspace(1.0 / n_classes, 1.0, N_BINS + 1)
    highest, classes = results.max_posterior, results.class_index
    counts = [np.histogram(highest[classes == k], edges)[0] for k in range(n_classes)]
    return edges, np.stack(counts) / results.job.n_particles


def kept_fractions(results: RunResults) -> tuple[Points, Float[np.ndarray, "n_classes m"]]:
    """Find the share of each class that a threshold of the posterior would keep.

    Returns:
        Thresholds, and the shares.
    """
    n_classes = results.job.n_classes
    threshold = np.linspace(1.0 / n_classes, 1.0, N_THRESHOLDS)
    highest, classes = results.max_posterior, results.class_index
    kept = []
    for k in range(n_classes):
        values = np.sort(highest[classes == k])
        kept.append(1.0 - np.searchsorted(values, threshold) / max(len(values), 1))
    return threshold, np.stack(kept)


def calibrate(results: RunResults) -> tuple[Points, Points] | None:
    """Compare posteriors with how often other runs give a particle the class it has.

    Returns:
        Mean highest posterior of the particles in a bin, and the share of other runs that agree on
            them; None for a single run.
    """
    if results.agreement is None:
        return None
    n_runs, n_classes = len(results.job.runs), results.job.n_classes
    # The reported run is one of those that agree with it.
    borne_out = (results.agreement * n_runs - 1) / (n_runs - 1)
    highest = results.max_posterior
    edges = np.linspace(1.0 / n_classes, 1.0, N_CALIBRATION_BINS + 1)
    bins = np.clip(np.digitize(highest, edges) - 1, 0, N_CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=N_CALIBRATION_BINS)
    enough = counts >= MIN_CALIBRATION_PARTICLES
    posterior, agreeing = (
        np.bincount(bins, weights=values, minlength=len(counts))[enough] / counts[enough]
        for values in (highest, borne_out)
    )
    return posterior, agreeing


def draw_certainty(results: RunResults) -> Figure:
    """Draw the highest posteriors, what a threshold would keep, and whether other runs agree.

    Two charts side by side; three if there are runs to compare with.
    """
    figure = style.new_figure(CHART_HEIGHT_INCHES, gap=0.08)
    found = calibrate(results)
    left, right, *others = figure.subplots(1, 2 if found is None else 3)
    edges, shares = count_posteriors(results)
    below = np.zeros(len(edges) - 1)
    threshold, kept = kept_fractions(results)
    for number, (counts, part) in enumerate(zip(shares, kept, strict=True), start=1):
        look = {"color": style.class_colour(number), "label": f"class {number}"}
        left.bar(edges[:-1], counts, np.diff(edges), below, align="edge", **look)
        right.plot(threshold, part, linestyle=style.line_style(number), **look)
        below = below + counts
    left.axvline(float(results.max_posterior.mean()), color=style.INK, lw=1.2, ls=(0, (4, 3)))
    left.set(title="Highest posterior", xlabel="highest posterior of a particle")
    left.set_ylabel("of all particles")
    right.set(
        title="Kept by --min-posterior", xlabel="threshold", ylabel="of the class", ylim=(0, 1.02)
    )
    for panel in (left, right):
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    if len(shares) <= MAX_LEGEND_ENTRIES:
        right.legend(loc="lower left")
    for panel in others:
        assert found is not None
        _draw_calibration(panel, *found, edges[0])
    return figure


def _draw_calibration(panel: Axes, posterior: Points, agreeing: Points, chance: float) -> None:
    panel.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    panel.plot(posterior, agreeing, marker="o", markersize=4)
    panel.set(title="Confirmed by other runs", xlabel="highest posterior of a particle")
    panel.set(ylabel="of the other runs agree", xlim=(chance, 1.01), ylim=(0, 1.04))
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))

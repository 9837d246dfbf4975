"""Whether the posteriors of the humanoid benchmark mean what they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.benchmark.cells import CellResult
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.report.drawing import style

HEIGHT_INCHES = 3.4
# So many particles tell a fraction to 0.05; fewer in a bin only scatter.
LEAST_PARTICLES = 100


def draw_reliability(results: Sequence[CellResult]) -> Figure:
    """Draw how often a posterior is right: a row a strategy, a chart a scenario, a curve an SNR.

    Args:
        results: Of cells in focus; seeds are pooled.

    Returns:
        As wide as the page.
    """
    strategies = [s for s in STRATEGIES if any(r.cell.strategy == s for r in results)]
    scenarios = sorted({result.cell.scenario for result in results})
    snrs = sorted({result.cell.snr for result in results}, reverse=True)
    figure = style.new_figure(HEIGHT_INCHES * len(strategies), gap=0.05)
    axes = figure.subplots(len(strategies), len(scenarios), squeeze=False)
    for row, strategy in zip(axes, strategies, strict=True):
        for panel, scenario in zip(row, scenarios, strict=True):
            place = (strategy, scenario)
            own = [r for r in results if (r.cell.strategy, r.cell.scenario) == place]
            _draw_panel(panel, own, snrs)
            panel.set(title=f"{strategy}, scenario {scenario}")
        row[0].set_ylabel("fraction correct")
    for panel in axes[-1]:
        panel.set_xlabel("highest posterior")
    axes[0][0].legend(loc="upper left")
    return figure


def _draw_panel(panel: Axes, results: Sequence[CellResult], snrs: Sequence[float]) -> None:
    panel.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1.0)
    by_snr: dict[float, list[CellResult]] = defaultdict(list)
    for result in results:
        by_snr[result.cell.snr].append(result)
    nothing = np.zeros(0)
    for number, snr in enumerate(snrs):
        marker, colour = style.MARKERS[number % len(style.MARKERS)], style.class_colour(number + 1)
        posterior, correct = (
            pooled_reliability(by_snr[snr]) if snr in by_snr else (nothing, nothing)
        )
        panel.plot(
            posterior, correct, marker=marker, markersize=5, color=colour, label=f"SNR {snr:.3f}"
        )
    panel.set(xlim=(0.2, 1.0), ylim=(0.2, 1.02))


def pooled_reliability(results: Sequence[CellResult]) -> tuple[np.ndarray, np.ndarray]:
    """Average the bins of several reliability curves, weighted by their particles.

    Args:
        results: With the same bins.

    Returns:
        Mean posterior and fraction correct of the bins that hold enough particles.
    """
    counts = np.array([result.bin_particles for result in results], dtype=float)
    filled = counts.sum(axis=0) >= LEAST_PARTICLES
    curves = []
    for name in ("bin_posterior", "bin_fraction_correct"):
        values = np.array([getattr(result, name) for result in results], dtype=float)
        sums = (np.nan_to_num(values) * counts).sum(axis=0)
        curves.append(sums[filled] / counts.sum(axis=0)[filled])
    return curves[0], curves[1]

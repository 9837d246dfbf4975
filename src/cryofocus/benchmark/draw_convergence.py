"""Kappa against cycles: how each strategy gets to its classes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cryofocus.benchmark.cells import CellResult
from cryofocus.benchmark.draw_kappa import KAPPA_LIMITS, strategy_look
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.report.drawing import style

HEIGHT_INCHES = 2.3
LEGEND_INCHES = 0.5
OTHER_RUNS: dict[str, Any] = {"linewidth": 0.8, "alpha": 0.35}


def draw_convergence(results: Sequence[CellResult]) -> Figure:
    """Draw kappa after every cycle: a row an SNR, a chart a scenario.

    Args:
        results: Of cells in focus that recorded their cycles. The run chosen by likelihood is
            drawn strongly, the others faintly; every seed has its own lines.

    Returns:
        As wide as the page; the dashed line is the best possible.
    """
    scenarios = sorted({result.cell.scenario for result in results})
    snrs = sorted({result.cell.snr for result in results}, reverse=True)
    figure = style.new_figure(HEIGHT_INCHES * len(snrs) + LEGEND_INCHES, gap=0.04)
    axes = figure.subplots(len(snrs), len(scenarios), squeeze=False, sharex=True, sharey=True)
    for row, snr in zip(axes, snrs, strict=True):
        for panel, scenario in zip(row, scenarios, strict=True):
            own = [r for r in results if (r.cell.snr, r.cell.scenario) == (snr, scenario)]
            _draw_panel(panel, own)
            panel.set_title(f"Scenario {scenario}, SNR {snr:.3f}")
        row[0].set_ylabel("kappa")
    axes[0][0].set(xscale="log", ylim=KAPPA_LIMITS)
    for panel in axes[-1]:
        panel.set_xlabel("cycle")
        panel.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
        panel.minorticks_off()
    present = [s for s in STRATEGIES if any(r.cell.strategy == s for r in results)]
    handles = [Line2D([], [], color=strategy_look(s)["color"], label=s) for s in present]
    handles.append(Line2D([], [], color=style.INK, linestyle="--", label="best possible"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_panel(panel: Axes, results: Sequence[CellResult]) -> None:
    if not results:
        return
    limit = median({result.cell.seed: result.oracle_kappa for result in results}.values())
    panel.axhline(limit, color=style.INK, linestyle="--", linewidth=1.2)
    for result in results:
        look = strategy_look(result.cell.strategy)
        shown = {"color": look["color"], "zorder": look["zorder"]}
        best, *others = result.kappa_by_cycle
        for kappas in others:
            panel.plot(range(1, len(kappas) + 1), kappas, **shown, **OTHER_RUNS)
        panel.plot(range(1, len(best) + 1), best, **shown, linewidth=1.6)
        panel.plot(len(best), best[-1], **shown, marker=look["marker"], markersize=4)

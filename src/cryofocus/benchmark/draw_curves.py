"""Curves of the humanoid benchmark: kappa by SNR, sphere and cycle, and what posteriors mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cryofocus.benchmark.cells import PUBLISHED, SNRS, CellResult
from cryofocus.benchmark.plan import SPHERE_RADIUS_ANGSTROM, TitrationPoint
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.report.drawing import style
from cryofocus.report.figures.style import new_figure

HEIGHT_INCHES, RELIABILITY_INCHES, CYCLES_INCHES = 4.8, 3.4, 2.3
"""Of a row of charts against SNR or sphere, of posteriors, and against cycles."""
LEGEND_INCHES = 0.5
KAPPA_LIMITS = (-0.06, 1.03)
REGION_TITLES = {"focus": "Scenario", "leg": "Leg (control), scenario"}
SWEPT_NAMES = {"radius": "radius of the sphere (Å)", "edge": "soft edge of the sphere (Å)"}
LEGEND_COLUMNS = 5
DEFAULT = next(iter(STRATEGIES))
OTHER_RUNS: dict[str, Any] = {"linewidth": 0.8, "alpha": 0.35}
# So many particles tell a fraction to 0.05; fewer in a bin only scatter.
LEAST_PARTICLES = 100

Placed = Sequence[tuple[float, CellResult]]
"""Results, each with its position on the x axis."""


def strategy_look(strategy: str) -> dict[str, Any]:
    """Colour, marker and order of a strategy, the same in every figure."""
    number = list(STRATEGIES).index(strategy)
    look: dict[str, Any] = {"color": style.CLASS_COLOURS[number], "marker": style.MARKERS[number]}
    # The default lies on top of what it coincides with.
    return look | {"markersize": 5, "linewidth": 1.6, "zorder": 4 - 0.1 * number}


def draw_kappa(results: Sequence[CellResult]) -> Figure:
    """Draw kappa against SNR, one chart a scenario and one for the control on the leg.

    Args:
        results: Lines are medians over the seeds, bars their range; noise only has no chart.

    Returns:
        As wide as the page: strategies, both limits and the published figures.
    """
    places = sorted({(cell.kind, cell.scenario) for cell in (r.cell for r in results)})
    places = [place for place in places if place[0] in REGION_TITLES]
    figure = new_figure(HEIGHT_INCHES, gap=0.05)
    axes = figure.subplots(1, len(places), squeeze=False, sharey=True)[0]
    for panel, (kind, scenario) in zip(axes, places, strict=True):
        own = [r for r in results if (r.cell.kind, r.cell.scenario) == (kind, scenario)]
        placed = [(result.cell.snr, result) for result in own]
        if kind == "focus":
            _draw_limits(panel, placed)
        _draw_strategies(panel, placed)
        published = PUBLISHED.get((kind, scenario), {})
        for column, strategy in enumerate(("mask2d", "mask3d")):
            kappas = [pair[column] for pair in published.values()]
            _draw_published(panel, list(published), kappas, strategy)
        panel.set(title=f"{REGION_TITLES[kind]} {scenario}", xscale="log", xlabel="SNR")
        panel.minorticks_off()
        snrs = sorted({*SNRS, *(snr for snr, _ in placed)})
        panel.set_xticks(snrs, [f"{snr:.3f}" for snr in snrs], rotation=45)
    _finish(figure, list(axes))
    return figure


def draw_titration(points: Sequence[TitrationPoint]) -> Figure:
    """Draw kappa against the sphere's radius or edge, one chart a scenario and SNR.

    Args:
        points: From `titration_points`; lines are medians over the seeds, bars their range.

    Returns:
        As wide as the page; a vertical line marks the benchmark's own radius.
    """
    places: dict[tuple[str, int, float], list[TitrationPoint]] = defaultdict(list)
    for point in points:
        cell = point.result.cell
        places[point.swept, cell.scenario, cell.snr].append(point)
    figure = new_figure(HEIGHT_INCHES, gap=0.05)
    axes = figure.subplots(1, len(places), squeeze=False, sharey=True)[0]
    for panel, ((swept, scenario, snr), own) in zip(axes, places.items(), strict=True):
        placed = [(point.angstrom, point.result) for point in own]
        _draw_limits(panel, placed)
        _draw_strategies(panel, placed)
        if swept == "radius":
            panel.axvline(SPHERE_RADIUS_ANGSTROM, color=style.MUTED, linewidth=1.0, zorder=1)
        panel.set(title=f"Scenario {scenario}, SNR {snr:.3f}", xlabel=SWEPT_NAMES[swept])
    _finish(figure, list(axes))
    return figure


def _draw_limits(panel: Axes, placed: Placed) -> None:
    """Draw what the two oracles reach on the same images, once where they reach the same."""
    full = [(x, result.oracle_kappa) for x, result in placed]
    focused = [(x, result.oracle_focused_kappa) for x, result in placed]
    look: dict[str, Any] = {"color": style.INK, "linewidth": 1.3}
    _draw_medians(panel, full, label="best possible", linestyle="--", **look)
    if focused != full:
        _draw_medians(panel, focused, label="best from the focus alone", linestyle=":", **look)


def _draw_strategies(panel: Axes, placed: Placed) -> None:
    """Draw the strategies that were run, with the range over the seeds."""
    for strategy in STRATEGIES:
        own = [(x, result.kappa) for x, result in placed if result.cell.strategy == strategy]
        if own:
            look = strategy_look(strategy)
            _draw_medians(panel, own, label=_name(strategy), **look)
            _draw_ranges(panel, own, color=look["color"])


def _name(strategy: str) -> str:
    """Name a strategy, and say which is our own."""
    return f"{strategy}, the default" if strategy == DEFAULT else strategy


def _draw_published(
    panel: Axes, snrs: Sequence[float], kappas: Sequence[float], strategy: str
) -> None:
    """Draw published figures in the colour of the strategy that does the same, hollow."""
    look = strategy_look(strategy) | {"linewidth": 1.0, "zorder": 2}
    label = f"published, {strategy.removeprefix('mask').upper().replace('D', '-D')} mask"
    panel.plot(snrs, kappas, label=label, linestyle="--", markerfacecolor="white", **look)


def _draw_medians(panel: Axes, points: Iterable[tuple[float, float]], **look: Any) -> None:
    groups = _by_position(points)
    panel.plot(list(groups), [median(values) for values in groups.values()], **look)


def _draw_ranges(panel: Axes, points: Iterable[tuple[float, float]], *, color: str) -> None:
    for x, values in _by_position(points).items():
        panel.vlines(x, min(values), max(values), color=color, linewidth=1.2)


def _by_position(points: Iterable[tuple[float, float]]) -> dict[float, list[float]]:
    groups: dict[float, list[float]] = defaultdict(list)
    for x, y in sorted(points):
        groups[x].append(y)
    return groups


def _finish(figure: Figure, axes: Sequence[Axes]) -> None:
    """Give all charts one scale and one legend."""
    axes[0].set(ylabel="kappa", ylim=KAPPA_LIMITS)
    entries: dict[str, Any] = {}
    for panel in axes:
        handles, labels = panel.get_legend_handles_labels()
        entries |= dict(zip(labels, handles, strict=True))
    figure.legend(
        entries.values(), entries.keys(), loc="outside lower center", ncols=LEGEND_COLUMNS
    )


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
    figure = new_figure(CYCLES_INCHES * len(snrs) + LEGEND_INCHES, gap=0.04)
    axes = figure.subplots(len(snrs), len(scenarios), squeeze=False, sharex=True, sharey=True)
    for row, snr in zip(axes, snrs, strict=True):
        for panel, scenario in zip(row, scenarios, strict=True):
            own = [r for r in results if (r.cell.snr, r.cell.scenario) == (snr, scenario)]
            panel.set_visible(bool(own))
            _draw_cycles(panel, own)
            panel.set_title(f"Scenario {scenario}, SNR {snr:.3f}")
        row[0].set_ylabel("kappa")
    axes[0][0].set(xscale="log", ylim=KAPPA_LIMITS)
    for column in axes.T:
        panel = next(one for one in reversed(column) if one.get_visible())
        panel.tick_params(labelbottom=True)
        panel.set_xlabel("cycle")
        panel.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
        panel.minorticks_off()
    present = [s for s in STRATEGIES if any(r.cell.strategy == s for r in results)]
    handles = [Line2D([], [], color=strategy_look(s)["color"], label=_name(s)) for s in present]
    handles.append(Line2D([], [], color=style.INK, linestyle="--", label="best possible"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_cycles(panel: Axes, results: Sequence[CellResult]) -> None:
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
    figure = new_figure(RELIABILITY_INCHES * len(strategies), gap=0.05)
    axes = figure.subplots(len(strategies), len(scenarios), squeeze=False)
    for row, strategy in zip(axes, strategies, strict=True):
        for panel, scenario in zip(row, scenarios, strict=True):
            place = (strategy, scenario)
            own = [r for r in results if (r.cell.strategy, r.cell.scenario) == place]
            _draw_posteriors(panel, own, snrs)
            panel.set(title=f"{_name(strategy)}, scenario {scenario}")
        row[0].set_ylabel("fraction correct")
    for panel in axes[-1]:
        panel.set_xlabel("highest posterior")
    axes[0][0].legend(loc="upper left")
    return figure


def _draw_posteriors(panel: Axes, results: Sequence[CellResult], snrs: Sequence[float]) -> None:
    panel.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1.0)
    for number, snr in enumerate(snrs):
        marker, colour = style.MARKERS[number % len(style.MARKERS)], style.class_colour(number + 1)
        own = [result for result in results if result.cell.snr == snr]
        posterior, correct = pooled_reliability(own) if own else np.zeros((2, 0))
        label = f"SNR {snr:.3f}"
        panel.plot(posterior, correct, marker=marker, markersize=5, color=colour, label=label)
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

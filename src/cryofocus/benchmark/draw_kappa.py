"""Kappa by strategy, against the SNR and against the size of the focus sphere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.benchmark.cells import PUBLISHED, SNRS, CellResult
from cryofocus.benchmark.titration import SPHERE_RADIUS_ANGSTROM, TitrationPoint
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.report.drawing import style

HEIGHT_INCHES = 4.8
KAPPA_LIMITS = (-0.06, 1.03)
REGION_TITLES = {"focus": "Scenario", "leg": "Leg (control), scenario"}
SWEPT_NAMES = {"radius": "radius of the sphere (Å)", "edge": "soft edge of the sphere (Å)"}
LEGEND_COLUMNS = 5

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
    figure = style.new_figure(HEIGHT_INCHES, gap=0.05)
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
        panel.set_xticks(SNRS, [f"{snr:.3f}" for snr in SNRS], rotation=45)
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
    figure = style.new_figure(HEIGHT_INCHES, gap=0.05)
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
    """Draw what the two oracles reach on the same images."""
    full = [(x, result.oracle_kappa) for x, result in placed]
    focused = [(x, result.oracle_focused_kappa) for x, result in placed]
    look: dict[str, Any] = {"color": style.INK, "linewidth": 1.3}
    _draw_medians(panel, full, label="best possible", linestyle="--", **look)
    _draw_medians(panel, focused, label="best from the focus alone", linestyle=":", **look)


def _draw_strategies(panel: Axes, placed: Placed) -> None:
    """Draw the strategies that were run, with the range over the seeds."""
    for strategy in STRATEGIES:
        own = [(x, result.kappa) for x, result in placed if result.cell.strategy == strategy]
        if own:
            look = strategy_look(strategy)
            _draw_medians(panel, own, label=strategy, **look)
            _draw_ranges(panel, own, color=look["color"])


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

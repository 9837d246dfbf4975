"""Figures of the humanoid benchmark, drawn from the results of its cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cryofocus.data.atomic import atomic_file
from cryofocus.report import style
from cryofocus.workflows.benchmark_cells import PUBLISHED, SNRS, CellResult

FIGURE_HEIGHT_INCHES = 3.8
DOTS_PER_INCH = 150


def write_figures(folder: Path, results: Sequence[CellResult]) -> list[Path]:
    """Write kappa.png and reliability.png.

    Parameters
    ----------
    folder
        Existing directory.
    results
        Of finished cells; without a cell in focus there is nothing to draw.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    OutputError
        Disk full, no permission.
    """
    in_focus = [result for result in results if result.cell.kind == "focus"]
    if not in_focus:
        return []
    paths = [folder / "kappa.png", folder / "reliability.png"]
    with style.drawing():
        for path, draw in zip(paths, (draw_kappa, draw_reliability), strict=True):
            figure = draw(in_focus)
            with atomic_file(path) as handle:
                figure.savefig(handle, format="png", dpi=DOTS_PER_INCH)
    return paths


def draw_kappa(results: Sequence[CellResult]) -> Figure:
    """Draw kappa against SNR, one chart a scenario, beside the limits and the publication.

    Parameters
    ----------
    results
        Of cells in focus; points are seeds, lines medians.

    Returns
    -------
    Figure
        As wide as the page.
    """
    figure, panels = _panel_each(results)
    for panel, (scenario, own) in panels:
        look: dict[str, Any] = {"color": style.INK, "linestyle": "--", "linewidth": 1.2}
        _median_line(panel, own, lambda r: r.oracle_kappa, label="best possible", **look)
        look["linestyle"] = ":"
        _median_line(
            panel, own, lambda r: r.oracle_focused_kappa, label="from the focus alone", **look
        )
        colour = style.CLASS_COLOURS[0]
        _median_line(
            panel, own, lambda r: r.kappa, label="cryofocus", color=colour, marker="o", zorder=3
        )
        panel.scatter(
            [r.cell.snr for r in own], [r.kappa for r in own], s=8, color=colour, alpha=0.5
        )
        published = PUBLISHED.get(("focus", scenario), {})
        for place, name in enumerate(("2-D mask", "3-D mask")):
            panel.plot(
                list(published),
                [kappas[place] for kappas in published.values()],
                color=style.CLASS_COLOURS[1 + 2 * place],
                marker="s",
                markersize=4,
                linewidth=1.0,
                label=f"published, {name}",
            )
        panel.set(title=f"Scenario {scenario}", xscale="log", ylim=(-0.05, 1.03), xlabel="SNR")
        panel.minorticks_off()
        panel.set_xticks(SNRS, [f"{snr:.3f}" for snr in SNRS])
    panels[0][0].set_ylabel("kappa")
    panels[-1][0].legend(loc="lower right")
    return figure


def draw_reliability(results: Sequence[CellResult]) -> Figure:
    """Draw how often a posterior is right, one chart a scenario, one curve an SNR.

    Parameters
    ----------
    results
        Of cells in focus; seeds are pooled.

    Returns
    -------
    Figure
        As wide as the page.
    """
    figure, panels = _panel_each(results)
    for panel, (scenario, own) in panels:
        panel.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1.0)
        by_snr: dict[float, list[CellResult]] = defaultdict(list)
        for result in own:
            by_snr[result.cell.snr].append(result)
        for snr in sorted(by_snr, reverse=True):
            panel.plot(*pooled_reliability(by_snr[snr]), marker="o", label=f"SNR {snr:.3f}")
        panel.set(title=f"Scenario {scenario}", xlim=(0.2, 1.0), ylim=(0.2, 1.02))
        panel.set_xlabel("highest posterior")
    panels[0][0].set_ylabel("fraction correct")
    panels[-1][0].legend(loc="upper left")
    return figure


def pooled_reliability(results: Sequence[CellResult]) -> tuple[np.ndarray, np.ndarray]:
    """Average the bins of several reliability curves, weighted by their particles.

    Parameters
    ----------
    results
        With the same bins.

    Returns
    -------
    tuple of arrays
        Mean posterior and fraction correct of the bins that hold particles.
    """
    counts = np.array([result.bin_particles for result in results], dtype=float)
    filled = counts.sum(axis=0) > 0
    curves = []
    for name in ("bin_posterior", "bin_fraction_correct"):
        values = np.array([getattr(result, name) for result in results], dtype=float)
        sums = (np.nan_to_num(values) * counts).sum(axis=0)
        curves.append(sums[filled] / counts.sum(axis=0)[filled])
    return curves[0], curves[1]


def _panel_each(
    results: Sequence[CellResult],
) -> tuple[Figure, list[tuple[Axes, tuple[int, list[CellResult]]]]]:
    """Make one chart for each scenario, with that scenario's results."""
    scenarios = sorted({result.cell.scenario for result in results})
    figure = style.new_figure(FIGURE_HEIGHT_INCHES, gap=0.05)
    axes = figure.subplots(1, len(scenarios), squeeze=False)[0]
    own = [(s, [r for r in results if r.cell.scenario == s]) for s in scenarios]
    return figure, list(zip(axes, own, strict=True))


def _median_line(
    panel: Axes, results: Sequence[CellResult], value: Callable[[CellResult], float], **look: Any
) -> None:
    snrs = sorted({result.cell.snr for result in results})
    medians = [median(value(r) for r in results if r.cell.snr == snr) for snr in snrs]
    panel.plot(snrs, medians, **look)

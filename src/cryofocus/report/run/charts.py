"""Figures of numbers: convergence, FSC, certainty, agreement between runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from cryofocus.formatting import format_angstrom, format_percent
from cryofocus.maths.shells import FSC_LIMIT
from cryofocus.report.drawing import style
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.words import say_resolution

CHART_HEIGHT_INCHES = 3.3
N_BINS = 25
N_CALIBRATION_BINS = 8
MIN_CALIBRATION_PARTICLES = 20
MAX_LEGEND_ENTRIES = 10
MAX_LEGEND_ROWS = 14
MAX_WRITTEN_RUNS = 12


def draw_convergence(results: RunResults) -> Figure:
    """Draw objective and posterior change of every run by cycle; the best run stands out."""
    figure, (left, right) = _two_charts()
    n_particles = results.job.n_particles
    best = results.best_run.objective
    for trace in results.traces:
        is_best = trace.run == results.job.best_run
        look: dict[str, Any] = {
            "color": style.CLASS_COLOURS[0] if is_best else "#a3aeb9",
            "linewidth": 2.2 if is_best else 1.4,
            "zorder": 3 if is_best else 2,
            "label": f"run {trace.run}{' (best)' if is_best else ''}",
            "marker": "o",
            "markersize": 3.0,
        }
        left.plot(trace.cycle, (trace.objective - best) / n_particles, **look)
        changing = trace.posterior_change > 0
        right.plot(trace.cycle[changing], trace.posterior_change[changing], **look)
    left.set(
        title=results.job.objective_name.capitalize(), ylabel="per particle, best run’s end = 0"
    )
    right.set(title="Posterior change", ylabel="mean change per cycle", yscale="log")
    for panel in (left, right):
        panel.set_xlabel("cycle")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(results.traces) <= MAX_LEGEND_ENTRIES:
        right.legend()
    return figure


def draw_fsc(results: RunResults) -> Figure:
    """Draw the Fourier shell correlation of every class with the 0.143 line.

    The axis below is in 1/Å, the one above in Å.
    """
    figure = style.new_figure(CHART_HEIGHT_INCHES, gap=0.0)
    panel = figure.add_subplot()
    found = results.job.classes_found
    for curve, summary in zip(results.fsc, results.classes, strict=True):
        if not summary.weight:
            continue
        panel.plot(
            curve.spatial_frequency,
            curve.fsc,
            color=style.class_colour(summary.class_number) if found else style.MUTED,
            linestyle=style.line_style(summary.class_number),
            label=f"class {summary.class_number}:  {say_resolution(results.job, summary)}",
        )
    nyquist = 0.5 / results.job.pixel_size_angstrom
    panel.axhline(FSC_LIMIT, color=style.MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    panel.annotate(
        f"{FSC_LIMIT}", (0.0, FSC_LIMIT), (4, 3), textcoords="offset points", fontsize=9
    )
    panel.set(xlim=(0.0, nyquist), ylim=(-0.1, 1.03))
    panel.set(xlabel="spatial frequency (1/Å)", ylabel="correlation of half maps")
    above = panel.secondary_xaxis("top")
    above.set_xticks(panel.get_xticks()[1:-1])
    above.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_angstrom(1 / value)))
    above.spines["top"].set_visible(False)
    above.tick_params(length=0)
    columns = -(-len(results.fsc) // MAX_LEGEND_ROWS)
    figure.legend(loc="outside right upper", ncols=columns)
    return figure


def draw_certainty(results: RunResults) -> Figure:
    """Draw the highest posteriors, what a threshold would keep, and whether other runs agree.

    Two charts side by side; three if there are runs to compare with.
    """
    figure = style.new_figure(CHART_HEIGHT_INCHES, gap=0.08)
    left, right, *others = figure.subplots(1, 2 if results.agreement is None else 3)
    highest, classes = results.max_posterior, results.class_index
    n_classes, n_particles = results.job.n_classes, results.job.n_particles
    by_class = [highest[classes == index] for index in range(n_classes)]
    left.hist(
        by_class,
        bins=np.linspace(1.0 / n_classes, 1.0, N_BINS + 1).tolist(),
        stacked=True,
        weights=[np.full(len(values), 1.0 / n_particles) for values in by_class],
        color=[style.class_colour(index + 1) for index in range(n_classes)],
        label=[f"class {index + 1}" for index in range(n_classes)],
    )
    left.set(title="Highest posterior", xlabel="highest posterior of a particle")
    left.set_ylim(top=1.15 * left.get_ylim()[1])
    _mark_mean(left, float(highest.mean()))
    threshold = np.linspace(1.0 / n_classes, 1.0, 201)
    for index, values in enumerate(by_class):
        kept = 1.0 - np.searchsorted(np.sort(values), threshold) / max(len(values), 1)
        right.plot(
            threshold,
            kept,
            color=style.class_colour(index + 1),
            linestyle=style.line_style(index + 1),
            label=f"class {index + 1}",
        )
    right.set(
        title="Kept by --min-posterior", xlabel="threshold", ylabel="of the class", ylim=(0, 1.02)
    )
    left.set_ylabel("of all particles")
    for panel in (left, right):
        panel.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    if n_classes <= MAX_LEGEND_ENTRIES:
        right.legend(loc="lower left")
    for panel in others:
        _draw_calibration(panel, results)
    return figure


def _draw_calibration(panel: Axes, results: RunResults) -> None:
    """Draw how often other runs give a particle the class it has, by its posterior."""
    assert results.agreement is not None
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
    panel.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    panel.plot(posterior, agreeing, marker="o", markersize=4)
    panel.set(title="Confirmed by other runs", xlabel="highest posterior of a particle")
    panel.set(ylabel="of the other runs agree", xlim=(edges[0], 1.01), ylim=(0, 1.04))
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


def _mark_mean(panel: Axes, mean: float) -> None:
    panel.axvline(mean, color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)))
    panel.annotate(
        f"mean {mean:.2f}",
        (mean, 1.0),
        (-4 if mean > 0.6 else 4, -4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if mean > 0.6 else "left",
        va="top",
        fontsize=9,
    )


def draw_trials(results: RunResults) -> Figure:
    """Draw the log-posterior by the number of classes that were tried, the best marked."""
    figure = style.new_figure(CHART_HEIGHT_INCHES, gap=0.0)
    panel = figure.subplots()
    trials = results.job.trials
    numbers = [trial.n_classes for trial in trials]
    values = [trial.objective for trial in trials]
    panel.plot(numbers, values, color="#a3aeb9", linewidth=1.6, zorder=2)
    for trial in trials:
        is_chosen = trial.n_classes == results.job.n_classes
        panel.plot(
            [trial.n_classes],
            [trial.objective],
            marker="o",
            markersize=9 if is_chosen else 6,
            color=style.CLASS_COLOURS[0] if is_chosen else "#a3aeb9",
            fillstyle="full" if trial.converged else "none",
            zorder=3,
        )
    panel.set(xlabel="number of classes", ylabel=results.job.objective_name)
    panel.margins(x=0.08, y=0.15)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def draw_agreement(results: RunResults) -> Figure:
    """Draw how far each pair of runs agrees, and how many runs agree on each particle."""
    figure, (left, right) = _two_charts()
    _draw_matrix(left, results)
    n_runs = len(results.job.runs)
    assert results.agreement is not None
    agreeing = np.rint(results.agreement * n_runs).astype(int)
    counts = np.bincount(agreeing, minlength=n_runs + 1)[1:] / len(agreeing)
    bars = right.bar(np.arange(1, n_runs + 1), counts, color=style.CLASS_COLOURS[0], width=0.7)
    right.bar_label(bars, [format_percent(share, 1) for share in counts], padding=3, fontsize=9)
    right.set(title="Runs agreeing per particle", ylabel="of all particles")
    right.set(xlabel=f"runs out of {n_runs} with the reported class", ylim=(0, 1.12))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    return figure


def _draw_matrix(panel: Axes, results: RunResults) -> None:
    runs = [run.run for run in results.job.runs]
    matrix = np.full((len(runs), len(runs)), np.nan)
    for pair in results.job.agreement.per_pair:
        i, j = runs.index(pair.first), runs.index(pair.second)
        matrix[i, j] = matrix[j, i] = pair.agreement
    panel.imshow(matrix, cmap="Blues", vmin=0.0, vmax=1.25)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    panel.set(title="Particles in the same class of two runs", xlabel="run", ylabel="run")
    panel.set_xticks(range(len(runs)), [str(run) for run in runs])
    panel.set_yticks(range(len(runs)), [str(run) for run in runs])
    if len(runs) > MAX_WRITTEN_RUNS:
        return
    for (i, j), value in np.ndenumerate(matrix):
        if i != j:
            colour = "white" if value > 0.7 else style.INK
            share = format_percent(value, 1)
            panel.text(j, i, share, ha="center", va="center", color=colour, fontsize=9)


def _two_charts() -> tuple[Figure, tuple[Axes, Axes]]:
    figure = style.new_figure(CHART_HEIGHT_INCHES, gap=0.08)
    left, right = figure.subplots(1, 2)
    return figure, (left, right)

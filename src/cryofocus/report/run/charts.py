"""Charts of a run: convergence, populations, resolution, certainty, agreement."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Int

from cryofocus.formatting import format_percent
from cryofocus.maths.shells import FSC_LIMIT
from cryofocus.report.drawing.chart import (
    FAINT,
    N_TICKS,
    Chart,
    axis,
    class_bars,
    class_line,
    correlation_axis,
    flow,
    level,
    line,
    log_axis,
    resolution_axis,
)
from cryofocus.report.drawing.style import CLASS_COLOURS, INK
from cryofocus.report.run import certainty
from cryofocus.report.run.masked_fsc import MaskedCurve
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.words import has_resolution, one, say_resolution, unit

SMALLEST_SPAN = 1e-3
"""Objectives per particle closer together than this are drawn as the same."""
MOST_COLUMNS, MOST_FLOWS = 8, 6
STILL = 0.01
"""A cycle that moves fewer of the particles is not drawn any more."""
PERCENT = {"tickformat": "~g", "hoverformat": ".1f", "ticksuffix": " %"}
"""For values of 0 to 100; of shares plotly writes 50%, without a space."""


def chart_objective(results: RunResults) -> Chart:
    """Show the objective of every run by cycle; the best run stands out."""
    n_particles, best = results.job.n_particles, results.best_run.objective
    traces, values = [], []
    for trace in results.traces:
        own = (trace.objective - best) / n_particles
        values.append(own)
        traces.append(line(trace.cycle.tolist(), own, **_run_look(results, trace.run)))
    low, high = min(map(np.min, values)), max(map(np.max, values))
    details: dict[str, Any] = {}
    if high - low < SMALLEST_SPAN:
        details["range"] = [low - SMALLEST_SPAN, high + SMALLEST_SPAN]
    name = f"{results.job.objective_name.capitalize()}, from the best run’s end"
    layout = {"xaxis": _cycles(results), "yaxis": axis(f"per {one(results.job)}", **details)}
    return Chart(name, "by cycle, a line for each run", (*traces,), layout)


def chart_change(results: RunResults) -> Chart:
    """Show how far posteriors moved in every cycle."""
    traces = [
        line(
            trace.cycle[trace.posterior_change > 0].tolist(),
            trace.posterior_change[trace.posterior_change > 0],
            **_run_look(results, trace.run),
        )
        for trace in results.traces
    ]
    y = log_axis("mean change per cycle", (value for trace in traces for value in trace["y"]))
    layout = {"xaxis": _cycles(results), "yaxis": y}
    return Chart("Posterior change", "by cycle, a line for each run", (*traces,), layout)


def chart_populations(results: RunResults) -> Chart:
    """Show the share of every class by cycle, in the best run."""
    trace = next(one for one in results.traces if one.run == results.job.best_run)
    traces = [
        class_line(trace.cycle.tolist(), 100 * shares, number)
        for number, shares in enumerate(trace.weight.T, start=1)
    ]
    layout = {
        "xaxis": _cycles(results),
        "yaxis": axis(f"of all {unit(results.job)}", rangemode="tozero", **PERCENT),
    }
    title = f"Populations in run {trace.run}"
    return Chart(title, "share of each class by cycle", (*traces,), layout)


def _run_look(results: RunResults, run: int) -> dict[str, Any]:
    """Let the best run stand out; the others look alike, so that one of them is named for all."""
    best = results.job.best_run
    is_best = run == best
    others = [one.run for one in results.job.runs if one.run != best]
    return {
        "name": f"run {run} (best)" if is_best else f"run {', '.join(map(str, others))}",
        "showlegend": is_best or run == others[0],
        "legendgroup": "best" if is_best else "others",
        "mode": "lines+markers",
        "line": {
            "color": CLASS_COLOURS[0] if is_best else FAINT,
            "width": 2.5 if is_best else 1.2,
        },
        "marker": {"size": 5},
    }


def _cycles(results: RunResults) -> dict[str, Any]:
    most = max(int(trace.cycle[-1]) for trace in results.traces)
    steps = {"dtick": 1} if most <= N_TICKS else {"nticks": N_TICKS}
    return axis("cycle", tickformat="d", range=[0, most + 0.3], **steps)


def chart_moves(results: RunResults) -> Chart | None:
    """Show how particles of the best run go from class to class, until hardly any do.

    Returns:
        None where it was not recorded, or where no particle has moved.
    """
    tables = moves_before_merging(results)
    if all(table.sum() == np.trace(table) for _, table in tables):
        return None
    still = [
        (cycle, table)
        for cycle, table in tables
        if table.sum() - np.trace(table) < STILL * table.sum()
    ]
    end = min((cycle for cycle, _ in still), default=tables[-1][0])
    shown = [(cycle, table) for cycle, table in tables if cycle <= end][:MOST_COLUMNS]
    names = [f"class {k + 1}" for k in range(results.job.n_classes)]
    title = f"Between classes, start to cycle {shown[-1][0]} of run {results.job.best_run}"
    columns = [names] * (len(shown) + 1)
    tables_shown = [table.tolist() for _, table in shown]
    return flow(columns, tables_shown, title, unit(results.job))


def moves_before_merging(results: RunResults) -> list[tuple[int, Int[np.ndarray, "k k"]]]:
    """Give the moves of the best run, until classes give all particles away between two cycles."""
    tables = results.moves_of(results.job.best_run)
    for n, ((_, earlier), (_, later)) in enumerate(pairwise(tables), start=1):
        if (earlier.sum(axis=0)[later.sum(axis=1) == 0] > 0).any():
            return tables[:n]
    return tables


def chart_run_classes(results: RunResults) -> tuple[Chart, ...]:
    """Show where the classes of every other run are in the reported ones, where they differ."""
    n_classes = results.job.n_classes
    charts = []
    others = [one.run for one in results.job.runs if one.run != results.job.best_run]
    for run in others[:MOST_FLOWS]:
        rows = [list(row.reported) for row in results.run_classes if row.run == run]
        if np.sum(rows) == np.trace(rows or [[0]]):
            continue
        names = [f"class {k + 1}" for k in range(n_classes)]
        share = format_percent(np.trace(rows) / max(np.sum(rows), 1), 1)
        title = f"Run {run}: {share} in the reported class"
        charts.append(flow([names, names], [rows], title, unit(results.job)))
    return tuple(charts)


def chart_fsc(results: RunResults, masked: Mapping[int, MaskedCurve]) -> tuple[Chart, ...]:
    """Show the Fourier shell correlation of every class: whole, then inside the focus region."""
    whole, inside = [], []
    for curve, summary in zip(results.fsc, results.classes, strict=True):
        number = summary.class_number
        if not summary.weight:
            continue
        trace = class_line(curve.spatial_frequency, curve.fsc, number)
        if not results.job.classes_found:
            trace["line"]["color"] = FAINT
            trace["name"] = f"map {number}"
        if has_resolution(results.job, summary):
            trace["name"] += f": {say_resolution(results.job, summary)}"
        whole.append(trace)
        if number in masked:
            own = masked[number]
            trace = class_line(own.frequency, own.fsc, number)
            trace["name"] += f": {own.resolution_text}"
            inside.append(trace)
    shown = [("Fourier shell correlation, whole map", whole), ("Inside the focus region", inside)]
    text = f"correlation by resolution in Å; dashed, {FSC_LIMIT}"
    nyquist = 0.5 / results.job.pixel_size_angstrom
    return tuple(
        Chart(
            title,
            text,
            (*traces,),
            {
                "xaxis": resolution_axis(nyquist),
                # One range for both, so that they can be compared.
                "yaxis": correlation_axis([*whole, *inside]),
                "shapes": [level(FSC_LIMIT)],
                "height": 340,
            },
        )
        for title, traces in shown
        if traces
    )


def chart_trials(results: RunResults) -> Chart:
    """Show the objective by the number of classes that were tried, the best marked."""
    trials = results.job.trials
    looks = [
        ("star" if t.n_classes == results.job.n_classes else "circle")
        + ("" if t.converged else "-open")
        for t in trials
    ]
    look = {"mode": "lines+markers", "line": {"color": FAINT}}
    marks = {"symbol": looks, "size": 12, "color": CLASS_COLOURS[0]}
    x, y = [t.n_classes for t in trials], [t.objective for t in trials]
    trace = {"type": "scatter", "x": x, "y": y, "marker": marks, **look}
    layout = {
        "xaxis": axis("number of classes", dtick=1),
        "yaxis": axis(results.job.objective_name, tickformat=",.0f"),
        "showlegend": False,
    }
    return Chart("Numbers of classes tried", "objective of each", (trace,), layout)


def chart_certainty(results: RunResults) -> tuple[Chart, ...]:
    """Show the highest posteriors, what a threshold would keep, and whether runs confirm it."""
    edges, shares = certainty.count_posteriors(results)
    middles = (edges[1:] + edges[:-1]) / 2
    # A copy that gave its particles away, or an empty class, has none to show.
    filled = (np.unique(results.class_index) + 1).tolist()
    bars = [class_bars(middles, 100 * shares[number - 1], number) for number in filled]
    x = axis("probability of its class", range=[edges[0], 1.0])
    y = axis(f"of all {unit(results.job)}", **PERCENT)
    mean = float(results.max_posterior.mean())
    mark = level(0, x0=mean, x1=mean, xref="x", y0=0, y1=1, yref="paper")
    stacked = {"xaxis": x, "yaxis": y, "barmode": "stack", "bargap": 0, "shapes": [mark]}
    title = f"How probable the class is (mean {mean:.2f})"
    charts = [Chart(title, f"share of {unit(results.job)} by probability", (*bars,), stacked)]
    threshold, kept = certainty.kept_fractions(results)
    lines = [class_line(threshold, 100 * kept[number - 1], number) for number in filled]
    layout = {
        "xaxis": axis("lowest probability kept"),
        "yaxis": axis("of the class", **PERCENT),
    }
    text = "share of each class by threshold"
    charts.append(Chart("What --min-posterior keeps", text, (*lines,), layout))
    if (found := certainty.calibrate(results)) is not None:
        ideal = line([0, 1], [0, 100], "as claimed", line={"color": FAINT, "dash": "dash"})
        # Whole points also where they lie on the end of an axis.
        look = {"mode": "lines+markers", "line": {"color": CLASS_COLOURS[0]}, "cliponaxis": False}
        seen = line(found[0], 100 * found[1], "seen", **look)
        y = axis("of the other runs", range=[0, 104], **PERCENT)
        text = "share of other runs that confirm the class, by probability; dashed, as claimed"
        charts.append(
            Chart("Confirmed by other runs", text, (ideal, seen), {"xaxis": x, "yaxis": y})
        )
    return tuple(charts)


def chart_agreement(results: RunResults) -> tuple[Chart, Chart]:
    """Show how far each pair of runs agrees, and how many confirm the class of each particle."""
    runs = [str(run.run) for run in results.job.runs]
    table: list[list[float | None]] = [[None] * len(runs) for _ in runs]
    for pair in results.job.agreement.per_pair:
        i, j = runs.index(str(pair.first)), runs.index(str(pair.second))
        table[i][j] = table[j][i] = pair.agreement
    matrix = {
        "type": "heatmap",
        **{"x": runs, "y": runs, "z": table, "zmin": 0, "zmax": 1},
        "colorscale": [[0, "#f4f7fa"], [1, "#5aa2d1"]],
        "text": [
            ["" if share is None else format_percent(share, 1) for share in row] for row in table
        ],
        "texttemplate": "%{text}",
        "textfont": {"color": INK},
        "showscale": False,
    }
    layout = {
        "xaxis": axis("run", type="category", showgrid=False),
        "yaxis": axis("run", type="category", showgrid=False, autorange="reversed"),
    }
    assert results.agreement is not None
    agreeing = np.rint(results.agreement * len(runs)).astype(int)
    shares = np.bincount(agreeing, minlength=len(runs) + 1)[1:] / len(agreeing)
    bars = {
        "type": "bar",
        "x": [*range(1, len(runs) + 1)],
        "y": (100 * shares).tolist(),
        "text": [format_percent(share, 1) for share in shares.tolist()],
        "texttemplate": "%{text}",
        "marker": {"color": CLASS_COLOURS[0]},
    }
    words = axis(f"runs out of {len(runs)} that confirm it", dtick=1)
    return (
        Chart("Agreement between two runs", "a matrix", (matrix,), layout),
        Chart(
            "Reported class confirmed",
            f"share of {unit(results.job)}",
            (bars,),
            {"xaxis": words, "yaxis": axis(f"of all {unit(results.job)}", **PERCENT)},
        ),
    )

"""Figures of the assembly benchmark: what was found beside the truth, and beside the oracles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cryofocus.benchmark.assembly import Part, Row
from cryofocus.report.drawing import style
from cryofocus.report.figures.style import new_figure, write_figures

HEIGHT_INCHES = 4.2
LIMITS = ("oracle_given", "oracle_model", "oracle_focused", "oracle")
LIMIT_NAMES = {
    "oracle_given": "our model, true maps, poses as given",
    "oracle_model": "our model, true maps",
    "oracle_focused": "outside known",
    "oracle": "all states known",
}
PART_NAMES = {
    "focus": "L1 stalk",
    "ef_g": "EF-G",
    "trna": "tRNA",
    "cut": "EF-G, cut",
    "flexible": "EF-G, cut,\nflexible",
    "ten": "L1 stalk,\nten asked for",
}


def write_assembly_figures(output: Path, answers: Mapping[Part, Sequence[Row]]) -> list[Path]:
    """Write what there are answers for.

    Raises:
        OutputError: Disk full, no permission.
    """
    figures = {}
    if pairs := [row for row in answers.get("covariance", ()) if row["found"] is not None]:
        figures["covariance.png"] = partial(draw_correlations, pairs)
    others = ("covariance", "control")
    focused = {part: rows for part, rows in answers.items() if part not in others}
    if any(focused.values()):
        figures["kappa.png"] = partial(draw_kappas, focused)
    return write_figures(output, figures)


def draw_correlations(rows: Sequence[Row]) -> Figure:
    """Draw the correlation found against the true one, with its interval, pair by pair."""
    figure = new_figure(HEIGHT_INCHES, gap=0.0)
    panel = figure.add_subplot(aspect="equal")
    truth, found, low, high = (
        np.array([row[key] for row in rows]) for key in ("truth", "found", "low", "high")
    )
    panel.plot([-0.3, 1], [-0.3, 1], color=style.MUTED, linewidth=1.0)
    panel.errorbar(
        truth,
        found,
        yerr=[np.maximum(found - low, 0), np.maximum(high - found, 0)],
        fmt="o",
        markersize=4,
        linewidth=0.8,
        color=style.class_colour(1),
    )
    panel.set(
        xlabel="true correlation of masses",
        ylabel="found, with 95 % interval",
        xlim=(-0.3, 1),
        ylim=(-0.3, 1),
    )
    return figure


def draw_kappas(parts: Mapping[Part, Sequence[Row]]) -> Figure:
    """Draw kappa of every seed, and lines for the oracles' medians."""
    figure = new_figure(HEIGHT_INCHES, gap=0.0)
    panel = figure.add_subplot()
    names = [part for part, rows in parts.items() if rows]
    for place, part in enumerate(names):
        rows = parts[part]
        spread = np.linspace(-0.1, 0.1, len(rows)) if len(rows) > 1 else np.zeros(1)
        kappas = [row["kappa"] for row in rows]
        label = "found, a dot per set" if place == 0 else "_"
        panel.plot(place + spread, kappas, "o", color=style.class_colour(1), label=label)
        for number, limit in enumerate(LIMITS):
            panel.hlines(
                float(np.median([row[limit] for row in rows])),
                place - 0.3,
                place + 0.3,
                color=style.class_colour(2 + number),
                label=LIMIT_NAMES[limit] if place == 0 else "_",
            )
    panel.set_xticks(range(len(names)), [PART_NAMES.get(part, part) for part in names])
    panel.set(ylabel="kappa", ylim=(0, 1))
    figure.legend(loc="outside right upper", title="lines: oracles")
    return figure

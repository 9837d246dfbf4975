"""The findings in plain words: what was found, how sure it is, what to do about doubts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cryofocus.report.run.charts import say_angstrom
from cryofocus.report.run.results import RunResults
from cryofocus.workflows.machine.progress import format_seconds
from cryofocus.workflows.run.job import PoseSummary

CLOSE_AGREEMENT = 0.95
FAIR_AGREEMENT = 0.80
CLEAR_POSTERIOR = 0.90
FAIR_POSTERIOR = 0.70
SMALL_WEIGHT = 0.01

Tone = Literal["good", "fair", "poor", "plain"]


@dataclass(frozen=True)
class KeyFigure:
    """One number that matters, its name, a remark, and how good it is."""

    value: str
    name: str
    remark: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Advice:
    """A doubt and what to do about it."""

    finding: str
    action: str


def headline(results: RunResults) -> str:
    """Say what was found in one line."""
    if not results.job.classes_found:
        return "No classes were found"
    n_classes = results.job.n_classes
    return f"{n_classes} class{'es' if n_classes != 1 else ''} found"


def key_figures(results: RunResults) -> list[KeyFigure]:
    """Choose the numbers a reader wants first.

    Args:
        results: Of a finished run.

    Returns:
        Certainty, agreement between runs, resolution, size and time.
    """
    job = results.job
    certainty = float(results.max_posterior.mean())
    resolutions = [entry.resolution_angstrom for entry in results.classes]
    finite = [value for value in resolutions if np.isfinite(value)]
    span = say_angstrom(min(finite)) if finite else "–"
    return [
        KeyFigure(
            f"{certainty:.2f}",
            "mean highest posterior",
            f"chance would be {1.0 / job.n_classes:.2f}",
            _tone(results, certainty, CLEAR_POSTERIOR, FAIR_POSTERIOR),
        ),
        _agreement_figure(results),
        KeyFigure(span, "best resolution of a class", "half maps, FSC 0.143"),
        KeyFigure(
            f"{job.n_particles:,}".replace(",", "\u202f"),
            "particles",
            f"box {job.box} px, {job.pixel_size_angstrom:.4g} Å/px",
        ),
        KeyFigure(
            format_seconds(float(sum(job.seconds.values()))),
            "in total",
            f"peak memory {max(job.peak_memory_gb.values(), default=0.0):.1f} GB",
        ),
    ]


def _agreement_figure(results: RunResults) -> KeyFigure:
    job = results.job
    if job.agreement.mean is None:
        return KeyFigure("–", "agreement between runs", "only one run was made", "fair")
    return KeyFigure(
        f"{job.agreement.mean:.1%}".replace("%", "\u202f%"),
        "agreement between runs",
        f"{len(job.runs)} random starts, mean over pairs",
        _tone(results, job.agreement.mean, CLOSE_AGREEMENT, FAIR_AGREEMENT),
    )


def _tone(results: RunResults, value: float, good: float, fair: float) -> Tone:
    """Judge a number; without classes there is nothing to be good or bad at."""
    if not results.job.classes_found:
        return "plain"
    if value >= good:
        return "good"
    return "fair" if value >= fair else "poor"


def sentences(results: RunResults) -> list[str]:
    """Tell how sure the result is, in a few sentences.

    Args:
        results: Of a finished run.

    Returns:
        Plain text.
    """
    job, best = results.job, results.best_run
    moved = [_say_poses(job.poses)] if job.poses is not None else []
    if not job.classes_found:
        return [
            *moved,
            "The maps and populations below are what the algorithm ended with. They are shown so "
            "that you can judge them, but they do not describe different structures.",
            "That is a result, too: within this region, at this noise, the particles do not "
            "differ in a way that the images can prove.",
        ]
    certainty = float(results.max_posterior.mean())
    clear = float((results.max_posterior >= CLEAR_POSTERIOR).mean())
    found = [
        *moved,
        f"If the probabilities are right, {certainty:.0%} of the particles are in their true "
        f"class; {clear:.0%} have a probability of {CLEAR_POSTERIOR:g} or more.",
        f"The reported classes are those of run {best.run}, the best of {len(job.runs)} by "
        f"log-likelihood. It ended after {best.cycles} cycles: {best.reason.rstrip('.')}."
        if len(job.runs) > 1
        else f"The run ended after {best.cycles} cycles: {best.reason.rstrip('.')}.",
    ]
    if job.agreement.mean is not None:
        level = _tone(results, job.agreement.mean, CLOSE_AGREEMENT, FAIR_AGREEMENT)
        text = {
            "good": "Independent random starts led to the same classes.",
            "fair": "Independent random starts led to largely the same classes; look at the "
            "agreement between runs below.",
            "poor": "Independent random starts led to different classes, so this division is one "
            "of several that fit about equally well.",
        }
        found.append(text[level])
    return found


def _say_poses(poses: PoseSummary) -> str:
    """Say what became of poses that were allowed to move."""
    if poses.angle_error_degrees == 0:
        return f"Classes were kept on their scaffold over {poses.rounds} rounds."
    return (
        f"Poses were refined over {poses.rounds} rounds: those given seem to have been off by "
        f"{poses.given_angle_sd_degrees:.2f}° and {poses.given_shift_sd_angstrom:.1f} Å (standard "
        f"deviation of each rotation and shift); {poses.angle_error_degrees:.2f}° and "
        f"{poses.shift_error_angstrom:.1f} Å are to be expected of the new ones (median)."
    )


def advice(results: RunResults) -> list[Advice]:
    """Derive doubts from the numbers, each with what to do.

    Args:
        results: Of a finished run.

    Returns:
        Empty when nothing is wrong; the warnings of the run itself are not among them.
    """
    job = results.job
    found = [*_advice_on_runs(results), *_advice_on_classes(results)]
    if not job.classes_found:
        found.insert(
            0,
            Advice(
                "No classes were found in this region.",
                "Check in view.cxc that the mask sits where you expect change and holds all that "
                "moves; try a larger region, more particles, or refine the poses first.",
            ),
        )
    return found


def _advice_on_runs(results: RunResults) -> list[Advice]:
    job = results.job
    found = []
    if not results.best_run.converged:
        found.append(
            Advice(
                f"The best run had not converged after {results.best_run.cycles} cycles.",
                "Give more with --cycles.",
            )
        )
    if len(job.runs) == 1:
        found.append(
            Advice(
                "With a single run nobody knows whether another random start would agree.",
                "Repeat with --runs 3.",
            )
        )
    mean = job.agreement.mean
    if job.classes_found and mean is not None and mean < FAIR_AGREEMENT:
        found.append(
            Advice(
                f"The runs put only {mean:.0%} of the particles alike.",
                "Use fewer classes, more runs, or only particles with a high posterior.",
            )
        )
    return found


def _advice_on_classes(results: RunResults) -> list[Advice]:
    if not results.job.classes_found:
        return []
    found = [
        Advice(
            f"Class {entry.class_number} holds {entry.weight:.1%} of the particles.",
            "So small a class is often noise; compare its map with the others, and try one class "
            "fewer.",
        )
        for entry in results.classes
        if entry.weight < SMALL_WEIGHT
    ]
    certainty = float(results.max_posterior.mean())
    if certainty < FAIR_POSTERIOR:
        found.append(
            Advice(
                f"Most particles are uncertain (mean highest posterior {certainty:.2f}).",
                "Do not take single assignments for facts: use the posteriors as weights, or keep "
                "the certain particles with cryofocus select.",
            )
        )
    return found

"""What was found and how sure it is, in the words of the run's own findings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cryofocus.formatting import (
    format_angstrom,
    format_count,
    format_percent,
    format_seconds,
)
from cryofocus.report.run.results import RunResults
from cryofocus.workflows.run.job import FindingCode, JobRecord, PoseSummary, Severity

Tone = Literal["good", "fair", "poor", "plain"]
TONES: dict[Severity, Tone] = {
    Severity.NOTE: "good",
    Severity.ADVICE: "fair",
    Severity.WARNING: "poor",
}
ABOUT_POSTERIORS = {FindingCode.CERTAIN_POSTERIORS, FindingCode.UNCERTAIN_POSTERIORS}
ABOUT_RUNS = {FindingCode.RUNS_AGREE, FindingCode.RUNS_DISAGREE, FindingCode.SINGLE_RUN}


@dataclass(frozen=True)
class KeyFigure:
    """One number that matters, its name, a remark, and how good the run found it."""

    value: str
    name: str
    remark: str
    tone: Tone = "plain"


def headline(job: JobRecord) -> str:
    """Say what was found in one line."""
    if not job.classes_found:
        return "No classes were found"
    n_classes = job.n_effective_classes or job.n_classes
    return f"{n_classes} class{'es' if n_classes != 1 else ''} found"


def key_figures(results: RunResults) -> list[KeyFigure]:
    """Choose the numbers a reader wants first.

    They are certainty, agreement between runs, resolution, size and time.
    """
    job, agreement = results.job, results.job.agreement.mean
    resolutions = [entry.resolution_angstrom for entry in results.classes]
    return [
        KeyFigure(
            f"{results.max_posterior.mean():.2f}",
            "mean highest probability",
            _say_possible(job),
            _tone(job, ABOUT_POSTERIORS),
        ),
        KeyFigure(
            "–" if agreement is None else format_percent(agreement, 1),
            "agreement between runs",
            "only one run was made"
            if agreement is None
            else f"{len(job.runs)} random starts, mean over pairs",
            _tone(job, ABOUT_RUNS),
        ),
        KeyFigure(
            format_angstrom(min(filter(math.isfinite, resolutions), default=math.inf)),
            "best resolution of a class",
            "half maps, FSC 0.143",
        ),
        KeyFigure(
            format_count(job.n_particles),
            "particles",
            f"box {job.box} px, {job.pixel_size_angstrom:.4g} Å/px",
        ),
        KeyFigure(
            format_seconds(sum(job.seconds.values())),
            "in total",
            f"peak memory {max(job.peak_memory_gb.values(), default=0.0):.1f} GB",
        ),
    ]


def _say_possible(job: JobRecord) -> str:
    """Say what the highest probability compares with: guessing, and the best such images allow."""
    # Copies are one class; where none were found, probabilities are those of all that were tried.
    n_classes = (job.classes_found and job.n_effective_classes) or job.n_classes
    chance = f"chance would be {1.0 / n_classes:.2f}"
    if job.expected_accuracy is None or not job.classes_found:
        return chance
    return f"{chance}; such images allow {job.expected_accuracy:.2f}"


def _tone(job: JobRecord, codes: set[FindingCode]) -> Tone:
    """Take how good a number is from the finding about it; plain if there is none."""
    tones = (TONES[finding.severity] for finding in job.findings if finding.code in codes)
    return next(tones, "plain")


def sentences(results: RunResults) -> list[str]:
    """Tell how the result came about, and what speaks for it.

    What speaks against it is among the findings.
    """
    job, best = results.job, results.best_run
    told = [] if job.poses is None else [_say_poses(job.poses)]
    if not job.classes_found:
        told.append(
            "The maps and populations below are the algorithm's final state, shown for you to "
            "judge; they do not describe different structures."
        )
    told += [finding.text for finding in job.findings if finding.severity is Severity.NOTE]
    run = (
        f"The reported classes are those of run {best.run}, the best of {len(job.runs)} by "
        f"{job.objective_name}. It"
        if len(job.runs) > 1
        else "The run"
    )
    return [*told, f"{run} ended after {best.cycles} cycles: {best.reason.rstrip('.')}."]


def doubts(job: JobRecord) -> list[tuple[Severity, str]]:
    """List what speaks against the result, the run's own findings first, with what to do."""
    found = [(f.severity, f.text) for f in job.findings if f.severity is not Severity.NOTE]
    return [*found, *((Severity.WARNING, text) for text in job.warnings)]


def _say_poses(poses: PoseSummary) -> str:
    """Say what became of poses that were allowed to move."""
    if poses.angle_error_degrees == 0:
        return f"Classes were kept on their scaffold over {poses.rounds} rounds."
    return (
        f"Poses were refined over {poses.rounds} rounds: those given seem to have been off by "
        f"{poses.given_angle_sd_degrees:.2f}° and {format_angstrom(poses.given_shift_sd_angstrom)}"
        f" (standard deviation of each rotation and shift); {poses.angle_error_degrees:.2f}° and "
        f"{format_angstrom(poses.shift_error_angstrom)} are expected of the new ones (median)."
    )

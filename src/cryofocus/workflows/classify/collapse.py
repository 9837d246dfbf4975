"""Runs that put nearly all particles into one class: they measure no difference, and no leak."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cryofocus.formatting import format_percent
from cryofocus.inference.cycles import Outcome
from cryofocus.inference.result import ClassificationResult, RunResult
from cryofocus.workflows.classify.counted import counted
from cryofocus.workflows.run.job import Finding, FindingCode, Severity

# Where no classes are found, a run with more than this in one class did not divide anything.
COLLAPSED_WEIGHT = 0.95


def has_collapsed(result: ClassificationResult, run: RunResult) -> bool:
    """Whether a run ended with nearly all particles in one class.

    A rare class that is found is none of this.
    """
    if run.outcome is Outcome.COLLAPSED:
        return True
    return not result.classes_found and largest_weight(result, run) > COLLAPSED_WEIGHT


def largest_weight(result: ClassificationResult, run: RunResult) -> float:
    """Return the fraction of the particles in the largest class."""
    return float(np.max(run.posteriors[result.counted].mean(axis=0)))


def judge_collapse(result: ClassificationResult) -> Iterator[Finding]:
    """Name every run that collapsed."""
    for number, run in enumerate(result.runs, start=1):
        if has_collapsed(result, run):
            weight = largest_weight(result, run)
            yield Finding(
                code=FindingCode.COLLAPSED,
                severity=Severity.WARNING,
                text=f"Run {number} collapsed: {format_percent(weight, 1)} of the "
                f"{counted(result)} ended in one class. It divided nothing, so its posteriors and "
                "its agreement with other runs say nothing of the region. Check that the region "
                "varies, ask for fewer classes, or try another --seed.",
                figures={"run": number, "weight": weight, "threshold": COLLAPSED_WEIGHT},
            )

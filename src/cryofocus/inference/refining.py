"""Runs whose classes the images tell apart are made once more, with cycles that refine.

Whether there are classes, and how many, is asked of runs that count each image's information as if
its class were known: their prior lets maps die of which little is known, and copies merge. Classes
that pass deserve maps with a prior for what is really known of them, and posteriors that do not
believe their own noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cryofocus.execution.monitor import Monitor
from cryofocus.inference.comparison import Comparison, Divisible
from cryofocus.inference.driver import Run, finish_run
from cryofocus.inference.merging import FinishedRun, find_alike
from cryofocus.inference.settings import ClassifierSettings


def refine_runs(
    comparison: Comparison[Any],
    settings: ClassifierSettings,
    runs: Sequence[FinishedRun[Any]],
    monitor: Monitor,
) -> list[FinishedRun[Any]]:
    """Refine the runs that settled with at least two classes that differ; others stay as they are.

    So does a run that does not settle again.

    Args:
        comparison: Of all particles.
        settings: Of the runs.
        runs: To their end, copies merged.
        monitor: Shows progress.
    """
    refined = []
    for number, one in enumerate(runs, start=1):
        if isinstance(comparison, Divisible) and one.outcome.is_converged and len(one.alike) > 1:
            few = comparison.with_classes(len(one.groups))
            state = few.begin_refining(one.run.state)
            n_cycles = comparison.n_prior_cycles + settings.max_cycles
            with monitor.stage(f"run {number}, refined", n_cycles) as advance:
                run = finish_run(few, settings, Run(state), advance)
            again = replace(one, run=run, outcome=run.outcome(settings), before=one.history)
            if again.outcome.is_converged:
                one = replace(again, alike=find_alike(few, again))
        refined.append(one)
    return refined

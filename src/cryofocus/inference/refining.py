"""A run whose classes the images tell apart is made once more, with cycles that refine.

Whether there are classes, and how many, is asked of runs that count each image's information as if
its class were known: their prior lets maps die of which little is known, and copies merge. Classes
that pass deserve maps with a prior for what is really known of them, and posteriors that do not
believe their own noise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cryofocus.execution.monitor import Monitor
from cryofocus.inference.comparison import Comparison, Divisible
from cryofocus.inference.driver import Run, finish_run
from cryofocus.inference.merging import FinishedRun, find_alike
from cryofocus.inference.settings import ClassifierSettings


def refine_run(
    comparison: Comparison[Any],
    settings: ClassifierSettings,
    one: FinishedRun[Any],
    monitor: Monitor,
) -> FinishedRun[Any]:
    """Refine a run that settled with at least two classes that differ.

    Another stays as it is, and so does one that does not settle again.

    Args:
        comparison: Of all particles.
        settings: Of the runs.
        one: To its end, copies merged.
        monitor: Shows progress.
    """
    has_classes = one.outcome.is_converged and len(one.alike) > 1
    if not (isinstance(comparison, Divisible) and has_classes):
        return one
    few = comparison.with_classes(len(one.groups))
    state = few.begin_refining(one.run.state)
    n_cycles = comparison.n_prior_cycles + settings.max_cycles
    with monitor.stage("best run, refined", n_cycles, at_most=True) as advance:
        run = finish_run(few, settings, Run(state), advance)
    if not run.outcome(settings).is_converged:
        return one
    # The history stays that of the cycles by which runs are compared.
    again = replace(one, run=replace(run, history=one.run.history))
    n_cycles = len(run.history)
    return replace(again, alike=find_alike(few, again), n_refining_cycles=n_cycles)

"""A run whose classes the images tell apart is made once more, with cycles that refine.

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
from cryofocus.inference.merging import FEWEST, FinishedRun, find_alike
from cryofocus.inference.posterior import estimate_class_weights
from cryofocus.inference.settings import ClassifierSettings

# Share of a state whose plain maps die because little is known of them. Common states whose maps
# die differ by so little that something else may move, seen through the region.
RARE = 0.2


def refine_run(
    comparison: Comparison[Any],
    settings: ClassifierSettings,
    one: FinishedRun[Any],
    monitor: Monitor,
    others: Sequence[FinishedRun[Any]] = (),
) -> FinishedRun[Any]:
    """Refine a run that settled with at least two classes that differ, or with two in all.

    Of two that do not differ, one may turn out to be a rare state once they are refined. Runs stay
    as they are that do not settle again, or that have neither.

    Args:
        comparison: Of all particles.
        settings: Of the runs.
        one: To its end, copies merged.
        monitor: Shows progress.
        others: Other runs, from the starts of which a rare state is looked for, too.
    """
    may_differ = one.outcome.is_converged and (len(one.alike) > 1 or len(one.groups) == FEWEST)
    if not (isinstance(comparison, Divisible) and may_differ):
        return one
    few = comparison.with_classes(len(one.groups))
    states = [one.run.state]
    if len(one.alike) == 1:
        states += [run.run.state for run in others if len(run.groups) == FEWEST and run is not one]
    n_cycles = len(states) * (comparison.n_prior_cycles + settings.max_cycles)
    with monitor.stage("best run, refined", n_cycles, at_most=True) as advance:
        runs = [
            finish_run(few, settings.refining, Run(few.begin_refining(state)), advance)
            for state in states
        ]
    run = max(runs, key=lambda run: run.history[-1].objective)
    if not run.outcome(settings).is_converged:
        return one
    # The history stays that of the cycles by which runs are compared.
    again = replace(one, run=replace(run, history=one.run.history))
    alike = find_alike(few, again)
    smallest = float(estimate_class_weights(run.state.posteriors).min())
    if len(one.alike) == 1 and (len(alike) == 1 or smallest > RARE):
        return one
    return replace(again, alike=alike, n_refining_cycles=len(run.history))

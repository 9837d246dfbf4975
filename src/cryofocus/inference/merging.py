"""Classes that the images do not tell apart: merging two of them raises the log-posterior.

The classes of a run that asked for too many are one another's copies with different noise. Two
classes merge into their weighted mean. That explains less, costs less under the prior of maps,
and frees a weight; all three follow from what is known of the run's end, without another cycle.
Pairs merge, the best first, while the log-posterior rises, or falls by no more than a copy gains
from the noise in its own map: by the measure that also decides how many classes there are
(`counting`).

The merged maps still hold the noise of all that went into them. So a run of which half the
classes or fewer are left goes on with these, until posteriors settle again. Where more are left,
the images may only be too poor for all states there are; these runs stay as they are. Where one
is left, there may have been too many: the prior is learnt of all classes together, and what tells
two states apart is little among copies, and dies. Such a run starts again with half as many.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Generic

import numpy as np
from jaxtyping import Float64

from cryofocus.execution.monitor import Advance, Monitor, noting
from cryofocus.inference.comparison import (
    ClassMoments,
    Comparison,
    Divisible,
    OwnNoise,
    State,
)
from cryofocus.inference.cycles import CycleRecord, Moves, Outcome
from cryofocus.inference.driver import Run, finish_run
from cryofocus.inference.posterior import (
    class_posteriors,
    class_weight_log_prior,
    estimate_class_weights,
)
from cryofocus.inference.settings import ClassifierSettings

Groups = tuple[tuple[int, ...], ...]

# Whether there are two classes or none is for the half sets to say: maps made from one of them
# cannot gain from the noise of the other.
FEWEST = 2


@dataclass(frozen=True, eq=False)
class FinishedRun(Generic[State]):
    """A run to its end, with the classes that were asked for.

    A class that was merged into another holds nobody from then on.

    Attributes:
        run: Its last state and the cycles that led there; with fewer classes, where some merged.
        outcome: How it ended.
        groups: Which of the classes asked for each class of the last state is, the one that holds
            the particles first.
        alike: The classes asked for, in groups that the images do not tell apart.
        before: Cycles with all classes, where some have merged since.
        n_refining_cycles: Cycles that refined the run, which its history does not tell.
        calibrated: Posteriors of the last state's classes that allow for the spread of images;
            None where that is not known.
    """

    run: Run[State]
    outcome: Outcome
    groups: Groups
    alike: Groups
    before: tuple[CycleRecord, ...] = ()
    n_refining_cycles: int = 0
    calibrated: Float64[np.ndarray, "particle n_left"] | None = None

    @property
    def posteriors(self) -> Float64[np.ndarray, "particle n_classes"]:
        """Posteriors of the classes asked for."""
        ended_with = self.run.state.posteriors
        return self.spread(ended_with if self.calibrated is None else self.calibrated)

    @property
    def history(self) -> tuple[CycleRecord, ...]:
        """All cycles, with the weights of the classes asked for."""
        since = (
            replace(
                record,
                class_weights=tuple(self.spread(np.array(record.class_weights))),
                moves=self._spread_moves(record.moves),
            )
            for record in self.run.history
        )
        return (*self.before, *since)

    @property
    def alike_at_the_end(self) -> tuple[tuple[int, int], ...]:
        """Pairs of classes of the last state that the images do not tell apart."""
        place = {group[0]: number for number, group in enumerate(self.groups)}
        return pair_up(tuple(tuple(place[k] for k in own if k in place) for own in self.alike))

    def _spread_moves(self, moves: Moves) -> Moves:
        if not moves:
            return ()
        counts = self.spread(self.spread(np.array(moves, np.float64)).T).T
        return tuple(tuple(map(int, row)) for row in counts)

    def spread(self, values: Float64[np.ndarray, "... group"]) -> Float64[np.ndarray, "... k"]:
        """Give values of the last state's classes to the classes asked for, 0 to merged ones."""
        spread = np.zeros((*values.shape[:-1], sum(map(len, self.groups))))
        spread[..., [group[0] for group in self.groups]] = values
        return spread


def pair_up(groups: Groups) -> tuple[tuple[int, int], ...]:
    """Return pairs of the first of each group and every other."""
    return tuple((group[0], other) for group in groups for other in group[1:])


def merge_runs(
    comparison: Comparison[Any],
    settings: ClassifierSettings,
    runs: Sequence[Run[Any]],
    monitor: Monitor,
) -> list[FinishedRun[Any]]:
    """Merge classes that the images do not tell apart, and go on with those that are left.

    Runs that did not settle stay as they are, and so do all runs of a strategy that cannot say
    what images tell apart.

    Args:
        comparison: Of all particles.
        settings: Of the runs.
        runs: The finished runs.
        monitor: Shows progress.
    """
    finished = [_finished(run, settings) for run in runs]
    if not isinstance(comparison, Divisible):
        return finished
    with monitor.stage("classes compared", len(runs)) as advance:
        for number, one in enumerate(finished):
            if one.outcome.is_converged:
                finished[number] = replace(one, alike=find_alike(comparison, one))
            advance()
    if settings.keep_all_classes:
        return finished
    for number, one in enumerate(finished):
        rerun = _Rerun(comparison, settings, monitor, number)
        if 1 < len(one.alike) <= len(one.groups) // 2:
            finished[number] = rerun.go_on(one)
        elif len(one.alike) == 1 and len(one.groups) > FEWEST and not comparison.plan.references:
            finished[number] = rerun.start_again(one)
    return finished


def _finished(run: Run[Any], settings: ClassifierSettings) -> FinishedRun[Any]:
    """Return a run before anything of it is merged."""
    alone = tuple((k,) for k in range(run.state.posteriors.shape[1]))
    return FinishedRun(run, run.outcome(settings), alone, alone)


@dataclass(frozen=True)
class _Rerun:
    """What a run needs to go on, or start again, with fewer classes."""

    comparison: Divisible[Any]
    settings: ClassifierSettings
    monitor: Monitor
    number: int

    def go_on(self, one: FinishedRun[Any]) -> FinishedRun[Any]:
        """Go on with merged classes, and merge again what images then do not tell apart."""
        with self._stage("merged") as advance:
            while 1 < len(one.alike) < len(one.groups):
                merged = [one.posteriors[:, list(group)].sum(axis=1) for group in one.alike]
                few = self.comparison.with_classes(len(merged))
                start = few.begin(np.stack(merged, axis=1))
                one = self._finish(few, start, one, one.alike, advance)
        return one

    def start_again(self, one: FinishedRun[Any]) -> FinishedRun[Any]:
        """Start with half as many classes, and half of these, until some differ or two are left.

        Where then half of them or fewer differ, the better is taken of these, merged, and of a
        start with as many.
        """
        again = self._start(len(one.groups) // 2, one)
        while len(again.alike) == 1 and len(again.groups) > FEWEST:
            again = self._start(len(again.groups) // 2, again)
        if not again.outcome.is_converged:
            return one
        if not 1 < len(again.alike) <= len(again.groups) // 2:
            return again
        merged, fresh = self.go_on(again), self._start(len(again.alike), again)
        is_better = fresh.run.history[-1].objective > merged.run.history[-1].objective
        has_as_many = fresh.outcome.is_converged and len(fresh.alike) >= len(merged.alike)
        return fresh if is_better and has_as_many else merged

    def _start(self, n_classes: int, one: FinishedRun[Any]) -> FinishedRun[Any]:
        """Start with fewer classes; of those asked for, each stands for every n-th one."""
        n_classes, n_asked = max(FEWEST, n_classes), sum(map(len, one.groups))
        few = self.comparison.with_classes(n_classes)
        groups = tuple(tuple(range(k, n_asked, n_classes)) for k in range(n_classes))
        with self._stage(f"{n_classes} classes") as advance:
            start = few.start(self.number, noting(advance))
            return self._finish(few, start, one, groups, advance)

    def _finish(
        self,
        few: Divisible[Any],
        start: Any,
        one: FinishedRun[Any],
        groups: Groups,
        advance: Advance,
    ) -> FinishedRun[Any]:
        """Finish a run that follows another, and merge what images do not tell apart."""
        run = finish_run(few, self.settings, Run(start), advance)
        again = FinishedRun(run, run.outcome(self.settings), groups, groups, one.history)
        is_over = again.outcome.is_converged
        return replace(again, alike=find_alike(few, again)) if is_over else again

    def _stage(self, name: str) -> AbstractContextManager[Advance]:
        n_cycles = self.comparison.n_prior_cycles + self.settings.max_cycles
        return self.monitor.stage(f"run {self.number + 1}, {name}", n_cycles, at_most=True)


def find_alike(comparison: Divisible[Any], one: FinishedRun[Any]) -> Groups:
    """Return which of the classes asked for belong together, by a run's last state."""
    state = one.run.state
    weights = estimate_class_weights(state.posteriors)
    moments, own_noise = comparison.class_moments(state), comparison.own_noise(state)
    together = merge_classes(moments, weights, own_noise)
    return tuple(tuple(k for g in members for k in one.groups[g]) for members in together)


@dataclass(frozen=True)
class _Mixture:
    """Classes as combinations of those of the run; `members` says which went into each."""

    members: tuple[tuple[int, ...], ...]
    combinations: Float64[np.ndarray, "group n_classes"]
    weights: Float64[np.ndarray, " group"]

    def merged(self, first: int, second: int) -> _Mixture:
        """Return the mixture with two classes in one, at the end."""
        pair, total = [first, second], self.weights[[first, second]].sum()
        others = [k for k in range(len(self.weights)) if k not in pair]
        mean = self.weights[pair] @ self.combinations[pair] / total
        return _Mixture(
            (*(self.members[k] for k in others), self.members[first] + self.members[second]),
            np.vstack([self.combinations[others], mean]),
            np.append(self.weights[others], total),
        )

    def log_posterior(self, moments: ClassMoments) -> float:
        """Return the log-posterior, up to what all mixtures of these classes share."""
        combined = moments.combined(self.combinations)
        evidence = class_posteriors(combined.log_likelihood, self.weights)[1].sum()
        # The prior is one of contrasts: classes cost by their distances from their mean.
        mean = self.weights @ self.combinations
        away = self.combinations - mean
        cost = 0.5 * float(self.weights @ np.einsum("gk,kl,gl->g", away, moments.prior, away))
        return float(evidence) - cost + class_weight_log_prior(self.weights)


def merge_classes(
    moments: ClassMoments,
    class_weights: Float64[np.ndarray, " n_classes"],
    own_noise: OwnNoise,
) -> Groups:
    """Return which classes, counted from 0, belong together.

    Args:
        moments: What all particles say of the maps a run ended with.
        class_weights: Its weights.
        own_noise: Given two groups of classes and what their difference gains, whether following
            noise may gain as much.
    """
    n_classes = len(class_weights)
    mixture = _Mixture(
        tuple((k,) for k in range(n_classes)), np.eye(n_classes), np.asarray(class_weights)
    )
    best = mixture.log_posterior(moments)
    while len(mixture.members) > 1:
        pairs = list(combinations(range(len(mixture.members)), 2))
        candidates = [mixture.merged(*pair) for pair in pairs]
        values = [candidate.log_posterior(moments) for candidate in candidates]
        chosen = int(np.argmax(values))
        first, second = (mixture.members[group] for group in pairs[chosen])
        cost = best - values[chosen]
        may_cost = len(mixture.members) > FEWEST
        if cost > 0 and not (may_cost and own_noise(first, second, cost)):
            break
        best, mixture = values[chosen], candidates[chosen]
    return tuple(tuple(sorted(group)) for group in mixture.members)

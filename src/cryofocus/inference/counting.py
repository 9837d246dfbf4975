"""How many classes there are: one run for each number, and the log-posterior each ends with.

The log-posterior pays for every map by its prior, so that it rises while a further class explains
more than noise, and falls beyond (docs/decisions/0023).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryofocus.execution.monitor import Advance, Arrays, Monitor
from cryofocus.inference.comparison import Divisible
from cryofocus.inference.driver import Run, run_all
from cryofocus.inference.settings import MOST_CLASSES, ClassifierSettings

logger = logging.getLogger(__name__)

# The search ends once so many numbers in a row are worse than the best.
PATIENCE = 2


@dataclass(frozen=True)
class Trial:
    """One number of classes.

    Attributes:
        n_classes: The number.
        objective: Log-posterior its run ended with.
        is_settled: Whether that run converged; one that did not says nothing.
    """

    n_classes: int
    objective: float
    is_settled: bool


@dataclass(frozen=True, eq=False)
class Counted:
    """What the search found.

    Attributes:
        trials: Every number tried.
        runs: The finished run of the best number, if it was made by this process.
    """

    trials: tuple[Trial, ...]
    runs: tuple[Run[Any], ...]

    @property
    def n_classes(self) -> int:
        """The best number."""
        return choose_number(self.trials)


@dataclass(frozen=True)
class _TrialMonitor:
    """`Monitor` that keeps the numbers tried with the state of the runs."""

    monitor: Monitor
    trials: tuple[Trial, ...]
    is_over: bool

    def stage(
        self, name: str, n_steps: int, *, at_most: bool = False
    ) -> AbstractContextManager[Advance]:
        """Show a stage."""
        if not self.is_over and name.startswith("run"):
            name = f"{_next_number(self.trials)} classes"
        return self.monitor.stage(name, n_steps, at_most=at_most)

    def save(self, arrays: Arrays) -> None:
        """Keep the state of the runs, and the numbers tried before."""
        self.monitor.save({**arrays, **_pack(self.trials, is_over=self.is_over)})

    def load(self) -> Arrays | None:
        """Return the state of these runs, if that is what was kept."""
        kept = self.monitor.load()
        if kept is None or "trials" not in kept:
            return None
        is_same = bool(kept["trials_over"]) == self.is_over
        return kept if is_same and _unpack(kept) == self.trials else None


def count_classes(
    comparison: Divisible[Any], settings: ClassifierSettings, monitor: Monitor
) -> Counted:
    """Try one number of classes after the other, until it only gets worse.

    Args:
        comparison: Of all particles.
        settings: Of the runs.
        monitor: Progress and checkpoints.
    """
    one = settings.model_copy(update={"n_runs": 1})
    kept = monitor.load()
    trials = _unpack(kept) if kept is not None and "trials" in kept else ()
    best: tuple[Run[Any], ...] = ()
    most = min(MOST_CLASSES, len(comparison.scale) // 2)
    while not _is_over(trials, most):
        number = _next_number(trials)
        own = _TrialMonitor(monitor, trials, is_over=False)
        runs = run_all(comparison.with_classes(number), one, own)
        objective = runs[0].history[-1].objective
        trials = (*trials, Trial(number, objective, runs[0].outcome(one).is_converged))
        logger.info("%d classes: log-posterior %.1f", number, objective)
        if choose_number(trials) == number:
            best = tuple(runs)
    return Counted(trials, best if best and _classes_of(best) == choose_number(trials) else ())


def monitor_after(monitor: Monitor, counted: Counted) -> Monitor:
    """Return a monitor for the runs that follow, which keeps the numbers tried with them."""
    return _TrialMonitor(monitor, counted.trials, is_over=True)


def choose_number(trials: Sequence[Trial]) -> int:
    """Return the number of the largest log-posterior among the runs that settled.

    Two where none did.
    """
    settled = [trial for trial in trials if trial.is_settled]
    return max(settled, key=lambda trial: trial.objective).n_classes if settled else 2


def _is_over(trials: Sequence[Trial], most: int) -> bool:
    if not trials:
        return False
    tried = trials[-1].n_classes
    return tried >= most or tried - choose_number(trials) >= PATIENCE


def _next_number(trials: Sequence[Trial]) -> int:
    return trials[-1].n_classes + 1 if trials else 2


def _classes_of(runs: Sequence[Run[Any]]) -> int:
    return int(runs[0].state.posteriors.shape[1])


def _pack(trials: Sequence[Trial], *, is_over: bool) -> dict[str, np.ndarray]:
    rows = [(trial.n_classes, trial.objective, trial.is_settled) for trial in trials]
    return {"trials": np.array(rows).reshape(-1, 3), "trials_over": np.array(is_over)}


def _unpack(kept: Arrays) -> tuple[Trial, ...]:
    rows = np.asarray(kept["trials"]).tolist()
    return tuple(Trial(int(n), objective, bool(settled)) for n, objective, settled in rows)

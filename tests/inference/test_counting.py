"""The number of classes: found where it is plain, and the search resumes to the same result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from cryofocus.arrays import AnyArray
from cryofocus.errors import SettingError
from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.comparison import RunPlan
from cryofocus.inference.counting import (
    PATIENCE,
    Trial,
    choose_number,
    count_classes,
    monitor_after,
)
from cryofocus.inference.deviations.comparison import ResidualComparison
from cryofocus.inference.driver import run_all
from cryofocus.inference.settings import MOST_CLASSES, ClassifierSettings
from planted import plant, prepare

SETTINGS = ClassifierSettings(n_classes="auto", n_runs=2)


class Stopped(Exception):
    """What a test stops a search with."""


class KeepingMonitor(SilentMonitor):
    """Keeps the last state, and stops after so many cycles."""

    def __init__(
        self, n_saves: int | None = None, kept: dict[str, AnyArray] | None = None
    ) -> None:
        self.kept, self.left = kept, n_saves

    def save(self, arrays: Mapping[str, AnyArray]) -> None:
        """Keep a copy."""
        self.kept = {name: np.array(array) for name, array in arrays.items()}
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Stopped

    def load(self) -> Mapping[str, AnyArray] | None:  # type: ignore[override]
        """Return what was kept."""
        return self.kept


def comparison() -> ResidualComparison:
    """Two plain classes."""
    return ResidualComparison(prepare(plant(600))[0], RunPlan(2, "subspace", 1))


def test_two_classes_are_counted_as_two() -> None:
    """The log-posterior falls with the third class, and the search ends soon after."""
    counted = count_classes(comparison(), SETTINGS, SilentMonitor())
    assert counted.n_classes == 2
    assert [trial.n_classes for trial in counted.trials] == [2, *range(3, 3 + PATIENCE)]
    assert counted.runs[0].state.posteriors.shape == (600, 2)


@pytest.mark.parametrize("n_saves", [5, 13, 25])
def test_a_search_that_was_stopped_goes_on_to_the_same_result(n_saves: int) -> None:
    """Whether it is stopped in the first number, a later one, or the runs that follow."""

    def search(monitor: KeepingMonitor) -> tuple[tuple[Trial, ...], np.ndarray]:
        counted = count_classes(comparison(), SETTINGS, monitor)
        chosen = comparison().with_classes(counted.n_classes)
        runs = run_all(chosen, SETTINGS, monitor_after(monitor, counted), done=counted.runs)
        return counted.trials, np.stack([run.state.posteriors for run in runs])

    expected = search(KeepingMonitor())
    stopped = KeepingMonitor(n_saves)
    with pytest.raises(Stopped):
        search(stopped)
    found = search(KeepingMonitor(kept=stopped.kept))
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


def test_only_runs_that_settled_count() -> None:
    """The largest log-posterior of a run that did not converge is no reason."""
    trials = [Trial(2, 10.0, is_settled=True), Trial(3, 99.0, is_settled=False)]
    assert choose_number(trials) == 2
    assert choose_number([*trials, Trial(4, 11.0, is_settled=True)]) == 4
    assert choose_number(trials[1:]) == 2


def test_strategies_without_a_prior_are_refused() -> None:
    """Numbers of classes cannot be compared by the likelihood alone."""
    with pytest.raises(SettingError, match=r"classes: found auto.*mask2d.*no prior of maps"):
        ClassifierSettings(n_classes="auto", strategy="mask2d")


@pytest.mark.parametrize("wrong", [1, 0, "many", 2.5, None])
def test_other_numbers_are_refused(wrong: object) -> None:
    """Anything but a number from 2 on or auto is an error that says so."""
    with pytest.raises(SettingError, match="expected a number of classes, at least 2, or auto"):
        ClassifierSettings(n_classes=wrong)
    assert ClassifierSettings(n_classes="auto").least_classes == 2
    assert ClassifierSettings(n_classes="auto").most_classes == MOST_CLASSES
    assert ClassifierSettings(n_classes=7).least_classes == 7

"""Runs made once more: those with classes that differ, and no others."""

from __future__ import annotations

import numpy as np

from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.comparison import RunPlan
from cryofocus.inference.deviations.comparison import ResidualComparison
from cryofocus.inference.driver import Run, finish_run
from cryofocus.inference.merging import FinishedRun, merge_runs
from cryofocus.inference.refining import refine_run
from cryofocus.inference.settings import ClassifierSettings
from planted import Planted, plant, prepare


def finish(n_classes: int, planted: Planted) -> tuple[FinishedRun, FinishedRun, np.ndarray]:
    """Make a run to its end, and refine it; and the truth."""
    settings = ClassifierSettings(n_classes=n_classes)
    comparison = ResidualComparison(prepare(planted)[0], RunPlan(n_classes, "subspace", 1))
    run = finish_run(comparison, settings, Run(comparison.start(0)), lambda *_, **__: None)
    merged = merge_runs(comparison, settings, [run], SilentMonitor())
    refined = refine_run(comparison, settings, merged[0], SilentMonitor())
    return merged[0], refined, planted.labels


def test_what_does_not_vary_is_not_refined() -> None:
    """Classes that are one another's copies stay as the run left them."""
    merged, refined, _ = finish(2, plant(noise_sd=24.0, signal=0.0))
    assert len(merged.alike) == 1
    assert refined is merged


def test_classes_that_differ_are_refined() -> None:
    """They settle again, the history stays the plain run's, and merged classes stay merged."""
    merged, refined, truth = finish(4, plant(noise_sd=24.0))
    assert len(merged.alike) == len(refined.alike) == 2
    assert refined.groups == merged.groups
    assert refined.history == merged.history
    assert refined.n_refining_cycles > 0
    assert refined.run.state.uncertainty is not None
    held = refined.posteriors.any(axis=0).nonzero()[0]
    assert len(held) == 2
    right = (refined.posteriors[:, held].argmax(axis=1) == truth).mean()
    assert max(right, 1 - right) > 0.95


def test_a_rare_state_that_the_run_lost_is_found_again() -> None:
    """One in thirty: to the run its classes are copies, and refined it holds most of the state."""
    merged, refined, truth = finish(2, plant(900, noise_sd=32.0, every=30))
    assert len(merged.alike) == 1
    assert len(refined.alike) == 2
    rare = refined.posteriors.argmax(axis=1) == refined.posteriors.sum(axis=0).argmin()
    assert (rare & (truth == 1)).sum() > 0.5 * (truth == 1).sum()
    assert (rare & (truth == 0)).sum() < 0.02 * (truth == 0).sum()

"""Classes that images do not tell apart become one; those they do stay apart."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.inference.comparison import ClassMoments, RunPlan
from cryofocus.inference.deviations.comparison import ResidualComparison
from cryofocus.inference.driver import Run, finish_run
from cryofocus.inference.merging import merge_classes
from cryofocus.inference.posterior import estimate_class_weights
from cryofocus.inference.settings import ClassifierSettings
from planted import plant, prepare


def seen(maps: np.ndarray, labels: np.ndarray, variance: float = 1.0) -> ClassMoments:
    """What images of the labelled maps say of all maps; maps have a prior of this variance."""
    rng = np.random.default_rng(1)
    images = maps[labels] + rng.standard_normal((len(labels), maps.shape[1]))
    overlap = np.broadcast_to(maps @ maps.T, (len(labels), len(maps), len(maps)))
    return ClassMoments(images @ maps.T, overlap.copy(), maps @ maps.T / variance)


def test_copies_merge_and_classes_stay() -> None:
    """Two maps of the same thing with different noise are one class, a third is another."""
    rng = np.random.default_rng(2)
    states = np.array([[1.5] * 8, [-1.5] * 8])
    maps = states[[0, 1, 1]] + 0.05 * rng.standard_normal((3, 8))
    labels = rng.integers(0, 3, 500)
    groups = merge_classes(seen(maps, labels), np.full(3, 1 / 3))
    assert sorted(groups) == [(0,), (1, 2)]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_numbering_does_not_matter(order: list[int]) -> None:
    """Renumbered classes give the same groups."""
    rng = np.random.default_rng(3)
    maps = np.repeat([[1.0] * 8, [-1.0] * 8], 2, axis=0) + 0.05 * rng.standard_normal((4, 8))
    moments = seen(maps, rng.integers(0, 4, 400)).combined(np.eye(4)[order])
    groups = merge_classes(moments, np.full(4, 0.25))
    named = {frozenset(order[k] for k in group) for group in groups}
    assert named == {frozenset({0, 1}), frozenset({2, 3})}


def test_noise_becomes_one_class() -> None:
    """Maps that explain nothing all merge."""
    maps = 0.02 * np.random.default_rng(4).standard_normal((3, 8))
    assert merge_classes(seen(maps, np.zeros(300, int)), np.full(3, 1 / 3)) == ((0, 1, 2),)


def test_runs_that_ask_for_too_many_end_with_as_many_as_there_are() -> None:
    """Five classes asked for where there are two: two are left, and they are the true ones."""
    planted = plant(600)
    comparison = ResidualComparison(prepare(planted)[0], RunPlan(5, "subspace", 1))
    settings = ClassifierSettings(n_classes=5)
    run = finish_run(comparison, settings, Run(comparison.start(0)), lambda *_, **__: None)
    state = run.state
    groups = merge_classes(
        comparison.class_moments(state), estimate_class_weights(state.posteriors)
    )
    assert len(groups) == 2
    merged = np.stack([state.posteriors[:, list(group)].sum(axis=1) for group in groups], axis=1)
    right = (merged.argmax(axis=1) == planted.labels).mean()
    assert max(right, 1 - right) > 0.85

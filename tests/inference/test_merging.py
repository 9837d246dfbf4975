"""Classes that images do not tell apart become one; those they do stay apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.comparison import ClassMoments, RunPlan
from cryofocus.inference.cycles import CycleRecord, Outcome
from cryofocus.inference.deviations.comparison import ResidualComparison
from cryofocus.inference.deviations.em import EmState
from cryofocus.inference.driver import Run, finish_run
from cryofocus.inference.merging import _Mixture, merge_classes, merge_runs
from cryofocus.inference.settings import ClassifierSettings
from planted import plant, prepare

SETTINGS = ClassifierSettings(n_classes=5)
# What copies may gain here; a class alone gains nothing.
OWN_NOISE = 20.0


def own_noise(first: tuple[int, ...], second: tuple[int, ...], gain: float) -> bool:
    """Say the same of all pairs of groups."""
    assert not set(first) & set(second)
    return gain <= OWN_NOISE


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
    groups = merge_classes(seen(maps, labels), np.full(3, 1 / 3), own_noise)
    assert sorted(groups) == [(0,), (1, 2)]


def gains(n_images: int, noise: float, n_classes: int) -> tuple[ClassMoments, float]:
    """Return classes of which the last two differ by fitted noise, and what merging them costs."""
    states = np.array([[1.5] * 8, [-1.5] * 8])[[0, 1, 1]][-n_classes:]
    labels = np.random.default_rng(2).integers(0, n_classes, n_images)
    rng = np.random.default_rng(1)  # as in `seen`
    own = rng.standard_normal((n_images, 8))[labels == n_classes - 1].mean(axis=0)
    maps = states.copy()
    maps[-1] += noise * own
    moments = seen(maps, labels, variance=np.inf)
    weights = np.full(n_classes, 1 / n_classes)
    alone = _Mixture(tuple((k,) for k in range(n_classes)), np.eye(n_classes), weights)
    both = alone.merged(n_classes - 2, n_classes - 1)
    return moments, both.log_posterior(moments) - alone.log_posterior(moments)


@pytest.mark.parametrize(("noise", "is_copy"), [(7.0, True), (10.0, False)])
def test_a_class_that_gains_no_more_than_noise_gives_is_a_copy(
    noise: float, *, is_copy: bool
) -> None:
    """Merging may cost what a copy owes to the noise in its map, and no more."""
    moments, gain = gains(300, noise, 3)
    assert (-OWN_NOISE < gain < 0) is is_copy
    assert ((1, 2) in merge_classes(moments, np.full(3, 1 / 3), own_noise)) is is_copy


def test_the_last_two_classes_owe_nothing() -> None:
    """Whether there are classes at all is asked elsewhere: a small gain keeps two apart."""
    moments, gain = gains(300, 6.0, 2)
    assert -OWN_NOISE < gain < 0
    assert merge_classes(moments, np.full(2, 0.5), own_noise) == ((0,), (1,))


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_numbering_does_not_matter(order: list[int]) -> None:
    """Renumbered classes give the same groups."""
    rng = np.random.default_rng(3)
    maps = np.repeat([[1.0] * 8, [-1.0] * 8], 2, axis=0) + 0.05 * rng.standard_normal((4, 8))
    moments = seen(maps, rng.integers(0, 4, 400)).combined(np.eye(4)[order])
    groups = merge_classes(moments, np.full(4, 0.25), own_noise)
    named = {frozenset(order[k] for k in group) for group in groups}
    assert named == {frozenset({0, 1}), frozenset({2, 3})}


def test_noise_becomes_one_class() -> None:
    """Maps that explain nothing all merge."""
    maps = 0.02 * np.random.default_rng(4).standard_normal((3, 8))
    moments = seen(maps, np.zeros(300, int))
    assert merge_classes(moments, np.full(3, 1 / 3), own_noise) == ((0, 1, 2),)


@pytest.fixture(scope="module")
def too_many() -> tuple[ResidualComparison, Run[EmState], np.ndarray]:
    """A run that ended with five classes where there are two; and the truth."""
    planted = plant(600)
    comparison = ResidualComparison(prepare(planted)[0], RunPlan(5, "subspace", 1))
    run = finish_run(comparison, SETTINGS, Run(comparison.start(0)), lambda *_, **__: None)
    return comparison, run, planted.labels


def test_runs_that_ask_for_too_many_end_with_as_many_as_there_are(
    too_many: tuple[ResidualComparison, Run[EmState], np.ndarray],
) -> None:
    """Five classes asked for where there are two: two are left, and they are the true ones."""
    comparison, run, truth = too_many
    (merged,) = merge_runs(comparison, SETTINGS, [run], SilentMonitor())
    assert merged.outcome is Outcome.CONVERGED
    assert sorted(k for group in merged.groups for k in group) == [0, 1, 2, 3, 4]
    assert merged.groups == merged.alike
    assert merged.posteriors.shape == run.state.posteriors.shape
    held = merged.posteriors.any(axis=0)
    assert held.nonzero()[0].tolist() == sorted(group[0] for group in merged.groups)
    np.testing.assert_allclose(merged.posteriors.sum(axis=1), 1)
    assert held.sum() == 2
    first = merged.groups[0][0]
    right = ((merged.posteriors.argmax(axis=1) == first) == truth).mean()
    assert max(right, 1 - right) > 0.85
    # If the two that are left are told apart no longer, they are known by their own numbers.
    everything = tuple(k for group in merged.groups for k in group)
    assert replace(merged, alike=(everything,)).alike_at_the_end == ((0, 1),)


def test_merged_runs_go_on_to_what_two_classes_find(
    too_many: tuple[ResidualComparison, Run[EmState], np.ndarray],
) -> None:
    """Their log-posterior is that of a run with two classes; the cycles of both parts are kept."""
    comparison, run, _ = too_many
    (merged,) = merge_runs(comparison, SETTINGS, [run], SilentMonitor())
    two = comparison.with_classes(2)
    direct = finish_run(two, SETTINGS, Run(two.start(0)), lambda *_, **__: None)
    assert merged.history[-1].objective == pytest.approx(direct.history[-1].objective, abs=1)
    assert merged.history[-1].objective > run.history[-1].objective
    assert merged.history[: len(run.history)] == run.history
    assert len(merged.history) > len(run.history)
    for record in merged.history:
        assert sum(record.class_weights) == pytest.approx(1)
        assert np.sum(record.moves) == len(merged.posteriors)


@pytest.mark.parametrize(
    "changed", [{"keep_all_classes": True}, {"max_cycles": 1}], ids=["told to", "not settled"]
)
def test_runs_that_stay_as_they_are(
    too_many: tuple[ResidualComparison, Run[EmState], np.ndarray], changed: dict[str, object]
) -> None:
    """All classes stay where the user wants so, and in a run that has not settled."""
    comparison, run, _ = too_many
    if "max_cycles" in changed:
        run = Run(run.state, run.history[:1])
    settings = SETTINGS.model_copy(update=changed)
    (same,) = merge_runs(comparison, settings, [run], SilentMonitor())
    assert same.run is run
    assert same.history == run.history
    np.testing.assert_array_equal(same.posteriors, run.state.posteriors)
    assert len(same.alike) == (2 if "keep_all_classes" in changed else 5)


def test_a_few_copies_stay(
    too_many: tuple[ResidualComparison, Run[EmState], np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Classes stay where more than half of them differ: images may be too poor for the others."""
    comparison, run, _ = too_many
    three = ((0, 1), (2, 3), (4,))
    monkeypatch.setattr("cryofocus.inference.merging.merge_classes", lambda *_: three)
    (same,) = merge_runs(comparison, SETTINGS, [run], SilentMonitor())
    assert same.run is run
    assert same.alike == three
    assert same.alike_at_the_end == ((0, 1), (2, 3))


def test_where_all_are_copies_fewer_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing tells any classes apart, two are tried last; those asked for count to them."""
    planted = plant(200)
    comparison = ResidualComparison(prepare(planted)[0], RunPlan(3, "random", 1))
    state = comparison.step(comparison.start(0))[0]
    run = Run(state, (CycleRecord(0.0, 0.0, (0.4, 0.3, 0.3)),) * 2)
    monkeypatch.setattr(
        "cryofocus.inference.merging.merge_classes",
        lambda _, weights, __: (tuple(range(len(weights))),),
    )
    (again,) = merge_runs(comparison, SETTINGS, [run], SilentMonitor())
    assert again.groups == ((0, 2), (1,))
    assert again.alike == ((0, 2, 1),)
    assert again.posteriors.shape == (200, 3)
    assert again.history[:2] == run.history
    kept = SETTINGS.model_copy(update={"keep_all_classes": True})
    (same,) = merge_runs(comparison, kept, [run], SilentMonitor())
    assert same.run is run
    assert same.alike_at_the_end == ((0, 1), (0, 2))


def test_classes_that_died_among_copies_are_found_with_fewer() -> None:
    """Of sixteen classes nothing is left where two are; started with fewer, the two are found."""
    planted = plant(600, noise_sd=48.0)
    comparison = ResidualComparison(prepare(planted)[0], RunPlan(16, "subspace", 1))
    settings = ClassifierSettings(n_classes=16)
    run = finish_run(comparison, settings, Run(comparison.start(0)), lambda *_, **__: None)
    assert largest_gap(run.state.posteriors) < 0.02
    (found,) = merge_runs(comparison, settings, [run], SilentMonitor())
    assert len(found.alike) == 2
    assert sorted(k for group in found.groups for k in group) == list(range(16))
    first = found.posteriors[:, found.alike[0][0]] > 0.5
    right = (first == (planted.labels == 0)).mean()
    assert max(right, 1 - right) > 0.8


def largest_gap(posteriors: np.ndarray) -> float:
    """Return how far particles' posteriors differ from the mean over particles."""
    return float(np.abs(posteriors - posteriors.mean(axis=0)).max())

"""Matching and comparing independent runs."""

from __future__ import annotations

import numpy as np

from cryofocus.inference.cycles import CycleRecord, count_moves, pack_history, unpack_history
from cryofocus.inference.runs import compare_runs, match_classes_softly


def random_posteriors(seed: int, n: int = 60, k: int = 4) -> np.ndarray:
    """Return decided, but not hard, posteriors."""
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.2), n)


def test_identical_runs_agree_completely() -> None:
    """Runs that found the same have agreement 1 for every particle and every pair."""
    posteriors = random_posteriors(1)
    comparison = compare_runs([posteriors] * 3, [1.0, 3.0, 2.0])
    assert comparison.best == 1
    assert (comparison.agreement == 1).all()
    assert [fraction for _, _, fraction in comparison.pairs] == [1.0] * 3


def test_relabelling_a_run_changes_nothing() -> None:
    """Permuting the classes of a run permutes its order and leaves agreement as it is."""
    runs = [random_posteriors(seed) for seed in (1, 2, 3)]
    mixed = [runs[0], 0.7 * runs[0] + 0.3 * runs[1], runs[2]]
    permutation = np.array([2, 0, 3, 1])
    relabelled = [mixed[0], mixed[1][:, permutation], mixed[2]]
    before, after = (compare_runs(group, [3.0, 2.0, 1.0]) for group in (mixed, relabelled))
    np.testing.assert_array_equal(before.agreement, after.agreement)
    assert before.pairs == after.pairs
    np.testing.assert_array_equal(relabelled[1][:, after.orders[1]], mixed[1][:, before.orders[1]])


def test_matching_undoes_a_permutation() -> None:
    """The class of a permuted run that corresponds to a class is that class."""
    posteriors = random_posteriors(5)
    permutation = np.array([3, 1, 0, 2])
    order = match_classes_softly(posteriors, posteriors[:, permutation])
    np.testing.assert_array_equal(permutation[order], np.arange(4))


def test_agreement_counts_the_runs_that_concur() -> None:
    """A particle that one of three runs puts elsewhere has agreement two thirds."""
    hard = np.eye(2)[np.arange(20) % 2]
    other = hard.copy()
    other[0] = 1 - other[0]
    comparison = compare_runs([hard, hard, other], [2.0, 1.0, 0.0])
    np.testing.assert_allclose(comparison.agreement[0], 2 / 3, rtol=1e-6)
    assert (comparison.agreement[1:] == 1).all()
    assert comparison.pairs[1] == (0, 2, 0.95)


def test_a_run_that_went_on_is_compared_anew() -> None:
    """Of particles that the best run moved when it went on, the others no longer confirm any."""
    hard = np.eye(2)[np.arange(20) % 2]
    comparison = compare_runs([hard, hard, hard], [2.0, 1.0, 0.0])
    later = hard.copy()
    later[:3] = 1 - later[:3]
    matched = comparison.matched([later, hard, hard])
    expected = np.where(np.arange(20) < 3, 1 / 3, 1.0)
    np.testing.assert_allclose(matched.agreement, expected, rtol=1e-6)
    assert matched.pairs == comparison.pairs


def test_moves_count_every_particle_and_follow_the_classes() -> None:
    """Moves are those of the most probable classes, are renumbered with the classes, and stay the
    same in a checkpoint; other numbers of classes have none."""
    before, after = random_posteriors(1), random_posteriors(2)
    moves = count_moves(before, after)
    assert moves[2][1] == ((before.argmax(axis=1) == 2) & (after.argmax(axis=1) == 1)).sum()
    assert np.sum(moves) == len(before)
    order = np.array([2, 0, 3, 1])
    record = CycleRecord(-1.0, 0.5, (0.1, 0.2, 0.3, 0.4), moves)
    assert record.reordered(order).moves == count_moves(before[:, order], after[:, order])
    assert unpack_history(pack_history((record, record))) == (record, record)
    assert count_moves(before, after[:, :3]) == ()

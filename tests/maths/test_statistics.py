"""Agreement and calibration against scikit-learn, the definition and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix, recall_score

from cryofocus.maths.statistics import (
    match_classes,
    measure_agreement,
    measure_calibration,
    measure_grouped_agreement,
)


def noisy_labels(k: int, n: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, a found labelling that is right in most cases under renamed classes, the renaming."""
    rng = np.random.default_rng(k)
    truth = rng.integers(0, k, n)
    renaming = rng.permutation(k)
    wrong = rng.random(n) < 0.3
    found = renaming[np.where(wrong, rng.integers(0, k, n), truth)]
    return truth, found, renaming


@pytest.mark.parametrize("k", [2, 3, 5])
def test_figures_agree_with_scikit_learn(k: int) -> None:
    """Confusion, Cohen's kappa and sensitivity are scikit-learn's after the same matching."""
    truth, found, renaming = noisy_labels(k)
    result = measure_agreement(found, truth, k)
    np.testing.assert_array_equal(result.matching[renaming], np.arange(k))
    matched = result.matching[found]
    np.testing.assert_array_equal(result.confusion, confusion_matrix(truth, matched))
    assert result.cohen_kappa == pytest.approx(cohen_kappa_score(truth, matched))
    np.testing.assert_allclose(result.sensitivity, recall_score(truth, matched, average=None))
    specificity = [np.mean(matched[truth != c] != c) for c in range(k)]
    np.testing.assert_allclose(result.specificity, specificity)
    np.testing.assert_allclose(result.youden_j, result.sensitivity + result.specificity - 1)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_pooled_kappa_follows_its_definition(k: int) -> None:
    """One-versus-rest counts pooled over classes, and the closed form 1 - (1 - p) K / (K - 1)."""
    truth, found, _ = noisy_labels(k)
    result = measure_agreement(found, truth, k)
    matched = result.matching[found]
    right = sum(np.sum((truth == c) == (matched == c)) for c in range(k))
    assert result.accuracy == pytest.approx(right / (len(truth) * k))
    p = np.mean(truth == matched)
    assert result.fraction_correct == pytest.approx(p)
    assert result.kappa == pytest.approx(1 - (1 - p) * k / (k - 1))


def test_a_case_worked_by_hand() -> None:
    """Two classes, ten particles, one wrong: kappa 0.8, accuracy 0.9, J 0.8."""
    truth = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    found = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    result = measure_agreement(found, truth, 2)
    assert (result.kappa, result.accuracy) == (pytest.approx(0.8), pytest.approx(0.9))
    assert result.confusion.tolist() == [[4, 1], [0, 5]]
    assert result.matching.tolist() == [1, 0]
    assert result.sensitivity.tolist() == [0.8, 1.0]
    assert result.specificity.tolist() == [1.0, 0.8]
    np.testing.assert_allclose(result.youden_j, [0.8, 0.8])


def test_the_matching_is_the_best_of_all() -> None:
    """No other permutation of four classes agrees in more particles; greedy choice would."""
    found = np.repeat([0, 0, 1, 1, 2, 3], [50, 49, 48, 1, 5, 5])
    truth = np.repeat([0, 1, 0, 2, 2, 3], [50, 49, 48, 1, 5, 5])
    matching = match_classes(found, truth, 4)
    assert matching.tolist() == [1, 0, 2, 3]


def test_one_found_class_is_chance() -> None:
    """Everything in one of two balanced classes scores zero, with both kappas."""
    truth, found = np.array([0, 1] * 10), np.zeros(20, dtype=int)
    result = measure_agreement(found, truth, 2)
    assert result.kappa == pytest.approx(0.0)
    assert result.cohen_kappa == pytest.approx(0.0)


def test_labels_outside_the_classes_are_refused() -> None:
    """A class index of K, or no particle at all, is an error and not a wrong figure."""
    with pytest.raises(ValueError, match="class indices must lie in 0 to 1"):
        measure_agreement(np.array([0, 2]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="agreement needs particles"):
        measure_agreement(np.array([], dtype=int), np.array([], dtype=int), 2)


def test_calibration_of_honest_and_of_boasting_posteriors() -> None:
    """Honest posteriors have a small expected error; always saying 0.95 at 70 % has 0.25."""
    rng = np.random.default_rng(5)
    honest = rng.uniform(0.5, 1.0, 20_000)
    correct = rng.random(20_000) < honest
    result = measure_calibration(honest, correct)
    assert result.expected_error < 0.02
    assert result.mean_posterior == pytest.approx(result.fraction_correct, abs=0.01)
    assert np.isnan(result.bin_posterior[:5]).all()
    assert result.bin_particles.sum() == 20_000
    boasting = measure_calibration(np.full(100, 0.95), np.arange(100) < 70)
    assert boasting.expected_error == pytest.approx(0.25)
    assert measure_calibration(np.ones(3), np.ones(3, dtype=bool)).expected_error == 0.0


def test_more_found_classes_than_true_ones_are_assigned_by_majority() -> None:
    """Splitting true classes costs nothing, and what is mixed counts for its larger part."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 400)
    split = 2 * truth + rng.integers(0, 2, 400)
    judged = measure_grouped_agreement(split, truth, 2)
    assert judged.is_by_majority
    assert judged.agreement.kappa == 1
    np.testing.assert_array_equal(judged.assignment, [0, 0, 1, 1])
    mixed = np.where(rng.random(400) < 0.2, 4, split)
    share = np.bincount(truth[mixed == 4]).max() / (mixed == 4).sum()
    wrong = (1 - share) * np.mean(mixed == 4)
    assert measure_grouped_agreement(mixed, truth, 2).agreement.kappa == pytest.approx(
        1 - 2 * wrong
    )


def test_as_many_classes_as_true_ones_are_matched() -> None:
    """The result is that of matching one to one, whatever numbers the classes have."""
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 3, 300)
    found = np.where(rng.random(300) < 0.3, rng.integers(0, 3, 300), (truth + 1) % 3)
    judged = measure_grouped_agreement(2 * found, truth, 3)
    expected = measure_agreement(found, truth, 3)
    assert not judged.is_by_majority
    assert judged.agreement.kappa == expected.kappa
    np.testing.assert_array_equal(judged.assignment[::2], expected.matching)
    np.testing.assert_array_equal(judged.assignment[1::2], [-1, -1])

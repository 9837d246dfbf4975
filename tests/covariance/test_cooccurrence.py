"""Classes of units, from simulated posteriors of known coupling."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.covariance import significance
from cryofocus.covariance.cooccurrence import (
    coupling,
    find_relations,
    independence_p_values,
    joint_distribution,
    measure_cooccurrence,
    mutual_information_bits,
)
from cryofocus.maths.symmetry import OperatorSet

C2 = find_relations(2, OperatorSet.point_group("C2"))


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to tell one in a thousand, and quick."""
    monkeypatch.setattr(significance, "MOST_PERMUTATIONS", 1999)


def simulate_posteriors(
    n: int, coupled: float, information: float, generator: np.random.Generator
) -> np.ndarray:
    """Posteriors of two units; the second copies the first with a probability.

    Log-odds are normal about half the information, up or down, as those of images are.
    """
    first = generator.integers(0, 2, n)
    second = np.where(generator.random(n) < coupled, first, generator.integers(0, 2, n))
    classes = np.stack([first, second], axis=1)
    odds = (classes - 0.5) * information
    odds = odds + np.sqrt(information) * generator.standard_normal(odds.shape)
    up = 1 / (1 + np.exp(-odds))
    return np.stack([1 - up, up], axis=2)


@pytest.mark.parametrize("coupled", [0.0, 0.5, 1.0])
def test_coupling_is_recovered_from_uncertain_posteriors(coupled: float) -> None:
    """At 11 % misclassification, the coupling comes out within 0.05 and within its error."""
    generator = np.random.default_rng(11)
    posteriors = simulate_posteriors(3000, coupled, 6.0, generator)
    (found,) = measure_cooccurrence(posteriors, C2, generator)
    assert found.coupling == pytest.approx(coupled, abs=0.05)
    assert abs(found.coupling - coupled) < 4 * found.coupling_error + 0.01
    assert (found.adjusted_p_value < 0.001) == (coupled > 0)
    hard = posteriors.argmax(axis=2)
    share = (hard[:, 0] == hard[:, 1]).mean()
    np.testing.assert_allclose(np.trace(found.counts) / 3000, share)
    if coupled == 0.5:
        assert 2 * share - 1 < 0.4
        assert found.information_bits == pytest.approx(0.19, abs=0.06)


def test_false_positives_at_the_nominal_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 independent sets, at most 4 are called dependent at the 1 % level."""
    monkeypatch.setattr(significance, "MOST_PERMUTATIONS", 499)
    false = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        posteriors = simulate_posteriors(150, 0.0, 2.0, generator)
        likelihoods = posteriors / posteriors.mean(axis=(0, 1))
        false += independence_p_values(likelihoods, C2[0], generator)[0] < 0.01
    assert false <= 4


def test_neighbours_and_opposites_separate() -> None:
    """In C4, units that follow their opposite leave neighbours independent."""
    generator = np.random.default_rng(5)
    pairs = [simulate_posteriors(1000, 0.8, 20.0, generator) for _ in range(2)]
    posteriors = np.stack([pairs[0], pairs[1]], axis=2).reshape(1000, 4, 2)
    relations = find_relations(4, OperatorSet.point_group("C4"))
    neighbours, opposites = measure_cooccurrence(posteriors, relations, generator)
    assert opposites.relation.angle_degrees == pytest.approx(180)
    assert opposites.coupling == pytest.approx(0.8, abs=0.06)
    assert abs(neighbours.coupling) < 0.06
    assert neighbours.adjusted_p_value > 0.01 > opposites.adjusted_p_value


def test_joint_distribution_of_certain_classes_is_their_table() -> None:
    """Without misclassification EM gives the contingency table, whatever order it started in."""
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 3, (2, 400))
    sides = [np.eye(3)[side][None] + 1e-12 for side in labels]
    joint = joint_distribution(sides[0], sides[1], symmetric=False)
    table = np.bincount(3 * labels[0] + labels[1], minlength=9).reshape(3, 3) / 400
    np.testing.assert_allclose(joint, table, atol=1e-6)


def test_measures_of_known_tables() -> None:
    """Independent tables have neither coupling nor information; a diagonal one has all."""
    shares = np.array([0.2, 0.3, 0.5])
    copied = 0.4 * np.diag(shares) + 0.6 * np.outer(shares, shares)
    assert coupling(copied) == pytest.approx(0.4)
    assert mutual_information_bits(np.outer(shares, shares)) == pytest.approx(0, abs=1e-12)
    assert mutual_information_bits(np.eye(2) / 2) == pytest.approx(1)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("C2", [(1, 180, True)]),
        ("C5", [(5, 72, False), (5, 144, False)]),
        ("D3", [(6, 120, False), (3, 180, True), (3, 180, True), (3, 180, True)]),
    ],
)
def test_relations_of_groups(group: str, expected: list[tuple[int, int, bool]]) -> None:
    """Pairs are sorted by the motion between them; every pair is in exactly one relation."""
    operators = OperatorSet.point_group(group)
    relations = find_relations(len(operators), operators)
    found = [(len(r.pairs), round(r.angle_degrees or 0), r.is_mutual) for r in relations]
    assert found == expected
    assert sum(len(r.pairs) for r in relations) == len(operators) * (len(operators) - 1) // 2


def test_neighbours_along_a_helix() -> None:
    """Units of a helix are sorted by how many steps they are apart."""
    operators = OperatorSet.helix(30.0, 20.0, 5)
    relations = find_relations(5, operators)
    assert [len(r.pairs) for r in relations] == [4, 3, 2, 1]
    assert [round(r.shift_angstrom or 0) for r in relations] == [20, 40, 60, 80]


def test_unknown_operators() -> None:
    """Where poses tell no operators, every pair of units stands for itself."""
    relations = find_relations(3, None)
    assert [r.pairs.tolist() for r in relations] == [[[0, 1]], [[0, 2]], [[1, 2]]]
    assert relations[0].angle_degrees is None

"""Copies of classes, and classes without particles."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.copies import find_effective_classes


def draw(separation: float, n: int = 2000) -> np.ndarray:
    """Posteriors of two equal classes that images tell apart more or less well."""
    generator = np.random.default_rng(1)
    label = generator.integers(2, size=n)
    evidence = separation * (2 * label - 1) * separation / 2
    evidence = evidence + separation * generator.standard_normal(n)
    first = 1 / (1 + np.exp(-evidence))
    return np.stack([first, 1 - first], axis=1)


@pytest.mark.parametrize("separation", [1.2, 4.0])
def test_splitting_a_class_changes_nothing(separation: float) -> None:
    """Two classes of which one is written three times in unequal parts are two classes."""
    plain = draw(separation)
    parts = np.stack(
        [plain[:, 0], 0.5 * plain[:, 1], 0.3 * plain[:, 1], 0.2 * plain[:, 1]], axis=1
    )
    found = find_effective_classes(parts)
    assert len(found) == 2
    assert sorted(map(sorted, found.groups)) == [[0], [1, 2, 3]]
    order = [found.of_class(0), found.of_class(1)]
    np.testing.assert_allclose(found.merge(parts)[:, order], plain)


def test_classes_that_can_be_told_apart_stay() -> None:
    """Even where a third of the particles would be put into the wrong one."""
    posteriors = draw(0.9)
    assert 0.6 < posteriors.max(axis=1).mean() < 0.7
    assert len(find_effective_classes(posteriors)) == 2


def test_small_classes_stay() -> None:
    """A class of two per cent of the particles is none the less one."""
    posteriors = np.full((1000, 2), 0.01)
    posteriors[:20, 1], posteriors[20:, 0] = 0.99, 0.99
    found = find_effective_classes(posteriors)
    assert found.groups == ((0,), (1,))
    assert found.copies == ()


def test_empty_classes_are_named() -> None:
    """A class without particles is in no group, and what it had is shared out."""
    posteriors = np.concatenate([0.996 * draw(2.0), np.full((2000, 1), 0.004)], axis=1)
    found = find_effective_classes(posteriors)
    assert found.empty == (2,)
    assert found.of_class(2) is None
    np.testing.assert_allclose(found.merge(posteriors).sum(axis=1), 1)


def test_a_class_that_nobody_prefers_is_empty() -> None:
    """A few per cent of every particle are no particles."""
    posteriors = np.concatenate([0.97 * draw(2.0), np.full((2000, 1), 0.03)], axis=1)
    assert find_effective_classes(posteriors).empty == (2,)


def test_numbering_is_no_matter() -> None:
    """Classes in another order form the same groups."""
    plain = draw(1.5)
    parts = np.stack([plain[:, 0], 0.6 * plain[:, 1], 0.4 * plain[:, 1]], axis=1)
    order = np.array([2, 0, 1])
    groups = find_effective_classes(parts).groups
    renumbered = find_effective_classes(parts[:, order]).groups
    back = {tuple(sorted(order[list(group)].tolist())) for group in renumbered}
    assert back == {tuple(sorted(group)) for group in groups}


def test_what_else_is_the_same_counts() -> None:
    """Pairs known to be the same are joined, and so are pairs of pairs."""
    posteriors = np.eye(4)[np.arange(400) % 4]
    found = find_effective_classes(posteriors, [(0, 2), (2, 3)])
    assert sorted(map(len, found.groups)) == [1, 3]

"""Permutation tests and their adjustment."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.covariance import significance
from cryofocus.covariance.significance import adjust_p_values, n_permutations, pair_p_values


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to tell one in a thousand, and quick."""
    monkeypatch.setattr(significance, "MOST_PERMUTATIONS", 1999)


def test_shared_noise_is_no_coupling() -> None:
    """Errors that two regions share, by overlap in projection, give no small p-values."""
    noise = np.tile(np.array([[1.0, 0.6], [0.6, 1.0]]), (200, 1, 1))
    false = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        true = generator.standard_normal((200, 2))
        values = true + generator.multivariate_normal([0, 0], noise[0], size=200)
        false += pair_p_values(values, noise, np.eye(2), generator)[0, 1] < 0.05
    assert false <= 6


def test_coupling_is_found() -> None:
    """A correlation of 0.5 in 300 noisy particles gives the smallest p there is."""
    generator = np.random.default_rng(1)
    true = generator.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=300)
    noise = np.tile(0.3 * np.eye(2), (300, 1, 1))
    values = true + np.sqrt(0.3) * generator.standard_normal((300, 2))
    p_values = pair_p_values(values, noise, np.eye(2), generator)
    assert p_values[0, 1] == 1 / (n_permutations(300) + 1)
    assert p_values[0, 1] == p_values[1, 0]


def test_copies_are_permuted_together() -> None:
    """Ten copies of each particle are not ten particles: chance stays chance."""
    noise, false = np.tile(0.1 * np.eye(2), (300, 1, 1)), 0
    for seed in range(30):
        generator = np.random.default_rng(seed)
        values = np.repeat(generator.standard_normal((30, 2)), 10, axis=0)
        p_values = pair_p_values(values, noise, np.eye(2), generator, n_copies=10)
        false += p_values[0, 1] < 0.05
    assert false <= 5


def test_adjusted_p_values() -> None:
    """The example of Benjamini & Hochberg's procedure worked by hand."""
    adjusted = adjust_p_values(np.array([0.04, 0.01, 0.03, 0.5]))
    np.testing.assert_allclose(adjusted, [0.16 / 3, 0.04, 0.16 / 3, 0.5])

"""Groups are odd for the shape of their profile, not for their intensity."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.misfits.profiles import odd_groups


def draw(profiles: np.ndarray, n: int, information: float = 20.0) -> ImageMatch:
    """Sums of n images of every group, whose intensities by band are given."""
    rng = np.random.default_rng(3)
    intensity = np.repeat(profiles, n, axis=0) * rng.normal(1, 0.1, (n * len(profiles), 1))
    quadratic = information * rng.uniform(0.5, 2, intensity.shape)
    linear = intensity * quadratic + np.sqrt(quadratic) * rng.normal(size=intensity.shape)
    ones = np.ones_like(linear)
    return ImageMatch(ones, linear, quadratic, ones, ones, ones, ones)


@pytest.mark.parametrize("n_groups", [2, 8, 60])
def test_groups_alike_but_for_intensity_are_not_odd(n_groups: int) -> None:
    """Noise and a factor of two in intensity make no group odd."""
    profiles = np.linspace(0.7, 1.4, n_groups)[:, None] * np.array([1.0, 1.0, 1.1, 1.4])
    match = draw(profiles, 100)
    groups = np.repeat(np.arange(n_groups), 100)
    assert odd_groups(match, groups, 50, 0.03, 6.0) == ()


def test_groups_of_another_shape_are_named_the_oddest_first() -> None:
    """Bands that lose make a group odd, by how much decides the order; small groups are let be."""
    profiles = np.ones((7, 4))
    profiles[2] = [1.0, 1.0, 0.5, -0.2]
    profiles[5] = [1.0, 1.0, 0.8, 0.6]
    match = draw(profiles, 200)
    groups = np.repeat(np.arange(7), 200) + 10
    assert odd_groups(match, groups, 50, 0.15, 6.0) == (12, 15)
    assert odd_groups(match, groups, 201, 0.15, 6.0) == ()
    assert odd_groups(match, groups, 50, 0.9, 6.0) == (12,)


def test_a_set_of_one_group_or_without_signal_has_no_odd_ones() -> None:
    """There is nothing to compare with, or nothing to compare."""
    match = draw(np.ones((3, 4)), 100)
    assert odd_groups(match, np.zeros(300, int), 50, 0.03, 6.0) == ()
    nothing = draw(np.zeros((3, 4)), 100, 1e-30)
    assert odd_groups(nothing, np.repeat(np.arange(3), 100), 50, 0.03, 6.0) == ()

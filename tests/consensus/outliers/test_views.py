"""Distances are judged beside those of images that see the particle from the same side."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.outliers.views import level_views

N, OUTLYING = 4000, 16.0


@pytest.fixture(scope="module")
def views() -> np.ndarray:
    """Unit vectors in random directions."""
    vectors = np.random.default_rng(1).normal(size=(N, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def levelled(excess: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Squared distances of single values, whose median over the whole set is right."""
    square = excess**2
    return level_views(square * 0.4549 / np.median(square), excess, views, 1)


def test_what_varies_along_some_views_makes_no_outliers(views: np.ndarray) -> None:
    """Four times the spread near an axis, as where an arm is seen from its end."""
    along = np.abs(views[:, 2])
    excess = np.random.default_rng(2).normal(size=N) * (1 + 4 * along**8)
    whole = excess**2 * 0.4549 / np.median(excess**2)
    assert (whole > OUTLYING).mean() > 0.01
    square = levelled(excess, views)
    assert (square > OUTLYING).mean() < 1e-3
    assert np.median(whole[along > 0.9]) > 2
    assert 0.3 < np.median(square[along > 0.9]) < 0.8
    np.testing.assert_allclose(levelled(excess, -views), square, rtol=1e-9)


def test_junk_stands_out_though_half_a_view_is_junk(views: np.ndarray) -> None:
    """Images without a particle gather where a search put them; the good ones set the scale."""
    rng = np.random.default_rng(3)
    is_junk = (np.abs(views[:, 0]) > 0.9) & (rng.random(N) < 0.6)
    excess = rng.normal(size=N) - 10 * is_junk
    square = levelled(excess, views)
    assert (square[is_junk] > OUTLYING).mean() > 0.95
    assert (square[~is_junk] > OUTLYING).mean() < 1e-3


def test_few_images_and_images_that_say_nothing_stay_as_they_are(views: np.ndarray) -> None:
    """There is nothing to compare views by."""
    excess = np.random.default_rng(4).normal(size=100)
    np.testing.assert_array_equal(level_views(excess**2, excess, views[:100], 1), excess**2)
    nothing = np.zeros(N)
    np.testing.assert_array_equal(level_views(nothing, nothing, views, 12), nothing)

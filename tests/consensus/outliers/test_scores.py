"""Outliers are found for what they are, and nothing else is called one."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.match import ImageMatch
from cryofocus.consensus.outliers import scores
from cryofocus.consensus.outliers.scores import OUTLYING, count_outliers, outlier_scores
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.settings import ClassifierSettings
from planted import KERNELS, plant
from samples import ArrayReader

N_BANDS, N_COEFFICIENTS = 4, 800.0


def draw(
    intensity: np.ndarray,
    contrast: np.ndarray | float = 1.0,
    information: float = 30.0,
    seed: int = 1,
) -> ImageMatch:
    """Sums of images that show the consensus at given intensities, and noise.

    Information differs tenfold from image to image.
    """
    rng, n = np.random.default_rng(seed), len(intensity)
    quadratic = information * np.exp(rng.uniform(-1.15, 1.15, (n, 1))) * np.ones(N_BANDS)
    linear = intensity[:, None] * quadratic + np.sqrt(quadratic) * rng.normal(size=(n, N_BANDS))
    weight = rng.uniform(0.4, 0.6, (n, N_BANDS)) * N_COEFFICIENTS
    square = 1.5 * weight**2 / N_COEFFICIENTS
    power = N_COEFFICIENTS * rng.uniform(0.7, 1.4, (n, 1)) * np.ones(N_BANDS)
    # Half of it is the excess of squared weights, 2 that of exponential power.
    spread = np.sqrt(2 * 0.5 / N_COEFFICIENTS)
    ratio = np.reshape(contrast, (-1, 1)) + spread * rng.normal(size=(n, N_BANDS))
    modulated = ratio * weight * power / N_COEFFICIENTS
    counts = np.full((n, N_BANDS), N_COEFFICIENTS)
    return ImageMatch(counts, linear, quadratic, power, modulated, weight, square)


def score_of(match: ImageMatch, groups: np.ndarray | None = None) -> np.ndarray:
    """Scores of images seen from random sides, of one optics group if none is given."""
    n = len(match)
    views = np.random.default_rng(5).normal(size=(n, 3))
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    return outlier_scores(match, np.zeros(n, int) if groups is None else groups, views)


def test_good_images_score_like_normal_values() -> None:
    """However uncertain an image is and however strong, it is hardly ever called one."""
    rng = np.random.default_rng(0)
    score = score_of(draw(rng.normal(1, 0.15, 20000)))
    assert (score > OUTLYING).mean() < 3e-4
    # The larger of |x| and another.
    assert 0.8 < np.median(score) < 1.2


def test_a_sample_of_a_large_set_sets_the_same_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """All images are judged, by mean and covariance of some of them."""
    is_noise = np.arange(20000) % 5 == 0
    match = draw(np.where(is_noise, 0, np.random.default_rng(0).normal(1, 0.1, 20000)))
    by_all = score_of(match)
    monkeypatch.setattr(scores, "MOST_SAMPLED", 4000)
    by_some = score_of(match)
    assert 0 < np.quantile(np.abs(by_some - by_all), 0.99) < 0.3
    assert (by_some[is_noise] > OUTLYING).mean() > 0.97
    assert (by_some[~is_noise] > OUTLYING).sum() <= 1


def test_noise_is_found_though_a_fifth_of_the_set_is_noise() -> None:
    """Images without a particle have no intensity; the others set the standard."""
    n = 2000
    intensity = np.random.default_rng(0).normal(1, 0.1, n)
    is_noise = np.arange(n) % 5 == 0
    score = score_of(draw(np.where(is_noise, 0, intensity)))
    assert (score[is_noise] > OUTLYING).mean() > 0.97
    assert (score[~is_noise] > OUTLYING).sum() <= 1
    assert count_outliers(score) == (score > OUTLYING).sum()


def test_a_power_that_does_not_follow_the_ctf_is_found() -> None:
    """A contrast off by a tenth is seen, at an intensity like all others."""
    n = 2000
    is_wrong = np.arange(n) % 20 == 0
    contrast = np.where(is_wrong, 0.85, 1.0)
    score = score_of(draw(np.ones(n), contrast))
    assert (score[is_wrong] > OUTLYING).mean() > 0.95
    assert (score[~is_wrong] > OUTLYING).sum() <= 1


def test_groups_have_their_own_intensity() -> None:
    """A group twice as bright is not one of outliers; a group of noise is."""
    n = 3000
    groups = np.arange(n) % 3
    intensity = np.array([1.0, 2.0, 0.0])[groups]
    intensity *= np.random.default_rng(0).normal(1, 0.05, n)
    score = score_of(draw(intensity), groups)
    assert (score[groups < 2] > OUTLYING).sum() <= 2
    small = score_of(draw(intensity[:270]), groups[:270])
    assert (small[groups[:270] == 2]).mean() > (small[groups[:270] == 0]).mean()


def test_images_that_tell_nothing_are_not_judged() -> None:
    """Without a signal or without images there is nothing to be far from."""
    n = 200
    assert count_outliers(score_of(draw(np.ones(n), 1.0, 1e-9))) == 0
    few = score_of(draw(np.ones(5)))
    assert np.isfinite(few).all()


def test_images_of_noise_are_found_in_a_classification() -> None:
    """Every strategy's own pass tells noise from particles, and tells it alike."""
    planted = plant(400, noise_sd=6.0)
    rng = np.random.default_rng(7)
    images = planted.images.copy()
    images[::20] = rng.normal(0, images.std(), images[::20].shape)
    is_noise = np.arange(400) % 20 == 0
    found = []
    for strategy in ("residual", "mask2d"):
        settings = ClassifierSettings(n_classes=2, n_runs=1, strategy=strategy, max_cycles=1)
        classifier = FocusedClassifier(settings, KERNELS)
        result = classifier.fit(planted.particles, ArrayReader(images), planted.mask)
        assert result.outlier is not None
        assert (result.outlier[is_noise] > OUTLYING).all()
        assert (result.outlier[~is_noise] > OUTLYING).mean() < 0.02
        found.append(result.outlier)
    np.testing.assert_allclose(*found, rtol=0.02, atol=0.02)


def test_images_that_do_not_count_are_not_judged() -> None:
    """Particles without weight are no outliers, and make none of the others."""
    n = 2000
    whole = draw(np.random.default_rng(0).normal(1, 0.1, n))
    counts = np.arange(n) % 3 != 0
    sums = [np.where(counts[:, None], one, 0.0) for one in whole.sums]
    groups, views = np.zeros(n, int), np.tile([0.0, 0.0, 1.0], (n, 1))
    score = outlier_scores(ImageMatch(*sums), groups, views)
    assert (score[~counts] == 0).all()
    rows = np.flatnonzero(counts)
    expected = outlier_scores(whole.take(rows), groups[rows], views[rows])
    np.testing.assert_array_equal(score[counts], expected)

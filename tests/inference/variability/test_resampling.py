"""Variance of maps of resampled particles."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.residuals import whole_consensus
from cryofocus.data.mask import FocusMask
from cryofocus.inference.deviations.focus import (
    FocusBox,
    FocusPlan,
    FocusStatistics,
    measure_focus,
)
from cryofocus.inference.variability.resampling import bootstrap_variance
from cryofocus.maths.fourier import resize_volume
from planted import BOX, KERNELS, N_SHELLS, Planted, plant, prepare
from samples import PIXEL_SIZE


def whole_statistics(planted: Planted) -> FocusStatistics:
    """Statistics of the whole box of a planted set."""
    _, consensus = prepare(planted)
    mask = FocusMask.whole(BOX, PIXEL_SIZE, soft_edge_angstrom=4.0)
    box = FocusBox.around(mask.data, PIXEL_SIZE, N_SHELLS)
    background = whole_consensus(consensus, KERNELS)
    return measure_focus(background, consensus.image_model, FocusPlan(box, N_SHELLS))


def test_excess_is_where_classes_differ() -> None:
    """The variance beyond noise peaks in one of the two places that a lump of density takes."""
    planted = plant(noise_sd=4.0)
    statistics = whole_statistics(planted)
    found = bootstrap_variance(statistics, 48, KERNELS, np.random.default_rng(1))
    expected = resize_volume(planted.difference, len(found.total)) ** 2
    assert np.corrcoef(found.excess.ravel(), expected.ravel())[0, 1] > 0.5
    assert expected.flat[found.excess.argmax()] > 0.3 * expected.max()


def test_noise_alone_has_no_excess() -> None:
    """Images of noise have the variance that noise explains, everywhere inside the particle."""
    statistics = whole_statistics(plant(signal=0.0))
    found = bootstrap_variance(statistics, 48, KERNELS, np.random.default_rng(1))
    ratio = found.total / found.noise
    assert abs(float(np.median(ratio)) - 1) < 0.05
    low, high = np.percentile(ratio, (1, 99))
    # A variance of 48 draws has a relative standard deviation of 0.2.
    assert 0.4 < low < high < 2.0


def test_same_seed_same_variance() -> None:
    """The same seed draws the same particles and the same noise."""
    statistics = whole_statistics(plant())
    first, second = (
        bootstrap_variance(statistics, 10, KERNELS, np.random.default_rng(2)) for _ in range(2)
    )
    np.testing.assert_allclose(first.total, second.total, rtol=1e-3)


def test_a_part_of_the_box_is_refused() -> None:
    """Statistics of a small region cannot be turned into maps of resampled particles."""
    problem, _ = prepare(plant())
    with pytest.raises(ValueError, match="need the statistics of the whole box"):
        bootstrap_variance(problem.statistics.whole(), 10, KERNELS, np.random.default_rng(1))

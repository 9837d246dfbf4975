"""Filters on Fourier shells."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.filters import expand_shells, filter_shells, lowpass, lowpass_curve
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.grids import shell_index_3d


@pytest.mark.parametrize("box", [16, 17])
def test_low_pass_keeps_what_is_coarse_and_nothing_fine(box: int) -> None:
    """Shells up to the resolution are unchanged, those beyond the edge are empty."""
    volume = np.random.default_rng(1).normal(size=(box,) * 3).astype(np.float32)
    before = volume.copy()
    filtered = lowpass(volume, 2.0, 2.0 * box / 4)
    shells, half = shell_index_3d(box), forward_3d(filtered.astype(np.float64))
    kept = shells <= 4
    expected = forward_3d(volume.astype(np.float64))
    np.testing.assert_allclose(half[kept], expected[kept], rtol=0, atol=1e-4)
    assert np.abs(half[shells >= 7]).max() < 1e-4
    assert filtered.dtype == np.float32
    np.testing.assert_array_equal(volume, before)


def test_corners_take_the_last_shell() -> None:
    """A curve is laid out by shell; what lies beyond Nyquist has Nyquist's value."""
    laid_out = expand_shells(np.arange(5.0), 8)
    assert (laid_out[0, 0, 3], laid_out[2, 0, 0], laid_out[4, 4, 4]) == (3, 2, 4)


def test_ones_change_nothing() -> None:
    """A filter that passes everything is the identity, corners included."""
    volume = np.random.default_rng(2).normal(size=(9, 9, 9))
    np.testing.assert_allclose(filter_shells(volume, lowpass_curve(9, 4.0)), volume, atol=1e-12)

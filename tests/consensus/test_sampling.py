"""Maps on the grid of the files and on the coarser one they are made on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryofocus.consensus.sampling import masked, sample_fsc, sample_map
from cryofocus.maths.fourier import forward_3d, resize_half_3d
from cryofocus.maths.grids import shell_index_3d
from cryofocus.maths.masks import sphere_mask


def smooth_map(box: int, sigma: float = 2.0) -> np.ndarray:
    """Return a map without fine detail."""
    rng = np.random.default_rng(box)
    return gaussian_filter(rng.normal(size=(box,) * 3), sigma).astype(np.float32)


@pytest.mark.parametrize(("box", "coarse"), [(24, 18), (25, 18), (24, 24)])
def test_a_map_sampled_coarsely_keeps_its_transform(box: int, coarse: int) -> None:
    """Slices of a given map are the same after it was sampled coarsely."""
    volume = smooth_map(box)
    found = forward_3d(sample_map(volume, coarse))
    expected = resize_half_3d(forward_3d(volume), box, coarse)
    near = slice(0, coarse // 2 - 1)
    np.testing.assert_allclose(
        found[near, near, near], expected[near, near, near], atol=1e-4 * np.abs(expected).max()
    )


@pytest.mark.parametrize(("box", "fine"), [(18, 24), (18, 25), (15, 24), (15, 15)])
def test_a_map_filled_with_zeros_keeps_its_transform(box: int, fine: int) -> None:
    """A map brought to the box of the files holds the same coefficients, and nothing beyond."""
    volume = smooth_map(box, 1.0)
    found, shells = forward_3d(sample_map(volume, fine)), shell_index_3d(fine)
    kept = resize_half_3d(found, fine, box)
    expected, inside = forward_3d(volume), shell_index_3d(box) < box // 2
    np.testing.assert_allclose(kept[inside], expected[inside], atol=1e-5 * np.abs(expected).max())
    assert np.abs(found[shells > 0.87 * box]).max(initial=0) < 1e-5 * np.abs(expected).max()


def test_a_product_with_a_mask_is_that_on_the_masks_grid() -> None:
    """A coarse map times a fine mask has the coefficients of the fine map times the mask."""
    fine, coarse = 32, 20
    volume = sample_map(smooth_map(coarse, 1.0), fine)
    mask = sphere_mask(fine, 1.0, (3.0, 0.0, -2.0), 7.0, 3.0)
    found = masked(sample_map(volume, coarse), mask)
    expected = sample_map(volume * mask, coarse)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(masked(volume, mask), volume * mask)


def test_a_curve_is_zero_beyond_its_end() -> None:
    """Half maps that end have no correlation beyond, on the shells of the larger box."""
    np.testing.assert_array_equal(sample_fsc(np.array([1.0, 0.5]), 8), [1, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(sample_fsc(np.array([1.0, 0.5, 0.2]), 4), [1, 0.5, 0.2])

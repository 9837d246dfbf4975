"""References of the strategy mask2d: their sampling and what surrounds them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cryofocus.inference.mask2d.whole_maps import inscribed_sphere, reference_grids, sample_map
from cryofocus.maths.fourier import forward_3d, resize_half_3d

VOXEL = 6.0


@pytest.mark.parametrize(("box", "coarse"), [(24, 18), (25, 18), (24, 24)])
def test_a_map_sampled_coarsely_keeps_its_transform(box: int, coarse: int) -> None:
    """Slices of a given map are the same after it was sampled as the references are."""
    rng = np.random.default_rng(box)
    volume = gaussian_filter(rng.normal(size=(box,) * 3), 2.0).astype(np.float32)
    found = forward_3d(sample_map(volume, coarse))
    expected = resize_half_3d(forward_3d(volume), box, coarse)
    near = slice(0, coarse // 2 - 1)
    np.testing.assert_allclose(
        found[near, near, near], expected[near, near, near], atol=1e-4 * np.abs(expected).max()
    )


def test_references_hold_nothing_in_the_corners_of_the_box() -> None:
    """Density beyond the inscribed sphere does not enter the comparison; the middle does."""
    middle, corner = (np.zeros((20,) * 3, np.float32) for _ in range(2))
    middle[10, 10, 10] = corner[1, 1, 1] = 1
    grids = reference_grids([middle, corner], inscribed_sphere(20, VOXEL), 30)
    assert grids.shape == (30, 30, 16, 2)
    assert np.abs(grids[..., 0]).max() > 0.99
    assert np.abs(grids[..., 1]).max() == 0

"""References of the strategy mask2d: what surrounds them."""

from __future__ import annotations

import numpy as np

from cryofocus.inference.mask2d.whole_maps import inscribed_sphere, reference_grids

VOXEL = 6.0


def test_references_hold_nothing_in_the_corners_of_the_box() -> None:
    """Density beyond the inscribed sphere does not enter the comparison; the middle does."""
    middle, corner = (np.zeros((20,) * 3, np.float32) for _ in range(2))
    middle[10, 10, 10] = corner[1, 1, 1] = 1
    grids = reference_grids([middle, corner], inscribed_sphere(20, VOXEL), 30)
    assert grids.shape == (30, 30, 16, 2)
    assert np.abs(grids[..., 0]).max() > 0.99
    assert np.abs(grids[..., 1]).max() == 0

"""Where deviations are expected, for masks of hardly more than a voxel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cryofocus.inference.deviations.deviation import DeviationSpace
from cryofocus.inference.deviations.prior import consensus_support
from planted import plant, prepare


def test_a_mask_that_lost_its_top_still_has_a_support() -> None:
    """A mask below one half everywhere, as coarse sampling may leave it, keeps its place."""
    space = prepare(plant())[0].space
    weak = replace(space.box, mask=np.float32(0.3) * space.box.mask)
    density = np.abs(np.random.default_rng(1).normal(size=space.box.mask.shape))
    full = consensus_support(space, density.astype(np.float32))
    found = consensus_support(DeviationSpace(weak, space.n_shells), density.astype(np.float32))
    np.testing.assert_allclose(found, 0.3 * full, rtol=1e-4)

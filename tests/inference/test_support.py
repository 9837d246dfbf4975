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


def test_dark_surroundings_hide_nothing() -> None:
    """A density with its mean taken off allows about the deviations that it allowed before."""
    space = prepare(plant())[0].space
    density = np.zeros(space.box.mask.shape, np.float32)
    middle = len(density) // 2
    density[middle - 3 : middle + 3, middle - 3 : middle + 3, middle - 3 : middle + 3] = 1.0
    plain = consensus_support(space, density)
    dark = consensus_support(space, density - np.float32(0.5))
    inside = space.box.mask > 0.5
    assert np.abs(dark - plain)[inside].mean() < 0.1
    # Where the map dips below zero, something may still come and go.
    assert dark[inside].min() >= plain[inside].min() * 0.99


def test_ripples_are_no_surroundings() -> None:
    """Weak negative density, as every map has it, leaves the support of a phantom as it was."""
    space = prepare(plant())[0].space
    density = np.abs(np.random.default_rng(2).normal(size=space.box.mask.shape)).astype(np.float32)
    rippled = np.where(density < 0.02, np.float32(-0.005), density)
    clipped = np.where(density < 0.02, np.float32(0.0), density)
    np.testing.assert_array_equal(
        consensus_support(space, rippled), consensus_support(space, clipped)
    )

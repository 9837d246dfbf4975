"""Blocks of the rest of a particle, and the ones that stay the same."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.covariance.occupancy import choose_reference, cut_into_blocks

BOX = 24


def test_blocks_have_equal_mass_and_fill_the_box() -> None:
    """Sixteen blocks; every voxel belongs to one, and dense ones are shared out."""
    z, y, x = np.indices((BOX,) * 3) - BOX / 2
    density = np.exp(-((z / 9) ** 2 + (y / 5) ** 2 + (x / 4) ** 2)).astype(np.float32)
    dense = density > 0.2
    blocks = list(cut_into_blocks(density, dense))
    assert len(blocks) == 16
    assert (np.sum(blocks, axis=0) == 1).all()
    mass = np.array([density[block & dense].sum() for block in blocks])
    assert mass.max() < 2.5 * mass.min()


def test_little_density_is_one_block() -> None:
    """A handful of voxels is not cut."""
    dense = np.zeros((BOX,) * 3, bool)
    dense[3:5, 3:5, 3:5] = True
    (block,) = cut_into_blocks(np.ones((BOX,) * 3, np.float32), dense)
    assert block.all()


def test_the_quiet_half_is_the_reference() -> None:
    """Blocks that vary are left out though their noise is lowest, and weights sum to one."""
    generator = np.random.default_rng(1)
    variance = np.tile([0.1, 0.1, 1.0, 1.0], (4000, 1))
    factors = np.sqrt(variance) * generator.standard_normal(variance.shape)
    factors[:, 0] += generator.standard_normal(4000)
    factors[:, 3] += generator.standard_normal(4000)
    weights = choose_reference(factors, variance, np.array([1.0, 1.0, 2.0, 1.0]))
    assert weights[0] == weights[3] == 0
    assert weights.sum() == pytest.approx(1)

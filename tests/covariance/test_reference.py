"""Blocks of the rest of a particle, and the ones that stay the same."""

from __future__ import annotations

import numpy as np

from cryofocus.covariance.reference import choose_reference, cut_into_blocks

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
    """Blocks that vary are left out, however the grey scale varies."""
    # Coordinates: grey scale, what fills the first block, what fills the last one.
    masses = np.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.01], [2.0, 0.02, 0.0], [1.0, 0.0, -0.4]])
    reference = choose_reference(masses, np.diag([0.3, 1.0, 1.0]))
    np.testing.assert_allclose(reference, [1, 0.02 / 3, 0.01 / 3], atol=1e-12)


def test_the_unit_of_maps_is_no_matter() -> None:
    """Masses of another grey scale give the same reference."""
    masses = np.random.default_rng(2).uniform(0.5, 1, (8, 3))
    covariance = np.diag([0.1, 0.5, 2.0])
    plain = choose_reference(masses, covariance)
    np.testing.assert_allclose(choose_reference(7 * masses, covariance), plain)


def test_blocks_without_mass_are_no_reference() -> None:
    """A block of no mass, or of less than none, cannot be measured against."""
    masses = np.array([[1.0, 0.3], [0.0, 0.0], [-0.5, 0.0]])
    np.testing.assert_allclose(choose_reference(masses, np.eye(2)), [1, 0.3])

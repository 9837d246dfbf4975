"""A background with fields of its own for every particle."""

from __future__ import annotations

import numpy as np

from cryofocus.consensus.background import Background
from cryofocus.consensus.band import Band
from cryofocus.consensus.flexible import FlexibleBackground, OutsideFields
from cryofocus.consensus.half_grids import HalfGrids
from cryofocus.consensus.images import PADDING
from cryofocus.consensus.reconstruct import map_to_grid
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.fourier import resize_volume
from samples import Beads, form_images, make_particles, wrap_images

BOX, COARSE, N, N_SHELLS = 32, 20, 12, 7
KERNELS = CpuKernels(1)


def make_background(n_fields: int = 2) -> tuple[FlexibleBackground, list[np.ndarray]]:
    """A background of one map, with smooth fields on a coarser grid; and all maps."""
    rng = np.random.default_rng(1)
    particles = make_particles(N, BOX, rng)
    volumes = [
        Beads(rng.normal(0, 8, (6, 3)), 9.0, np.full(6, 50.0)).volume(BOX)
        for _ in range(1 + n_fields)
    ]
    images = wrap_images(particles, form_images(particles, np.zeros((N, BOX, 17)), 1.0, rng))
    rigid = HalfGrids(images, None, ((volumes[0],),), KERNELS)
    # A coarser grid with the same transform has grey values higher by the ratio of the voxels.
    finer = np.float32((BOX / COARSE) ** 3)
    coarse = [resize_volume(volume, COARSE) * finer for volume in volumes[1:]]
    grid = np.stack([map_to_grid(one, PADDING * COARSE) for one in coarse], axis=-1)
    coordinates = rng.normal(0, 1, (N, n_fields)).astype(np.float32)
    return FlexibleBackground(rigid, OutsideFields(grid, coordinates, N_SHELLS)), volumes


def test_it_is_a_background() -> None:
    """Everything that takes a background takes this one."""
    assert isinstance(make_background()[0], Background)


def test_slices_are_those_of_each_particles_own_map() -> None:
    """On the fields' shells, a slice is that of the sum of maps; beyond, of the common map."""
    background, volumes = make_background()
    band, which = Band.disc(BOX, 12), np.array([7, 2])
    found = background.slices(band, which)[..., 0]
    for row, particle in enumerate(which):
        weights = background.fields.coordinates[particle]
        own = volumes[0] + np.tensordot(weights, np.stack(volumes[1:]), axes=1)
        alone = HalfGrids(background.images, None, ((own.astype(np.float32),),), KERNELS)
        expected = alone.slices(band, which[row : row + 1])[0, :, 0]
        inner = band.shells < N_SHELLS
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[row, inner], expected[inner], atol=0.01 * scale)
        common = background.rigid.slices(band, which[row : row + 1])[0, :, 0]
        np.testing.assert_array_equal(found[row, ~inner], common[~inner])


def test_ranges_have_the_background_of_the_whole() -> None:
    """What is made for a range of images is what the whole set has there."""
    background, _ = make_background()
    rows, band = slice(4, 9), Band.disc(BOX, 9)
    assert background.fields.of_range(rows).grid is background.fields.grid
    np.testing.assert_array_equal(
        background.fields.of_range(rows).coordinates, background.fields.coordinates[rows]
    )
    whole = background.of_range(slice(0, N))(background.images)
    np.testing.assert_array_equal(
        whole.slices(band, np.arange(N)), background.slices(band, np.arange(N))
    )


def test_without_coordinates_nothing_is_added() -> None:
    """A particle at the origin of all fields shows the common map alone."""
    background, _ = make_background()
    still = OutsideFields(
        background.fields.grid, 0 * background.fields.coordinates, background.fields.n_shells
    )
    band, which = Band.disc(BOX, 9), np.arange(3)
    np.testing.assert_array_equal(
        FlexibleBackground(background.rigid, still).slices(band, which),
        background.rigid.slices(band, which),
    )

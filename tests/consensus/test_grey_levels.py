"""Images of any mixture of grids give the map of the same particles on one grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cryofocus
from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.preparation import open_images
from cryofocus.data.particles import ParticleSet
from cryofocus.maths.fourier import forward_3d, resize_images
from cryofocus.maths.shells import fourier_shell_correlation
from mixed_grids import BOX, Grid, N, Simulated, simulate, write_set
from planted import KERNELS
from samples import correlation


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    """The particles of every test."""
    return simulate()


def make_consensus(path: Path, rows: np.ndarray | None = None) -> Consensus:
    """Reconstruct the particles of a file, or some of them."""
    particles = ParticleSet.read(path)
    particles = particles if rows is None else particles.take(rows)
    return estimate_consensus(open_images(particles, "no"), particles.half_set, KERNELS)


def accuracy(simulated: Simulated, found: Consensus) -> np.ndarray:
    """Correlation of a map with the density, shell by shell."""
    maps = (forward_3d(one) for one in (found.map.full, simulated.density))
    return fourier_shell_correlation(*maps, BOX)[1 : BOX // 2 - 2]


@pytest.fixture(scope="module")
def one_grid(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All particles on one grid."""
    return write_set(tmp_path_factory.mktemp("one"), simulated, [Grid()], np.zeros(N, int))


@pytest.mark.parametrize(
    ("grids", "rare"),
    [
        ([Grid(), Grid(2)], 2),  # coarser
        ([Grid(), Grid(2, grey=3.0)], 2),  # normalised otherwise
        ([Grid(), Grid(3), Grid(2, padding=8)], 2),  # bands that end at three places
        ([Grid(), Grid(2, grey=0.5)], 40),  # a group of four particles
    ],
)
def test_a_mixture_of_grids_is_as_good_as_one(
    simulated: Simulated, one_grid: Path, tmp_path: Path, grids: list[Grid], rare: int
) -> None:
    """Coarse images count where they hold data, at the others' grey level, and only there."""
    is_other = np.arange(N) % rare == 1
    of_particle = np.where(is_other, 1 + np.arange(N) // 4 % (len(grids) - 1), 0)
    found = make_consensus(write_set(tmp_path, simulated, grids, of_particle))
    whole, fine = make_consensus(one_grid), make_consensus(one_grid, np.flatnonzero(~is_other))
    inner = BOX // 2 // max(grid.binning for grid in grids) - 1
    mixed = accuracy(simulated, found)
    assert (mixed[:inner] > accuracy(simulated, whole)[:inner] - 0.01).all()
    assert (mixed > accuracy(simulated, fine) - 0.02).all()
    assert correlation(found.map.full, whole.map.full) > 0.985
    assert found.noise.additive.max() < 1e3 * np.median(found.noise.additive)


def test_the_order_of_rows_and_groups_does_not_matter(
    simulated: Simulated, tmp_path: Path
) -> None:
    """Of as many fine as coarse images, in any order, the fine ones give the grid."""
    grids, of_particle = [Grid(), Grid(2)], np.arange(N) % 2
    first = make_consensus(write_set(tmp_path / "a", simulated, grids, of_particle))
    order = np.random.default_rng(3).permutation(N)
    path = write_set(tmp_path / "b", simulated, grids, of_particle, order, numbers=[2, 1])
    other = make_consensus(path)
    assert len(first.map.full) == len(other.map.full) == BOX
    np.testing.assert_allclose(other.map.full, first.map.full, atol=1e-3 * first.map.full.std())


@pytest.mark.parametrize("name", ["p.cs", "p.cistem"])
def test_every_format_gives_the_same(simulated: Simulated, tmp_path: Path, name: str) -> None:
    """Pixel sizes and half sets of a converted table are those of the original."""
    path = write_set(tmp_path, simulated, [Grid(), Grid(2)], np.arange(N) % 2)
    cryofocus.convert(path, tmp_path / name)
    first, other = make_consensus(path), make_consensus(tmp_path / name)
    np.testing.assert_allclose(other.map.full, first.map.full, atol=1e-3 * first.map.full.std())


def test_images_that_were_filtered_get_no_weight_where_nothing_is_left(
    simulated: Simulated, one_grid: Path, tmp_path: Path
) -> None:
    """Coarse images interpolated to the fine grid are not certain that there is no detail."""
    is_coarse = np.arange(N) % 2 == 1
    pixels = simulated.images.copy()
    pixels[is_coarse] = resize_images(Grid(2).sample(pixels[is_coarse]), BOX)
    filtered = replace(simulated, images=pixels)
    found = make_consensus(write_set(tmp_path, filtered, [Grid(), Grid()], is_coarse.astype(int)))
    fine = make_consensus(one_grid, np.flatnonzero(~is_coarse))
    # The coarsest shell is right to a part in 400 either way.
    assert (accuracy(simulated, found)[2:5] > accuracy(simulated, fine)[2:5]).all()
    assert BOX // 4 <= found.images.held_shells[-1] <= BOX // 4 + 1
    halves = (forward_3d(one.map.halves[0]) for one in (found, fine))
    assert (fourier_shell_correlation(*halves, BOX)[-4:] > 0.95).all()

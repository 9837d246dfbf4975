"""Coarse images in one stack with finer ones count where they hold detail, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cryofocus
from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.noise.detail import split_by_detail
from cryofocus.consensus.preparation import open_images
from cryofocus.data.images import HeldImages, ImageReader
from cryofocus.data.particle_table import Supplement
from cryofocus.data.particles import ParticleSet
from cryofocus.data.volume import write_volume
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.shells import fourier_shell_correlation
from mixed_grids import BOX, Grid, N, Simulated, simulate, write_set
from planted import KERNELS
from samples import MICROSCOPE, PIXEL_SIZE, correlation

COARSE = np.arange(N) % 5 < 2
EVERYTHING = np.arange(N)


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    """The particles of every test."""
    return simulate()


@pytest.fixture(scope="module")
def mixture(simulated: Simulated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fine images and, at another grey level, coarse ones, in stacks of their own."""
    grids = [Grid(), Grid(2, grey=3.0)]
    return write_set(tmp_path_factory.mktemp("mixture"), simulated, grids, COARSE.astype(int))


def make_consensus(path: Path, supplement: Supplement | None = None) -> Consensus:
    """Reconstruct the particles of a file."""
    particles = ParticleSet.read(path, supplement=supplement)
    half_set = 1 + EVERYTHING // 2 % 2
    return estimate_consensus(open_images(particles, "no"), half_set.astype(np.int8), KERNELS)


def accuracy(simulated: Simulated, found: Consensus) -> np.ndarray:
    """Correlation of a map with the density, shell by shell."""
    maps = (forward_3d(one) for one in (found.map.full, simulated.density))
    return fourier_shell_correlation(*maps, BOX)[1 : BOX // 2 - 2]


@pytest.mark.parametrize("name", ["p.star", "p.cs", "p.cistem", "p.par"])
def test_one_stack_of_all_is_as_good_as_one_per_grid(
    simulated: Simulated, mixture: Path, tmp_path: Path, name: str
) -> None:
    """Brought into one stack, in any format, a mixture gives the map that it gave before."""
    stack = tmp_path / ("p.mrcs" if name == "p.star" else "p.mrc")
    cryofocus.convert(mixture, tmp_path / name, cryofocus.ConvertSettings(write_stack=stack))
    counted = Supplement(stack=stack, microscope=MICROSCOPE, pixel_size_angstrom=PIXEL_SIZE)
    found = make_consensus(tmp_path / name, counted if name == "p.par" else None)
    before = make_consensus(mixture)
    np.testing.assert_allclose(accuracy(simulated, found), accuracy(simulated, before), atol=0.02)
    assert correlation(found.map.full, before.map.full) > 0.998
    assert found.images.particles.optics[-1].detail_angstrom == pytest.approx(4 * PIXEL_SIZE)


def test_subtracted_images_of_a_mixture_are_as_good_as_those_of_one_grid(
    simulated: Simulated, mixture: Path, tmp_path: Path
) -> None:
    """What is kept of the density shows as it does in images that all had small pixels."""
    z, y, x = np.indices((BOX,) * 3) - BOX // 2
    write_volume(tmp_path / "keep.mrc", (z**2 + y**2 + x**2 < 25).astype(np.float32), PIXEL_SIZE)
    one = write_set(tmp_path / "one", simulated, [Grid()], np.zeros(N, int))
    maps = []
    for name, table in (("one grid", one), ("mixture", mixture)):
        made = cryofocus.subtract(table, tmp_path / "keep.mrc", tmp_path / name)
        maps.append(forward_3d(make_consensus(made.table).map.full))
    assert (fourier_shell_correlation(*maps, BOX)[1:6] > 0.97).all()


@pytest.mark.parametrize("noise_sd", [0.0, 12.0])
def test_images_of_one_kind_stay_together(
    simulated: Simulated, mixture: Path, noise_sd: float
) -> None:
    """Neither noise nor the CTF of images without noise is taken for missing detail."""
    own = simulated if noise_sd else simulate(noise_sd)
    reader = HeldImages(np.asarray(own.images, np.float32))
    assert split_by_detail(own.particles, reader, EVERYTHING) is own.particles
    particles = ParticleSet.read(mixture)
    assert split_by_detail(particles, ImageReader(particles), EVERYTHING) is particles

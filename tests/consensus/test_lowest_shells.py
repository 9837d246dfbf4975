"""The lowest shells of maps of beads, whose projections are exact, under real CTFs."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus import reconstruct
from cryofocus.consensus.lowest_shells import SHELLS, add_to_rows, correct_lowest_shells
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reconstruct import (
    MapSource,
    accumulate_halves,
    gridding_kernel,
    map_to_grid,
    solve_maps,
)
from cryofocus.kernels.contract import SliceSums
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.fourier import forward_3d, resize_half_3d
from cryofocus.maths.grids import shell_index_3d
from samples import Beads, form_images, make_particles, multiply_by_ctf, wrap_images

BEADS = Beads(np.random.default_rng(2).normal(0, 15, (10, 3)), 8.0, np.linspace(100.0, 300.0, 10))
DEFOCUS = (4_000.0, 45_000.0)


def insert(
    box: int, n: int, *, amplitude_contrast: float = 0.1, premultiplied: bool = False
) -> tuple[SliceSums, SliceSums]:
    """Sums of images without noise."""
    rng = np.random.default_rng(3)
    particles = make_particles(
        n,
        box,
        rng,
        microscopes=(Microscope(300.0, 2.7, amplitude_contrast),),
        premultiplied=(premultiplied,),
        defocus=DEFOCUS,
    )
    images = form_images(particles, BEADS.slices(particles.rotation, box), 0.0, rng)
    wrapped = wrap_images(particles, multiply_by_ctf(particles, images))
    noise = NoiseModel(np.ones((1, box // 2)), np.zeros((1, box // 2)))
    half_set = (1 + np.arange(n) % 2).astype(np.int8)
    ones = np.ones(n, np.float32)
    return accumulate_halves(
        MapSource(wrapped, noise, ones, half_set), ones[:, None], CpuKernels(1)
    )


def shell_ratios(volume: np.ndarray, n_shells: int) -> np.ndarray:
    """Amplitudes of shells from 1, relative to those of the beads."""
    box = len(volume)
    shells, found, truth = shell_index_3d(box), forward_3d(volume), forward_3d(BEADS.volume(box))
    return np.array(
        [
            np.vdot(truth[shells == s], found[shells == s]).real
            / np.vdot(truth[shells == s], truth[shells == s]).real
            for s in range(1, n_shells)
        ]
    )


def shell_errors(volume: np.ndarray, n_shells: int) -> np.ndarray:
    """Differences from the beads in shells from 1."""
    shells = shell_index_3d(len(volume))
    missed = np.abs(forward_3d(volume - BEADS.volume(len(volume)))) ** 2
    return np.sqrt([missed[shells == s].mean() for s in range(1, n_shells)])


def uncorrected(halves: tuple[SliceSums, SliceSums], box: int) -> np.ndarray:
    """Return the map of data over precision alone."""
    with pytest.MonkeyPatch.context() as patch:
        nothing = np.zeros((2, 2, 2), np.complex64)
        patch.setattr(reconstruct, "correct_lowest_shells", lambda *_: nothing)
        return solve_maps(halves, box)[0].full


@pytest.mark.parametrize(
    ("box", "amplitude_contrast", "premultiplied"),
    [(48, 0.07, False), (48, 0.1, True), (33, 0.1, False), (48, 0.0, False)],
)
def test_amplitudes_are_those_of_the_density(
    box: int, amplitude_contrast: float, *, premultiplied: bool
) -> None:
    """Where |CTF|^2 rises from the origin, maps and half maps are as strong as the density."""
    halves = insert(box, 800, amplitude_contrast=amplitude_contrast, premultiplied=premultiplied)
    (estimate,) = solve_maps(halves, box)
    for volume in (estimate.full, *estimate.halves):
        np.testing.assert_allclose(shell_ratios(volume, 6), 1, atol=0.01)
    assert np.abs(shell_ratios(uncorrected(halves, box), 6) - 1).max() > 0.015


@pytest.mark.parametrize("n", [20, 60])
def test_few_images_are_not_overinterpreted(n: int) -> None:
    """Where images leave gaps between them, maps are nearer to the density all the same."""
    halves = insert(32, n)
    solved, divided = solve_maps(halves, 32)[0].full, uncorrected(halves, 32)
    assert (shell_errors(solved, 7) < 1.02 * shell_errors(divided, 7)).all()


@pytest.mark.parametrize("box", [20, 21, 48])
def test_an_even_precision_leaves_nothing_to_correct(box: int) -> None:
    """Where precision is the same everywhere, data over precision is the solution."""
    edge = 2 * box
    small = Beads(BEADS.centres * box / 150, box / 4, BEADS.weights)
    spread = small.volume(box) * gridding_kernel(box, edge) ** 2
    data = 7 * map_to_grid(spread, edge)[..., None]
    sums = SliceSums(data, np.full(data.shape, 7, np.float32))
    correction = correct_lowest_shells((sums,), np.full(box + 1, 0.01), box)
    assert 7 * np.abs(correction).max() < 1e-3 * np.abs(data).max()


def test_empty_sums_stay_empty() -> None:
    """No image, no correction, and nothing is divided by zero."""
    data = np.zeros((40, 40, 21, 1), np.complex64)
    with np.errstate(all="raise"):
        correction = correct_lowest_shells(
            (SliceSums(data, data.real.copy()),), np.full(21, np.finfo(np.float32).tiny), 20
        )
    np.testing.assert_array_equal(correction, 0)


def test_corrections_are_linear_in_the_data() -> None:
    """Images of two densities at the same poses: the correction of the sum is that of both."""
    first, second = insert(32, 400)
    precision, added = first.precision + second.precision, np.full(33, 1e-2)

    def correct(data: np.ndarray) -> np.ndarray:
        return correct_lowest_shells((SliceSums(data, precision),), added, 32)

    both = correct(first.data + second.data)
    difference = both - correct(first.data) - correct(second.data)
    assert np.abs(difference).max() < 1e-2 * np.abs(both).max()
    added_up = correct_lowest_shells((first, second), added, 32)
    np.testing.assert_allclose(added_up, both, atol=1e-5 * np.abs(both).max())


def test_finer_voxels_change_nothing() -> None:
    """Shells beyond the lowest play no part: a grid of finer voxels has the same correction."""
    halves = insert(32, 100)
    (first, _), added = halves, np.full(49, 1e-2)
    finer = SliceSums(
        *(
            resize_half_3d(grid[..., 0], 64, 96)[..., None]
            for grid in (first.data, first.precision)
        )
    )
    coarse, fine = (
        correct_lowest_shells((sums,), added, box) for sums, box in ((first, 32), (finer, 48))
    )
    np.testing.assert_allclose(fine, coarse, atol=1e-6 * np.abs(coarse).max())
    assert np.abs(coarse[shell_index_3d(len(coarse)) > 2 * SHELLS]).max() == 0


@pytest.mark.parametrize(("edge", "coarse"), [(24, 10), (24, 24), (30, 10)])
def test_rows_take_their_part(edge: int, coarse: int) -> None:
    """A correction that is added some rows at a time is added to the middle of the grid."""
    rng = np.random.default_rng(4)
    shape = (coarse, coarse, coarse // 2 + 1)
    correction = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    grid = np.ones((edge, edge, edge // 2 + 1), np.complex64)
    for start in range(0, edge, 7):
        rows = slice(start, min(start + 7, edge))
        add_to_rows(grid[:, rows], rows, correction)
    k = np.rint(np.fft.fftfreq(coarse) * coarse).astype(int)
    expected = np.ones_like(grid)
    for z, y in np.ndindex(coarse, coarse):
        expected[k[z], k[y], : coarse // 2 + 1] += correction[z, y]
    np.testing.assert_array_equal(grid, expected)

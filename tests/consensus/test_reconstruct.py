"""Whole-box maps from images of beads."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reconstruct import (
    MapEstimate,
    MapSource,
    accumulate_halves,
    grid_to_map,
    keep_each,
    map_to_grid,
    reconstruct_maps,
    solve_maps,
    wiener_term,
)
from cryofocus.kernels.contract import SliceGeometry, SliceSums
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.grids import shell_block_3d
from samples import Beads, correlation, form_images, make_particles, wrap_images

N = 120


def make_beads(seed: int) -> Beads:
    """A lump of beads near the centre."""
    rng = np.random.default_rng(seed)
    return Beads(rng.normal(0, 9, (10, 3)), 5.0, 100 + 200 * rng.random(10))


def flat(box: int) -> NoiseModel:
    """White noise."""
    return NoiseModel(np.ones((1, box // 2)), np.zeros((1, box // 2)))


@pytest.mark.parametrize("box", [15, 16])
def test_grid_and_map_are_inverse(box: int) -> None:
    """Map to grid and back is the same map, but for the kernel that each way divides out once."""
    volume = np.random.default_rng(1).normal(size=(box,) * 3).astype(np.float32)
    line = np.sinc((np.arange(box) - box // 2) / (2 * box)) ** 2
    kernel = np.einsum("z,y,x->zyx", line, line, line)
    back = grid_to_map(map_to_grid(volume, 2 * box), box) * kernel**2
    np.testing.assert_allclose(back, volume, atol=1e-4)


@pytest.mark.parametrize("box", [20, 21])
def test_slices_of_the_grid_are_projections(box: int) -> None:
    """Trilinear slices of a map's grid are its exact projections to a few percent."""
    beads = make_beads(2)
    particles = make_particles(4, box, np.random.default_rng(1))
    images = wrap_images(particles, np.zeros((4, box, box), np.float32))
    exact = beads.slices(particles.rotation, box)[:, 0, : box // 2 - 1]
    points = np.stack([np.arange(box // 2 - 1), np.zeros(box // 2 - 1)], axis=1) * 2
    matrices = images.particles.rotation[:, :2].astype(np.float32)
    geometry = SliceGeometry(2 * box, points.astype(np.float32), matrices)
    grid = map_to_grid(beads.volume(box), 2 * box)[..., None]
    slices = CpuKernels(1).gather(grid, geometry)[..., 0]
    assert np.abs(slices - exact).max() < 0.06 * np.abs(exact).max()
    assert np.abs(slices - exact).std() < 0.02 * np.abs(exact).max()


@pytest.mark.parametrize("box", [20, 21])
def test_accumulated_images_give_the_map(box: int) -> None:
    """Columns of weights give the maps of their particles; a particle of weight 0 is not there."""
    rng = np.random.default_rng(3)
    particles = make_particles(N, box, rng)
    beads = make_beads(2), make_beads(4)
    slices = np.where(
        (np.arange(N) % 4 < 2)[:, None, None],
        beads[0].slices(particles.rotation, box),
        beads[1].slices(particles.rotation, box),
    )
    images = form_images(particles, slices, 0.05, rng)
    images[-1] = 1e3  # Rubbish, which weight 0 keeps out.
    weights = np.stack([np.arange(N) % 4 < 2, np.arange(N) % 4 >= 2], axis=1).astype(np.float32)
    weights[-1] = 0
    half_set = (1 + np.arange(N) % 2).astype(np.int8)
    source = MapSource(wrap_images(particles, images), flat(box), np.ones(N, np.float32), half_set)
    sums = accumulate_halves(source, weights, CpuKernels(2))
    for estimate, truth in zip(solve_maps(sums, box), beads, strict=True):
        volume = truth.volume(box)
        assert correlation(estimate.full, volume) > 0.93
        assert min(correlation(half, volume) for half in estimate.halves) > 0.85
        assert estimate.fsc[1:4].min() > 0.8


def test_half_sets_stay_apart() -> None:
    """Changing the images of one half set leaves the sums of the other alone."""
    box, rng = 20, np.random.default_rng(4)
    particles = make_particles(N, box, rng)
    images = form_images(particles, make_beads(2).slices(particles.rotation, box), 0.05, rng)
    half_set = (1 + np.arange(N) % 2).astype(np.int8)
    changed = np.where((half_set == 2)[:, None, None], np.float32(0), images)
    ones = np.ones((N, 1), np.float32)
    first, second = (
        accumulate_halves(
            MapSource(wrap_images(particles, pixels), flat(box), ones[:, 0], half_set),
            ones,
            CpuKernels(2),
        )
        for pixels in (images, changed)
    )
    np.testing.assert_array_equal(first[0].data, second[0].data)
    assert abs(second[1].data).max() == 0 < abs(first[1].data).max()


def test_a_scaled_image_counts_with_its_scale() -> None:
    """Images of twice the intensity, told so, give the map that plain images give."""
    box, rng = 20, np.random.default_rng(3)
    particles = make_particles(N, box, rng)
    images = form_images(particles, make_beads(2).slices(particles.rotation, box), 0.05, rng)
    half_set = (1 + np.arange(N) % 2).astype(np.int8)
    maps = []
    for scale in (1.0, 2.0):
        scaled = wrap_images(particles, images * np.float32(scale))
        source = MapSource(scaled, flat(box), np.full(N, scale, np.float32), half_set)
        sums = accumulate_halves(source, np.ones((N, 1), np.float32), CpuKernels(2))
        maps.append(solve_maps(sums, box)[0].full)
    np.testing.assert_allclose(maps[1], maps[0], atol=1e-3 * np.abs(maps[0]).max())


def test_a_class_without_particles_holds_nothing() -> None:
    """Weights of zero everywhere give empty sums, and a map of nothing."""
    box, rng = 20, np.random.default_rng(6)
    images = wrap_images(make_particles(N, box, rng), np.ones((N, box, box), np.float32))
    source = MapSource(images, flat(box), np.ones(N, np.float32), np.ones(N, np.int8))
    halves = accumulate_halves(source, np.zeros((N, 1), np.float32), CpuKernels(1))
    (estimate,) = solve_maps(halves, box)
    nothing = MapEstimate.of_nothing(box)
    np.testing.assert_array_equal(estimate.full, nothing.full)
    np.testing.assert_array_equal(estimate.fsc.shape, nothing.fsc.shape)


@pytest.mark.parametrize("box", [20, 21])
def test_half_sets_in_turns_give_the_same_maps(box: int) -> None:
    """Where memory holds the sums of one half set only, maps, half maps and FSC are the same."""
    rng = np.random.default_rng(8)
    particles = make_particles(N, box, rng)
    pixels = form_images(particles, make_beads(4).slices(particles.rotation, box), 1.0, rng)
    half_set = (1 + np.arange(N) % 2).astype(np.int8)
    source = MapSource(wrap_images(particles, pixels), flat(box), np.ones(N, np.float32), half_set)
    weights = rng.random((N, 3)).astype(np.float32)
    counted: list[int] = []
    ample, scarce = CpuKernels(1), CpuKernels(1, memory_gb=1e-9)
    assert not scarce.halves_at_once(2 * box)
    expected = list(reconstruct_maps(source, weights, ample))
    found = list(reconstruct_maps(source, weights, scarce, advance=counted.append))
    assert sum(counted) == 3 * N
    for ours, theirs in zip(found, expected, strict=True):
        largest = np.abs(theirs.full).max()
        np.testing.assert_allclose(ours.full, theirs.full, atol=1e-5 * largest)
        np.testing.assert_allclose(ours.fsc, theirs.fsc, atol=1e-5)
        for half, other in zip(ours.halves, theirs.halves, strict=True):
            np.testing.assert_allclose(half, other, atol=1e-5 * np.abs(other).max())


def test_maps_are_kept_where_there_is_room() -> None:
    """Kept maps lie in arrays that were asked for, and are the same."""
    volume = np.random.default_rng(2).normal(size=(8, 8, 8)).astype(np.float32)
    made: list[np.ndarray] = []

    def allocate(shape: tuple[int, ...], dtype: type) -> np.ndarray:
        made.append(np.empty(shape, dtype))
        return made[-1]

    kept = MapEstimate(volume, (volume + 1, volume + 2), np.ones(5)).kept(allocate)
    assert all(one is array for one, array in zip((kept.full, *kept.halves), made, strict=True))
    for offset, array in enumerate((kept.full, *kept.halves)):
        np.testing.assert_array_equal(array, volume + offset)


@pytest.mark.parametrize("box", [40, 41])
def test_noise_of_fine_shells_leaves_coarse_ones_alone(box: int) -> None:
    """Where little signal is left, half maps are noise; coarse shells do not show it."""
    rng, edge = np.random.default_rng(5), 2 * box
    shape = (edge, edge, edge // 2 + 1, 1)
    signal, first, second = (
        (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
        for _ in range(3)
    )
    relative_radius = shell_block_3d(edge, slice(0, edge))[..., None] / box
    coarse = []
    for at_nyquist in (1.0, 0.01):
        precision = np.maximum(at_nyquist ** (relative_radius**2), 1e-6).astype(np.float32)
        sums = [
            SliceSums(signal * precision + 0.3 * noise * np.sqrt(precision), precision)
            for noise in (first, second)
        ]
        (estimate,) = solve_maps((sums[0], sums[1]), box)
        coarse.append(estimate.fsc[2 : box // 8].mean())
    assert coarse[1] > coarse[0] - 0.035 > 0.85


@pytest.mark.parametrize("fsc", [0.0, 0.143, 1.0])
def test_what_no_image_shows_is_nothing(fsc: float) -> None:
    """Where no image has a signal, as at the origin without amplitude contrast, maps are 0."""
    added = wiener_term(np.zeros(9), np.full(5, fsc), 2.0).astype(np.float32)
    with np.errstate(all="raise"):
        divided = np.zeros(9, np.complex64) / added
    np.testing.assert_array_equal(divided, 0)


def test_one_map_is_made_at_a_time() -> None:
    """Once a map is kept, what was made of the images is gone before the next is made."""
    made: list[weakref.ref[MapEstimate]] = []

    def make() -> Iterator[MapEstimate]:
        for _ in range(3):
            assert not any(one() for one in made)
            estimate = MapEstimate.of_nothing(4)
            made.append(weakref.ref(estimate))
            yield estimate
            del estimate

    for number, estimate in zip((1, 2, 3), keep_each(make(), np.empty), strict=True):
        assert len(made) == number
        assert estimate is not made[-1]()

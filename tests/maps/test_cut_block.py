"""Blocks that a mask cuts: seen beyond its rim, told from noise, from others, and held whole."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maps.cut_block import find_cut_block
from cryofocus.maps.difference import Halves
from cryofocus.maths.masks import sphere_mask

VOXEL, RESOLUTION, NOISE = 4.0, 10.0, 0.3
WEIGHTS = np.array([0.6, 0.4])


def ball(box: int, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    """Density of one in a ball, places in Å from the box centre."""
    return sphere_mask(box, VOXEL, centre, radius, 4.0)


def measure(
    maps: list[np.ndarray], seed: int = 0, weights: np.ndarray = WEIGHTS
) -> tuple[list[Halves], np.ndarray]:
    """Half maps of classes with noise of their own, and the classes' weights."""
    rng = np.random.default_rng(seed)
    halves = []
    for volume in maps:
        first, second = (
            (volume + NOISE * rng.standard_normal(volume.shape)).astype(np.float32)
            for _ in range(2)
        )
        halves.append((first, second))
    return halves, weights


@pytest.mark.parametrize("box", [40, 41])
def test_cut_ball_is_found_whole(box: int) -> None:
    """Of a ball that a mask holds only in part, all is found, and how much lies outside."""
    block = ball(box, (0, 12, 0), 24.0)
    mask = ball(box, (0, -8, 0), 20.0)
    found = find_cut_block(*measure([block, 0 * block]), mask, VOXEL, RESOLUTION)
    assert found is not None
    true_share = float((block * (1 - mask)).sum() / block.sum())
    assert found.outside_share == pytest.approx(true_share, abs=0.03)
    assert found.significance > found.least_significance > 4
    centre, radius = found.sphere()
    assert np.allclose(centre, (0, 12, 0), atol=4.0)
    assert 24.0 < radius < 36.0
    _, y, _ = found.crossing_angstrom
    assert y > 12.0
    held = found.mask(box, 8.0)
    assert held.shape == mask.shape
    assert (held[block > 0.5] > 0.95).all()
    assert held.sum() < 3 * block.sum()


def test_held_ball_is_not_cut() -> None:
    """Of a ball within the mask next to nothing lies outside, however clear it is."""
    block = ball(40, (8, 0, 0), 18.0)
    for strength in (1.0, 50.0):
        halves = measure([strength * block, 0 * block])
        found = find_cut_block(*halves, ball(40, (8, 0, 0), 24.0), VOXEL, RESOLUTION)
        assert found is not None
        assert abs(found.outside_share) < 0.02


def test_other_block_does_not_count() -> None:
    """What differs elsewhere, not connected with the inside of the mask, is another block."""
    mask = ball(40, (-30, 0, 0), 22.0)
    near, far = ball(40, (-30, 0, 0), 14.0), ball(40, (34, 0, 0), 20.0)
    found = find_cut_block(*measure([near + far, 0 * near]), mask, VOXEL, RESOLUTION)
    assert found is not None
    assert found.outside_share < 0.02
    assert not found.voxels[:, :, len(found.voxels) // 2 :].any()


def test_density_that_two_classes_share_is_one_block() -> None:
    """With three classes, density that comes in the first and goes in the third is found."""
    box = 40
    whole, half = ball(box, (0, 12, 0), 24.0), ball(box, (0, -8, 0), 20.0)
    halves, weights = measure([2 * whole, whole, 0 * whole], weights=np.array([0.5, 0.3, 0.2]))
    found = find_cut_block(halves, weights, half, VOXEL, RESOLUTION)
    assert found is not None
    assert found.outside_share > 0.3
    assert np.allclose(found.sphere()[0], (0, 12, 0), atol=4.0)


def test_noise_has_no_block() -> None:
    """Of forty pairs of classes that differ by noise alone, at most two seem to differ."""
    empty, mask = np.zeros((32, 32, 32), np.float32), ball(32, (0, 0, 0), 24.0)
    found = [
        find_cut_block(*measure([empty, empty], seed), mask, VOXEL, RESOLUTION)
        for seed in range(40)
    ]
    assert sum(block is not None for block in found) <= 2


def test_sphere_is_the_smallest() -> None:
    """No voxel lies outside the sphere, and moving its centre anywhere would need a larger one."""
    rng = np.random.default_rng(4)
    rod = np.zeros((40, 40, 40), np.float32)
    rod[18:22, 10:32, 19:25] = 1
    found = find_cut_block(*measure([5 * rod, 0 * rod]), rod, VOXEL, RESOLUTION)
    assert found is not None
    places = (np.argwhere(found.voxels)[:, ::-1] - 20.0) * found.voxel_size_angstrom
    centre, radius = found.sphere()
    reach = np.linalg.norm(places - centre, axis=1).max()
    assert reach <= radius <= reach + found.voxel_size_angstrom
    for step in rng.normal(size=(200, 3)):
        moved = centre + 2.0 * step / np.linalg.norm(step)
        assert np.linalg.norm(places - moved, axis=1).max() > 0.998 * reach


def test_inputs_stay() -> None:
    """Maps and mask are not written to."""
    block = ball(32, (0, 8, 0), 20.0)
    halves, weights = measure([block, 0 * block])
    before = [half.copy() for pair in halves for half in pair]
    find_cut_block(halves, weights, block, VOXEL, RESOLUTION)
    after = [half for pair in halves for half in pair]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))

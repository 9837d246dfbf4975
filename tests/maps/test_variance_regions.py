"""Regions of variance maps: levels, peaks, and what moves together."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maps.variance_regions import find_regions, join_regions, variance_level

VOXEL = 4.0


def bump(box: int, centre: tuple[int, int, int], width: float = 2.0) -> np.ndarray:
    """A Gaussian bump at voxel x, y, z from the box centre."""
    axis = np.arange(box) - box // 2
    x, y, z = (np.exp(-0.5 * ((axis - c) / width) ** 2) for c in centre)
    return (z[:, None, None] * y[:, None] * x).astype(np.float32)


@pytest.mark.parametrize("box", [32, 33])
def test_places_and_shares(box: int) -> None:
    """Two separate bumps are two regions, with their places in Å and their parts of the sum."""
    variance = 2 * bump(box, (6, 0, 3)) + bump(box, (-7, 2, 0))
    strong, weak = find_regions(variance, 0.3, VOXEL)
    assert strong.peak_angstrom == (24.0, 0.0, 12.0)
    assert np.allclose(strong.centre_angstrom, (24, 0, 12), atol=0.1)
    assert weak.peak_angstrom == (-28.0, 8.0, 0.0)
    assert strong.share > 2 * weak.share
    distance = np.linalg.norm(
        (np.argwhere(strong.voxels)[:, ::-1] - box // 2) * VOXEL - strong.centre_angstrom, axis=1
    )
    assert distance.max() <= strong.radius_angstrom <= distance.max() + VOXEL


def test_touching_bumps_part_at_the_valley() -> None:
    """Connected bumps are one region, or one for each peak where peaks count on their own."""
    variance = bump(32, (4, 0, 0)) + bump(32, (-4, 0, 0))
    (whole,) = find_regions(variance, 0.1, VOXEL)
    left, right = find_regions(variance, 0.1, VOXEL, separation_angstrom=16.0)
    assert (left.voxels | right.voxels == whole.voxels).all()
    assert not (left.voxels & right.voxels).any()
    assert {left.peak_angstrom[0], right.peak_angstrom[0]} == {16.0, -16.0}
    assert len(find_regions(variance, 0.1, VOXEL, separation_angstrom=40.0)) == 1


def test_join_what_moves_together() -> None:
    """A density that leaves one place for another is one region; one of its own is another."""
    here, there, other = (bump(32, place) for place in ((7, 0, 4), (7, 0, -4), (-7, 0, 4)))
    deviations = np.stack([here - there, 0.9 * other])
    variance = (deviations**2).sum(axis=0)
    basins = find_regions(variance, 0.2, VOXEL, separation_angstrom=10.0)
    assert len(basins) == 3
    first, second = join_regions(basins, deviations, VOXEL, join_angstrom=40.0)
    assert np.allclose(first.centre_angstrom, (28, 0, 0), atol=0.5)
    assert np.allclose(second.centre_angstrom, (-28, 0, 16), atol=0.5)
    assert len(join_regions(basins, deviations, VOXEL, join_angstrom=1.0)) == 3


def test_both_places_of_a_part_that_carries_another_are_one_region() -> None:
    """An arm that is up or down, with or without a hand: in either place, three contents."""
    up, down = bump(32, (7, 0, 4)), bump(32, (7, 0, -4))
    contents = [place * amount for place in (up, down) for amount in (0.6, 1.4)]
    deviations = np.array(contents) - np.mean(contents, axis=0)
    _, size, axes = np.linalg.svd(deviations.reshape(4, -1) / 2, full_matrices=False)
    axes = (size[:3, None] * axes[:3]).reshape(3, 32, 32, 32).astype(np.float32)
    basins = find_regions((axes**2).sum(axis=0), 0.1, VOXEL, separation_angstrom=10.0)
    assert len(basins) == 2
    assert len(join_regions(basins, axes, VOXEL, join_angstrom=40.0)) == 1


def test_level_is_clear_of_noise() -> None:
    """Noise alone passes the level nowhere, and a bump well above it does."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.05, (24, 24, 24)).astype(np.float32)
    level = variance_level(noise + bump(24, (0, 0, 0)), fraction=0.1, sigma=5.0)
    assert noise.max() < level < 0.5

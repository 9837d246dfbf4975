"""Masks: spheres, soft edges and extents."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryofocus.maths.masks import (
    cosine_edge,
    ellipsoid_mask,
    mask_bounds,
    resample_mask,
    sphere_mask,
)


def test_hard_sphere_has_its_volume_and_place() -> None:
    """The mask's sum is the volume of the sphere and its centroid the centre, given as x, y, z."""
    voxel, radius, centre = 2.0, 17.0, (6.0, -4.0, 2.0)
    mask = sphere_mask(32, voxel, centre, radius, 0.0)
    assert mask.dtype == np.float32
    assert mask.sum() * voxel**3 == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.02)
    z, y, x = (np.argwhere(mask > 0).mean(axis=0) - 16) * voxel
    np.testing.assert_allclose((x, y, z), centre, atol=1e-6)


def test_soft_edge_lies_outside_the_radius() -> None:
    """The mask is 1 up to the radius, 1/2 in the middle of the edge and 0 beyond it."""
    mask = sphere_mask(33, 1.0, (0.0, 0.0, 0.0), 8.0, 4.0)
    line = mask[16, 16, 16:]
    np.testing.assert_array_equal(line[:9], 1)
    assert line[10] == pytest.approx(0.5)
    np.testing.assert_allclose(line[12:], 0, atol=1e-7)
    assert (np.diff(line) <= 0).all()


def test_hard_edge_is_a_step() -> None:
    """Without an edge the mask is 1 on the surface and 0 outside it."""
    np.testing.assert_array_equal(cosine_edge(np.array([-1.0, 0.0, 1e-6]), 0.0), [1, 1, 0])


@pytest.mark.parametrize(("box", "coarse"), [(40, 24), (41, 24), (40, 25)])
def test_resampling_keeps_place_size_and_range(box: int, coarse: int) -> None:
    """A resampled sphere has its volume and centre in Å, and values within [0, 1]."""
    voxel, centre, radius = 2.0, (6.0, -8.0, 4.0), 16.0
    mask = sphere_mask(box, voxel, centre, radius, 6.0)
    resampled = resample_mask(mask, coarse)
    coarse_voxel = voxel * box / coarse
    assert 0 <= resampled.min() <= resampled.max() <= 1
    volume = resampled.sum() * coarse_voxel**3
    assert volume == pytest.approx(mask.sum() * voxel**3, rel=0.03)
    places = np.indices(resampled.shape).reshape(3, -1) - coarse // 2
    z, y, x = coarse_voxel * (places * resampled.ravel()).sum(axis=1) / resampled.sum()
    np.testing.assert_allclose((x, y, z), centre, atol=0.2)


def test_bounds_hold_every_voxel_and_no_more() -> None:
    """The bounds of a block are its slices."""
    mask = np.zeros((16, 16, 16), np.float32)
    mask[3:6, 4:9, 7:8] = 1
    assert mask_bounds(mask) == (slice(3, 6), slice(4, 9), slice(7, 8))


def test_an_empty_mask_has_no_bounds() -> None:
    """Asking for the extent of nothing is an error."""
    with pytest.raises(ValueError, match="zero everywhere"):
        mask_bounds(np.zeros((4, 4, 4), np.float32))


@pytest.mark.parametrize("radii", [(3.0, 9.0, 20.0), (8.0, 8.0, 2.0)])
def test_an_ellipsoid_is_whole_however_little_of_the_box_is_drawn(
    radii: tuple[float, float, float],
) -> None:
    """Every voxel has the edge's value at its distance, f (f - 1) / |grad f²/2|."""
    axis, centre, edge = (np.arange(21) - 10) * 1.5, (4.0, -6.0, 1.0), 5.0
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    offsets = [one - c for one, c in zip((x, y, z), centre, strict=True)]
    f = np.sqrt(sum((one / r) ** 2 for one, r in zip(offsets, radii, strict=True)))
    slope = np.sqrt(sum((one / r**2) ** 2 for one, r in zip(offsets, radii, strict=True)))
    expected = cosine_edge(f * (f - 1) / slope, edge)
    np.testing.assert_allclose(ellipsoid_mask(21, 1.5, centre, radii, edge), expected, atol=1e-6)

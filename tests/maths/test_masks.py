"""Masks: spheres, soft edges and extents."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryofocus.maths.masks import (
    bounding_sphere,
    cosine_edge,
    mask_bounds,
    soften_mask,
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


def test_softened_region_keeps_its_inside() -> None:
    """A region is 1 throughout and falls to 0 within the edge's width around it."""
    region = np.zeros((16, 16, 16), bool)
    region[6:10, 5:9, 6:10] = True
    mask = soften_mask(region, 2.0, 6.0)
    np.testing.assert_array_equal(mask[region], 1)
    assert mask[7, 7, 10] == pytest.approx(0.5 + 0.5 * math.cos(math.pi / 3))
    assert mask[7, 7, 13] == 0
    assert not soften_mask(np.zeros((4, 4, 4), bool), 1.0, 2.0).any()


def test_bounds_hold_every_voxel_and_no_more() -> None:
    """The bounds of a block are its slices, and its sphere reaches the corners."""
    mask = np.zeros((16, 16, 16), np.float32)
    mask[3:6, 4:9, 7:8] = 1
    assert mask_bounds(mask) == (slice(3, 6), slice(4, 9), slice(7, 8))
    (x, y, z), radius = bounding_sphere(mask, 2.0)
    assert (x, y, z) == (-2.0, -4.0, -8.0)
    assert radius == pytest.approx(2 * math.sqrt(1 + 4))


def test_an_empty_mask_has_no_bounds() -> None:
    """Asking for the extent of nothing is an error."""
    with pytest.raises(ValueError, match="zero everywhere"):
        mask_bounds(np.zeros((4, 4, 4), np.float32))

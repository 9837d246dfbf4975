"""Where factors may be."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.inference.deviations.focus import FocusBox
from cryofocus.inference.factors.supports import particle_support, region_support
from cryofocus.maths.masks import sphere_mask

PIXEL_SIZE = 5.0


def make_box(box: int) -> FocusBox:
    whole = sphere_mask(box, PIXEL_SIZE, (0.0, 0.0, 0.0), box * PIXEL_SIZE / 2 - 10, 8.0)
    return FocusBox.around(whole, PIXEL_SIZE, 9)


@pytest.mark.parametrize("edge", [32, 33])
def test_dark_places_are_as_open_as_bright_ones(edge: int) -> None:
    """The support does not know the sign of the density."""
    box = make_box(edge)
    density = np.random.default_rng(1).normal(size=box.mask.shape).astype(np.float32)
    np.testing.assert_allclose(particle_support(box, density), particle_support(box, -density))


def test_the_support_is_where_density_is() -> None:
    """Strong density is open, empty places nearly closed, nothing lies outside of the mask."""
    box = make_box(32)
    middle = box.diameter // 2
    density = np.zeros(box.mask.shape, np.float32)
    density[middle - 2 : middle + 2, middle - 2 : middle + 2, middle - 2 : middle + 2] = 1
    support = particle_support(box, density)
    assert support[middle, middle, middle] == pytest.approx(1, abs=0.05)
    assert support[box.mask == 1].min() == pytest.approx(0.1)
    assert np.median(support[box.mask == 1]) < 0.3
    assert not support[box.mask == 0].any()


@pytest.mark.parametrize("edge", [32, 33])
def test_a_region_has_a_soft_margin(edge: int) -> None:
    """A region's support is 1 inside, 0 far from it, and in its place."""
    box = make_box(edge)
    place = (25.0, 0.0, -10.0)
    inside = sphere_mask(edge, PIXEL_SIZE, place, 15.0, 0.0) > 0.5
    support = region_support(box, inside, PIXEL_SIZE, resolution_angstrom=20.0)
    assert support.max() <= 1
    axis = (np.arange(box.diameter) - box.diameter // 2) * box.voxel_size_angstrom
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    distance = np.sqrt((x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - place[2]) ** 2)
    assert support[distance < 12].min() > 0.85
    assert support[distance > 45].max() < 0.05

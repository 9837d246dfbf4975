"""Beads on periodic grids against Gaussians written from the definition."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.kernels.beads import REACH, draw_images, draw_volume


def periodic_gaussian(edge: int, place: float, width: float) -> np.ndarray:
    """A normal distribution on the nodes, summed over many periods."""
    nodes = np.arange(edge)[:, None] + edge * np.arange(-60, 61)
    density = np.exp(-0.5 * ((nodes - place) / width) ** 2) / np.sqrt(2 * np.pi * width**2)
    return np.asarray(density.sum(axis=1))


# Wide and narrow ones, on nodes and between, far outside the grid, and wider than the grid.
PLACES = np.array(
    [[0.0, 0.0, 0.0], [7.3, -4.2, 11.9], [40.5, -33.1, 6.0], [5.01, 5.99, 5.5], [3.0, 3.0, 9.4]]
)
WIDTHS = np.array([1.0, 1.7, 0.8, 0.3, 4.0])
WEIGHTS = np.array([1.0, -2.0, 0.5, 1.5, 3.0])


@pytest.mark.parametrize("edge", [12, 13, 60])
def test_images_are_sums_of_gaussians(edge: int) -> None:
    """Each image is the sum of its beads' Gaussians, cut off where they have nearly ended."""
    places = np.stack([PLACES[:, :2], PLACES[::-1, 1:]])
    weights = np.stack([WEIGHTS, WEIGHTS**2])
    images = draw_images(places, WIDTHS, weights, edge)
    for image, place, weight in zip(images, places, weights, strict=True):
        expected = sum(
            w * np.outer(periodic_gaussian(edge, y, s), periodic_gaussian(edge, x, s))
            for (x, y), s, w in zip(place, WIDTHS, weight, strict=True)
        )
        np.testing.assert_allclose(image, expected, atol=3e-6)


@pytest.mark.parametrize("edge", [12, 13])
def test_volumes_are_sums_of_gaussians(edge: int) -> None:
    """The same in three dimensions, with axes z, y, x."""
    volume = draw_volume(PLACES, WIDTHS, WEIGHTS, edge)
    expected = np.zeros((edge,) * 3)
    for place, s, w in zip(PLACES, WIDTHS, WEIGHTS, strict=True):
        x, y, z = (periodic_gaussian(edge, value, s) for value in place)
        expected += w * z[:, None, None] * y[:, None] * x
    np.testing.assert_allclose(volume, expected, atol=3e-6)


def test_beads_end_where_they_should() -> None:
    """Nothing is written beyond the reach along y, nor much beyond it along x."""
    image = draw_images(np.array([[[50.0, 50.0]]]), np.array([2.0]), np.ones((1, 1)), 101)[0]
    y, x = np.nonzero(image)
    assert np.abs(y - 50).max() == REACH * 2
    assert np.abs(x - 50).max() <= REACH * 2 + 4
    assert not draw_images(np.zeros((1, 0, 2)), np.zeros(0), np.zeros((1, 0)), 8).any()


def test_beads_that_fall_between_nodes_are_refused() -> None:
    """A bead without a width has no nodes to be drawn on."""
    with pytest.raises(ValueError, match="expected at least"):
        draw_volume(np.zeros((1, 3)), np.zeros(1), np.ones(1), 8)


def test_inputs_stay() -> None:
    """Places, widths and weights are not written to."""
    arrays = PLACES[None, :, :2].copy(), WIDTHS.copy(), WEIGHTS[None].copy()
    before = [array.copy() for array in arrays]
    draw_images(*arrays, 16)
    assert all((a == b).all() for a, b in zip(before, arrays, strict=True))

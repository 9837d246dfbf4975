"""Maps become pixels and files that other programs read."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from cryofocus.report.drawing.raster import (
    ANCHORS,
    N_COLOURS,
    Raster,
    enlarge,
    number_colours,
    paint,
    palette,
)


def test_files_are_read_by_others() -> None:
    """Another reader finds the same pixels in the same places, with a palette and without."""
    numbers = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    raster = Raster(numbers, palette("RdBu_r"))
    for file in (raster, Raster(raster.colours())):
        read = imread(io.BytesIO(file.png()))
        np.testing.assert_allclose(read[..., :3], raster.colours() / 255, atol=1e-6)


@pytest.mark.parametrize("name", sorted(ANCHORS))
def test_colours_are_those_of_their_name(name: str) -> None:
    """Another library's palette of that name looks the same."""
    other = mpl.colormaps[name](np.linspace(0, 1, N_COLOURS))[:, :3]
    np.testing.assert_allclose(palette(name)[:N_COLOURS] / 255, other, atol=0.07)


def test_what_has_no_value_is_white_and_what_lies_outside_has_the_last_colour() -> None:
    """NaN is white; values beyond an end are not lost."""
    values = np.array([[np.nan, -9.0], [0.5, 9.0]])
    numbers = number_colours(values, 0.0, 1.0)
    assert numbers.tolist() == [[255, 0], [127, 254]]
    assert paint(values, "gray", (0.0, 1.0)).colours()[1, 0].tolist() == [255] * 3


def test_the_first_row_is_the_lowest() -> None:
    """A bright lower row is at the bottom, also when pixels are added between voxels."""
    values = np.array([[1.0, 1.0], [0.0, 0.0]])
    for n_pixels in (0, 8):
        shown = paint(values, "gray", (0.0, 1.0), n_pixels).colours()
        assert len(shown) == max(n_pixels, 2)
        assert shown[-1, 0, 0] > 200 > 50 > shown[0, 0, 0]


def test_enlarging_keeps_places() -> None:
    """The middle of a blob stays at the same share of the edge."""
    grid = np.indices((9, 9)) - np.array([3, 5])[:, None, None]
    values = np.exp(-(grid**2).sum(axis=0) / 4.0)
    large = enlarge(values, 45)
    centre = (np.indices(large.shape) * large).sum(axis=(1, 2)) / large.sum()
    np.testing.assert_allclose((centre + 0.5) / 45, (np.array([3, 5]) + 0.5) / 9, atol=0.01)

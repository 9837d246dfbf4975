"""Planes through the focus: where they cut, and what they show."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.report.drawing.slices import View, choose_view, contour_level, cut


def box_with(box: int, *voxels: tuple[int, int, int]) -> np.ndarray:
    """Give a volume that is one at some voxels."""
    volume = np.zeros((box, box, box), dtype=np.float32)
    for voxel in voxels:
        volume[voxel] = 1.0
    return volume


@pytest.mark.parametrize("box", [24, 25])
def test_planes_pass_through_the_mask_with_the_named_axes(box: int) -> None:
    """A voxel off the centre along one axis appears there, and only in the planes that hold it."""
    centre = (10, 13, 7)
    view = choose_view(box_with(box), box_with(box, centre))
    assert view.centre == centre
    whole = View(centre, 0, box)
    xy, xz, zy = cut(box_with(box, (10, 13, 9), (10, 16, 7), (14, 13, 7)), whole)
    assert sorted(map(tuple, np.argwhere(xy).tolist())) == [(13, 9), (16, 7)]
    assert sorted(map(tuple, np.argwhere(xz).tolist())) == [(10, 9), (14, 7)]
    assert sorted(map(tuple, np.argwhere(zy).tolist())) == [(13, 14), (16, 10)]


def test_crop_holds_all_density_and_the_whole_mask() -> None:
    """Everything above the contour and inside the mask is shown, with a margin, on a cube."""
    view = choose_view(box_with(64, (30, 28, 40)), box_with(64, (20, 30, 30)))
    assert (view.low, view.high) == (16, 45)


def test_noise_to_the_edge_shows_the_whole_box() -> None:
    """Where density reaches the edges nothing is cropped."""
    noise = np.random.default_rng(0).standard_normal((32, 32, 32)).astype(np.float32)
    view = choose_view(noise, box_with(32, (16, 16, 16)))
    assert (view.low, view.high) == (0, 32)


def test_empty_maps_are_shown_whole() -> None:
    """A consensus and mask of zeros do not break the report."""
    view = choose_view(box_with(16), box_with(16))
    assert (view.low, view.high) == (0, 16)


def test_contour_is_three_sigma() -> None:
    """The surface level is three standard deviations above the mean."""
    volume = np.random.default_rng(4).standard_normal((20, 20, 20)).astype(np.float32)
    level = float(volume.mean()) + 3 * float(volume.std())
    assert contour_level(volume) == pytest.approx(level, rel=1e-4)

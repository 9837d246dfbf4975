"""Planes and differences: orientation, cropping, and scaling before subtracting."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.shells import shell_mean_3d
from cryofocus.report.slices import View, choose_view, contour_level, cut, scaled_difference


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


@pytest.mark.parametrize("box", [16, 17])
def test_difference_ignores_filtering_and_scale(box: int) -> None:
    """A map that is the reference in another brightness differs by nothing."""
    reference = np.random.default_rng(1).standard_normal((box, box, box)).astype(np.float32)
    np.testing.assert_allclose(scaled_difference(3 * reference, reference), 0.0, atol=2e-5)


@pytest.mark.parametrize("box", [16, 17])
def test_difference_keeps_nothing_of_the_reference(box: int) -> None:
    """In every shell the difference is uncorrelated with the reference: no ghost is left."""
    rng = np.random.default_rng(2)
    reference = rng.standard_normal((box, box, box)).astype(np.float32)
    noise = rng.standard_normal((box, box, box)).astype(np.float32)
    difference = forward_3d(scaled_difference(0.5 * reference + 3 * noise, reference))
    common = shell_mean_3d((difference * forward_3d(reference).conj()).real, box)
    power = shell_mean_3d(np.abs(forward_3d(reference)) ** 2, box)
    np.testing.assert_allclose(common / power, 0.0, atol=1e-4)


def test_difference_shows_what_was_added() -> None:
    """A blob added to a much larger body comes back where it was, nearly at its strength."""
    body = np.random.default_rng(5).standard_normal((24, 24, 24)).astype(np.float32)
    change = scaled_difference(body + box_with(24, (6, 8, 10)) * 50, body)
    assert np.unravel_index(int(change.argmax()), change.shape) == (6, 8, 10)
    assert float(change.max()) == pytest.approx(50.0, rel=0.05)


def test_difference_leaves_its_inputs_alone() -> None:
    """Neither map is changed."""
    volume = box_with(8, (4, 4, 4))
    reference = box_with(8, (3, 4, 4))
    scaled_difference(volume, reference)
    np.testing.assert_array_equal(volume, box_with(8, (4, 4, 4)))
    np.testing.assert_array_equal(reference, box_with(8, (3, 4, 4)))


def test_difference_to_nothing_is_the_map() -> None:
    """A reference without power takes nothing away."""
    volume = np.random.default_rng(3).standard_normal((8, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(scaled_difference(volume, box_with(8)), volume, atol=1e-6)


def test_contour_is_three_sigma() -> None:
    """The surface level is three standard deviations above the mean."""
    volume = np.random.default_rng(4).standard_normal((20, 20, 20)).astype(np.float32)
    level = float(volume.mean()) + 3 * float(volume.std())
    assert contour_level(volume) == pytest.approx(level, rel=1e-4)

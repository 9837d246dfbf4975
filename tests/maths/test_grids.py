"""Frequency grids, shells and real-space boxes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cryofocus.maths.grids import (
    LARGEST_SINGLE,
    fit_box_2d,
    frequency_grid_2d,
    n_shells,
    shell_index_2d,
    shell_index_3d,
    shell_planes_3d,
)


@pytest.mark.parametrize("box", [7, 8])
def test_frequencies_are_in_reciprocal_angstrom(box: int) -> None:
    """Columns count x and rows count y, in cycles per Å, negative in the lower half."""
    fx, fy = frequency_grid_2d(box, 2.0)
    assert fx.shape == fy.shape == (box, box // 2 + 1)
    assert fx.dtype == np.float32
    assert fx[0, 1] == pytest.approx(1 / (2.0 * box))
    assert fy[1, 0] == pytest.approx(1 / (2.0 * box))
    assert fy[-1, 0] == pytest.approx(-1 / (2.0 * box))


@pytest.mark.parametrize("box", [7, 8])
def test_shells_are_rounded_radii(box: int) -> None:
    """The shell of each coefficient is its radius in index units, rounded."""
    for ky, kx in itertools.product(range(-(box // 2) + 1, box // 2), range(box // 2 + 1)):
        assert shell_index_2d(box)[ky, kx] == round(np.hypot(kx, ky))
        assert shell_index_3d(box)[0, ky, kx] == round(np.hypot(kx, ky))
    assert shell_index_3d(box)[1, 2, 2] == 3
    assert shell_index_2d(box)[0].max() == n_shells(box) - 1


@pytest.mark.parametrize(("old", "new"), [(8, 5), (7, 4), (5, 8), (4, 7), (6, 6)])
def test_centre_pixel_stays_the_centre(old: int, new: int) -> None:
    """Padding and cropping in real space move pixel old//2 to new//2 and lose nothing between."""
    images = np.random.default_rng(old).normal(size=(2, old, old))
    fitted = fit_box_2d(images, new)
    assert fitted.shape == (2, new, new)
    np.testing.assert_array_equal(fitted[:, new // 2, new // 2], images[:, old // 2, old // 2])
    if new >= old:
        np.testing.assert_array_equal(fit_box_2d(fitted, old), images)
        assert np.count_nonzero(fitted) == images.size


@pytest.mark.parametrize("box", [8, 9])
def test_planes_of_shells_make_the_whole(box: int) -> None:
    """Shells given plane by plane are those of the whole grid."""
    np.testing.assert_array_equal(np.stack(list(shell_planes_3d(box))), shell_index_3d(box))


def test_radii_are_rounded_right_in_single_precision() -> None:
    """Up to the largest box that is trusted with it, no radius is rounded to another shell."""
    largest = 3 * (LARGEST_SINGLE // 2) ** 2
    # Those nearest to a half: r (r + 1) is just below r + 1/2, the next just above.
    r = np.arange(1, int(largest**0.5) + 1)
    for squared in (r * (r + 1), r * (r + 1) + 1):
        single = np.rint(np.sqrt(squared.astype(np.float32)))
        np.testing.assert_array_equal(single, np.rint(np.sqrt(squared)))

"""Packed Fourier points against the half and full planes they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.band import Band
from cryofocus.maths.fourier import forward_2d


def random_half(box: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two random images as half and as full transforms, origin at the corner."""
    images = np.random.default_rng(box).normal(size=(2, box, box))
    full = np.fft.fft2(np.fft.ifftshift(images, axes=(1, 2)))
    return forward_2d(images), full


def full_radius(box: int) -> np.ndarray:
    """Rounded Fourier radius on the full plane."""
    k = np.rint(np.fft.fftfreq(box) * box)
    return np.rint(np.hypot(k[:, None], k[None, :])).astype(int)


@pytest.mark.parametrize("box", [15, 16])
def test_pick_and_spread_are_inverse(box: int) -> None:
    """Points picked from a scattered band are the same points, and nothing else is filled."""
    half, _ = random_half(box)
    band = Band.disc(box, 6)
    packed = band.pick(half)
    half = band.scatter(packed)
    np.testing.assert_array_equal(band.pick(half), packed)
    assert np.count_nonzero(half) == packed.size


@pytest.mark.parametrize("box", [15, 16])
@pytest.mark.parametrize("n_shells", [1, 5, 7])
def test_shell_sums_are_sums_over_the_full_plane(box: int, n_shells: int) -> None:
    """Hermitian weights make sums over stored points sums over whole shells (Parseval)."""
    half, full = random_half(box)
    band = Band.disc(box, n_shells)
    power = (np.abs(band.pick(half)) ** 2).astype(np.float32)
    radius = full_radius(box)
    expected = np.bincount(radius.ravel(), minlength=n_shells)[:n_shells]
    np.testing.assert_array_equal(band.shell_counts(), expected)
    for image, sums in zip(full, band.shell_sums(power), strict=True):
        whole = np.bincount(radius.ravel(), np.abs(image).ravel() ** 2)[:n_shells]
        np.testing.assert_allclose(sums, whole, rtol=1e-5)


@pytest.mark.parametrize("box", [15, 16])
def test_grid_points_are_padded_frequencies(box: int) -> None:
    """A point's place is its signed frequency times the padding, with kx never negative."""
    band = Band.disc(box, 7)
    points = band.grid_points(1.5)
    np.testing.assert_array_equal(np.rint(np.hypot(*(points.T / 1.5))), band.shells)
    assert (points[:, 0] >= 0).all()
    assert points[:, 1].min() == -points[:, 1].max() == -1.5 * 6


def test_disc_ends_before_nyquist() -> None:
    """A band asked to reach beyond the box stops where the grid of slices ends."""
    assert Band.disc(16, 99).n_shells == 8

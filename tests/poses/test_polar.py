"""Rings and harmonics: sums over the plane, for all in-plane turns at once."""

from __future__ import annotations

import numpy as np

from cryofocus.maths.fourier import sum_harmonics
from cryofocus.poses.polar import PolarGrid
from samples import PIXEL_SIZE, Beads

BOX, N_RINGS = 32, 7


def bead_samples(polar: PolarGrid, centres: np.ndarray, extent: float) -> np.ndarray:
    """Transform of flat beads at x, y on the rings, from its definition."""
    phase = np.exp(-2j * np.pi * (polar.points.astype(float) @ centres.T) / extent)
    return phase.sum(axis=1).reshape(len(polar.rings), -1).astype(np.complex64)


def test_harmonics_give_all_turns() -> None:
    """Products of harmonics equal sums over the rings with one function turned point by point."""
    rng = np.random.default_rng(1)
    extent, radius = 128.0, 20.0
    polar = PolarGrid.around(N_RINGS, radius / extent, 40.0 / extent, 12.0)
    fixed, moving = rng.uniform(-13, 13, (2, 5, 2))
    first = bead_samples(polar, fixed, extent)
    second = polar.harmonics(bead_samples(polar, moving, extent))
    weighted = np.conj(second) * (polar.weight / polar.n_angles)[:, None]
    products = (polar.harmonics(first) * weighted).sum(axis=0)
    found = sum_harmonics(products, polar.n_turns)
    for degrees, value in zip(polar.turn_degrees[::5], found[::5], strict=True):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned = bead_samples(polar, moving @ np.array([[c, s], [-s, c]]), extent)
        # Twice the half circle: the other half is conjugate.
        slow = 2 * (polar.weight[:, None] * (first.conj() * turned).real).sum()
        np.testing.assert_allclose(value, slow, rtol=1e-3, atol=0.02)


def test_sampling_matrix_is_the_transform() -> None:
    """Samples of a bead's image on the rings are those of the bead."""
    beads = Beads(np.array([[9.0, -14.0, 3.0]]), 8.0, np.array([100.0]))
    image = beads.volume(BOX).sum(axis=0)
    extent = BOX * PIXEL_SIZE
    polar = PolarGrid.around(15, 20 / extent, 64 / extent, 12.0)
    assert polar.box == BOX
    real, imaginary = np.split(image[polar.inside] @ polar.sampling_matrix, 2)
    squared = np.repeat(polar.rings, len(polar.angle)) ** 2 / extent**2
    exact = bead_samples(polar, beads.centres[:, :2], extent).ravel()
    exact = 100 * exact * np.exp(-2 * np.pi**2 * beads.sigma**2 * squared)
    np.testing.assert_allclose(real + 1j * imaginary, exact, atol=0.02)

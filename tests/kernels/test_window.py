"""Coefficients between the nodes against the sum over voxels."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.kernels.window import TAPS, WindowedMaps, window_transform
from cryofocus.maths.rotations import random_rotations


def some_maps(box: int) -> np.ndarray:
    """Two maps of noise that fills the box to its corners."""
    rng = np.random.default_rng(box)
    return rng.standard_normal((2, box, box, box)).astype(np.float32)


def direct_sum(volume: np.ndarray, frequency: np.ndarray) -> complex:
    """Sum over voxels, at a frequency x, y, z in periods per voxel."""
    axis = np.arange(len(volume)) - len(volume) // 2
    x, y, z = (np.exp(-2j * np.pi * f * axis) for f in frequency)
    return complex(np.einsum("zyx,z,y,x->", volume.astype(np.float64), z, y, x))


@pytest.mark.parametrize("box", [20, 21])
def test_coefficients_are_sums_over_voxels(box: int) -> None:
    """Every coefficient of a slice, with x on either side of zero, to a ten-thousandth."""
    maps, rng = some_maps(box), np.random.default_rng(1)
    last = (box - 1) // 2
    corners = [[0, 0], [last, 0], [0, last], [0, -last], [1, -1]]
    points = np.array(corners + rng.integers(-6, 7, (40, 2)).tolist(), np.float64)
    rotations = np.concatenate([np.eye(3)[None], random_rotations(4, rng)])
    found = WindowedMaps.of(maps).gather(points, rotations[:, :2])
    assert found.shape == (5, len(points), 2)
    exact = np.array(
        [
            [[direct_sum(v, rotation[:2].T @ point / box) for v in maps] for point in points]
            for rotation in rotations
        ]
    )
    assert np.linalg.norm(found - exact) < 1e-4 * np.linalg.norm(exact)
    assert np.abs(found - exact).max() < 5e-4 * np.sqrt(np.mean(np.abs(exact) ** 2))


def test_opposite_points_are_conjugates() -> None:
    """Maps are real: F(-k) is the conjugate of F(k)."""
    points = np.array([[3.0, 2.0], [-4.0, 1.0], [0.0, 5.0]])
    rotation = random_rotations(6, np.random.default_rng(2))[:, :2]
    grid = WindowedMaps.of(some_maps(16))
    there, back = grid.gather(points, rotation), grid.gather(-points, rotation)
    np.testing.assert_allclose(there, back.conj(), atol=1e-3)


def test_transform_of_the_window() -> None:
    """It is the integral of the window times the wave, on either side of its first zero."""
    beta = 11.0
    step = TAPS / 4000
    t = (np.arange(4000) + 0.5) * step - TAPS / 2
    window = np.i0(beta * np.sqrt(1 - (2 * t / TAPS) ** 2))
    for frequency in (0.0, 0.2, beta / (np.pi * TAPS), 0.7):
        integral = np.sum(window * np.cos(2 * np.pi * frequency * t)) * step
        found = window_transform(np.array([frequency]), beta)[0]
        assert found == pytest.approx(integral, rel=1e-4, abs=1e-3)


def test_scaled_maps_have_scaled_coefficients() -> None:
    """Scaling the transforms is scaling the maps."""
    maps, points = some_maps(12), np.array([[2.0, 3.0], [-1.0, 4.0]])
    rotation = random_rotations(2, np.random.default_rng(3))[:, :2]
    scaled = WindowedMaps.of(maps).scaled(0.2).gather(points, rotation)
    expected = WindowedMaps.of((0.2 * maps).astype(np.float32)).gather(points, rotation)
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-4)


def test_maps_stay() -> None:
    """Maps are not written to."""
    maps = some_maps(12)
    before = maps.copy()
    WindowedMaps.of(maps)
    assert (maps == before).all()

"""Directional FSC: the same in all directions, or not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cryofocus.maps.resolution import directional_fsc, sphericity
from cryofocus.maths.fourier import forward_3d, inverse_3d
from cryofocus.maths.grids import shell_index_3d, unit_vectors_3d
from cryofocus.maths.sampling import hemisphere_directions

BOX = 40
DIRECTIONS = hemisphere_directions(500)


def half_maps(seed: int, missing_cone_degrees: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy maps of one random signal, which lacks a double cone about z."""
    generator = np.random.default_rng(seed)
    envelope = 6 * np.exp(-(shell_index_3d(BOX) ** 2) / (2 * 6.0**2))
    missing = np.abs(unit_vectors_3d(BOX)[2]) > math.cos(math.radians(missing_cone_degrees))
    half = forward_3d(generator.normal(size=(BOX,) * 3)) * np.where(missing, 0, envelope)
    signal = inverse_3d(half, BOX)
    first, second = (
        (signal + generator.normal(size=signal.shape)).astype(np.float32) for _ in range(2)
    )
    return first, second


@pytest.mark.parametrize("box", [9, 10])
def test_cone_is_its_definition(box: int) -> None:
    """The FSC within a cone equals plain loops over the coefficients of the full transform."""
    generator = np.random.default_rng(box)
    first, second = generator.normal(size=(2, box, box, box)).astype(np.float32)
    second = first + second
    axis = np.array([0.48, -0.6, 0.64])
    a, b = np.fft.fftn(first.astype(complex)), np.fft.fftn(second.astype(complex))
    sums = np.zeros((box // 2 + 1, 3))
    for place in np.ndindex(a.shape):
        k = np.array([q if q <= box / 2 else q - box for q in place], float)
        radius = np.linalg.norm(k)
        # The Nyquist planes of an even box stand for both signs; here they are left out below.
        if 0 < round(radius) <= box // 2 and abs(k[::-1] @ axis) >= radius * math.cos(0.7):
            u, v = a[place], b[place]
            sums[round(radius)] += ((u * v.conj()).real, abs(u) ** 2, abs(v) ** 2)
    expected = sums[:, 0] / np.sqrt(np.maximum(sums[:, 1] * sums[:, 2], 1e-300))
    curve = directional_fsc(first, second, axis[None], cone_degrees=math.degrees(0.7)).fsc[0]
    compared = [s for s in range(1, (box - 1) // 2) if sums[s, 1] > 0]
    np.testing.assert_allclose(curve[compared], expected[compared], atol=1e-6)


def test_isotropic_data_are_isotropic() -> None:
    """Equal signal in all directions: a sphere but for noise, and no direction stands out."""
    measured = directional_fsc(*half_maps(1), DIRECTIONS)
    shells = measured.averaged().crossings(0.143)
    assert sphericity(DIRECTIONS, shells) > 0.97
    assert shells.std() < 0.05 * shells.mean()
    near_z = DIRECTIONS[:, 2] > 0.9
    assert shells[near_z].mean() == pytest.approx(shells[~near_z].mean(), rel=0.05)


def test_missing_cone_is_seen_as_such() -> None:
    """Without signal in a cone about z, resolution is lost there and only there."""
    measured = directional_fsc(*half_maps(2, missing_cone_degrees=40), DIRECTIONS)
    shells = measured.crossings(0.143)
    angle = np.degrees(np.arccos(DIRECTIONS[:, 2]))
    whole = directional_fsc(*half_maps(2), DIRECTIONS).crossings(0.143).mean()
    assert shells[angle < 15].mean() < 0.4 * whole
    assert shells[angle > 65].mean() == pytest.approx(whole, rel=0.05)
    assert DIRECTIONS[shells.argmin(), 2] > math.cos(math.radians(25))
    assert sphericity(DIRECTIONS, measured.averaged().crossings(0.143)) < 0.9


def test_sphericity_of_known_bodies() -> None:
    """Any sphere has 1, and a spheroid of axes 1:2 the value of its closed form."""
    assert sphericity(DIRECTIONS, np.full(500, 7.0)) == pytest.approx(1)
    x, y, z = DIRECTIONS.T
    prolate = 1 / np.sqrt(x**2 + y**2 + (z / 2) ** 2)
    e = math.sqrt(3) / 2
    surface = 2 * math.pi * (1 + 2 / e * math.asin(e))
    expected = math.pi ** (1 / 3) * (6 * 8 * math.pi / 3) ** (2 / 3) / surface
    assert sphericity(DIRECTIONS, prolate) == pytest.approx(expected, rel=0.01)

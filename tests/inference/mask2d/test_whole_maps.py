"""References of the strategy mask2d: what they hold, and how class maps are filtered."""

from __future__ import annotations

import numpy as np

from cryofocus.consensus.reconstruct import MapEstimate, SolvedMap
from cryofocus.inference.mask2d.whole_maps import (
    Envelope,
    inscribed_sphere,
    reference_grids,
    shared_power,
)
from cryofocus.maths.filters import lowpass

VOXEL = 6.0


def test_references_hold_nothing_in_the_corners_of_the_box() -> None:
    """Density beyond the inscribed sphere does not enter the comparison; the middle does."""
    middle, corner = (np.zeros((20,) * 3, np.float32) for _ in range(2))
    middle[10, 10, 10] = corner[1, 1, 1] = 1
    grids = reference_grids([middle, corner], Envelope(inscribed_sphere(20, VOXEL)), 30)
    assert grids.shape == (30, 30, 16, 2)
    assert np.abs(grids[..., 0]).max() > 0.99
    assert np.abs(grids[..., 1]).max() == 0


def test_an_envelope_keeps_a_filtered_share_outside() -> None:
    """Inside stands the map, outside what a low-pass filter leaves of it, at its weight."""
    rng = np.random.default_rng(0)
    volume = rng.normal(size=(12,) * 3).astype(np.float32)
    inside = np.zeros_like(volume)
    inside[:, :, :6] = 1
    envelope = Envelope(inside, 0.5 * (1 - inside), VOXEL, lowpass_angstrom=30.0)
    reference = envelope.apply(volume)
    np.testing.assert_array_equal(reference[:, :, :6], volume[:, :, :6])
    smooth = lowpass(volume, VOXEL, 30.0)
    np.testing.assert_allclose(reference[:, :, 6:], 0.5 * smooth[:, :, 6:], rtol=1e-5)
    np.testing.assert_array_equal(Envelope(inside).apply(volume), inside * volume)


def test_classes_share_their_power() -> None:
    """Powers are averaged with the occupancies, so a small noisy class is filtered like others."""
    nothing = MapEstimate.of_nothing(4)
    strong, weak = (SolvedMap(nothing, np.array([1 / tau2, 1.0])) for tau2 in (8.0, 0.1))
    shared = 1 / shared_power([strong, weak], np.array([0.9, 0.1]))
    np.testing.assert_allclose(shared, [0.9 * 8.0 + 0.1 * 0.1, 1.0])

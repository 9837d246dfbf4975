"""Noise spectra fitted to simulated noise of known spectra."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.band import Band
from cryofocus.consensus.image_model import (
    NoiseModel,
    PowerSums,
    fit_noise,
    flat_noise,
    sum_powers,
)

BAND = Band.disc(20, 10)
ADDITIVE = np.stack([np.linspace(4, 2, 10), np.linspace(1, 3, 10)])
TRANSMITTED = np.stack([np.linspace(6, 1, 10), np.zeros(10)])


def simulate(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return groups, CTFs and noise powers with the spectra above, exponential like |E|^2."""
    rng = np.random.default_rng(3)
    groups = (np.arange(n) % 2).astype(np.int32)
    ctf = np.sin(rng.uniform(0, 2 * np.pi, (n, len(BAND)))).astype(np.float32)
    variance = ADDITIVE[groups][:, BAND.shells] + ctf**2 * TRANSMITTED[groups][:, BAND.shells]
    return groups, ctf, (variance * rng.exponential(size=variance.shape)).astype(np.float32)


def test_both_spectra_are_recovered_in_every_group() -> None:
    """Noise added by the camera and noise that passed the CTF are told apart, group by group."""
    noise = fit_noise(sum_powers(BAND, *simulate(4000), 2))
    inner = slice(2, None)  # The first shells hold a handful of coefficients.
    np.testing.assert_allclose(noise.additive[:, inner], ADDITIVE[:, inner], rtol=0.1)
    np.testing.assert_allclose(noise.transmitted[:, inner], TRANSMITTED[:, inner], atol=0.35)


def test_sums_of_chunks_add_up() -> None:
    """Sums over two chunks, added, are the sums over all particles."""
    data = simulate(60)
    whole = sum_powers(BAND, *data, 2)
    parts = [
        sum_powers(BAND, *(a[rows] for a in data), 2) for rows in (slice(0, 25), slice(25, 60))
    ]
    np.testing.assert_allclose((parts[0] + parts[1]).moments, whole.moments, rtol=1e-5)


def test_flat_noise_is_the_mean_power() -> None:
    """Before anything is known, the mean power of each shell and group is additive noise."""
    groups, ctf, power = simulate(60)
    flat = flat_noise(sum_powers(BAND, groups, ctf, power, 2))
    rows = groups == 1
    shell = BAND.shells == 4
    weights = np.broadcast_to(BAND.hermitian[shell], power[rows][:, shell].shape)
    expected = np.average(power[rows][:, shell], weights=weights)
    np.testing.assert_allclose(flat.additive[1, 4], expected, rtol=1e-5)
    assert (flat.transmitted == 0).all()


def test_a_ctf_that_does_not_vary_leaves_all_noise_additive() -> None:
    """Without variation of the CTF the two kinds cannot be told apart, and none is invented."""
    _, ctf, power = simulate(40)
    constant = np.full_like(ctf, 0.7)
    noise = fit_noise(sum_powers(BAND, np.zeros(40, np.int32), constant, power, 1))
    assert (noise.transmitted == 0).all()


def test_precision_is_the_inverse_variance() -> None:
    """Each coefficient's precision is one over additive + CTF^2 transmitted of its own group."""
    groups, ctf, _ = simulate(5)
    found = NoiseModel(ADDITIVE, TRANSMITTED).precision(BAND, groups, ctf)
    i, p = 3, 17
    shell = BAND.shells[p]
    variance = ADDITIVE[groups[i], shell] + ctf[i, p] ** 2 * TRANSMITTED[groups[i], shell]
    np.testing.assert_allclose(found[i, p], 1 / variance, rtol=1e-5)


def test_unphysical_spectra_are_refused() -> None:
    """Variances that are zero or not finite never become a model."""
    for bad in (0.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="not positive and finite"):
            NoiseModel(np.full((1, 3), bad), np.zeros((1, 3)))


def test_an_empty_group_still_has_a_valid_model() -> None:
    """An optics group without particles in the sample does not break the others."""
    empty = PowerSums(np.zeros((1, 5, 4)))
    assert (flat_noise(empty).additive > 0).all()
    assert (fit_noise(empty).additive > 0).all()

"""Noise spectra fitted to simulated noise of known spectra."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.consensus.band import Band
from cryofocus.consensus.noise.power import sum_powers
from cryofocus.consensus.noise.spectra import NoiseModel, PowerSums, fit_noise, flat_noise

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


def total(
    groups: np.ndarray,
    ctf: np.ndarray,
    power: np.ndarray,
    image: np.ndarray | None = None,
    held: np.ndarray | None = None,
) -> PowerSums:
    """Sum the powers of what is left of images, which is all they show unless that is given."""
    powers = (power, power if image is None else image)
    counted = None if held is None else (BAND.shells < held[:, None]).astype(np.float32)
    return sum_powers(BAND, groups, ctf, powers, int(groups.max()) + 1, counted)


def test_both_spectra_are_recovered_in_every_group() -> None:
    """Noise added by the camera and noise that passed the CTF are told apart, group by group."""
    noise = fit_noise(total(*simulate(4000)))
    inner = slice(2, None)  # The first shells hold a handful of coefficients.
    np.testing.assert_allclose(noise.additive[:, inner], ADDITIVE[:, inner], rtol=0.1)
    np.testing.assert_allclose(noise.transmitted[:, inner], TRANSMITTED[:, inner], atol=0.35)


def test_sums_of_chunks_add_up() -> None:
    """Sums over two chunks, added, are the sums over all particles."""
    data = simulate(60)
    whole = total(*data)
    parts = [total(*(a[rows] for a in data)) for rows in (slice(0, 25), slice(25, 60))]
    np.testing.assert_allclose((parts[0] + parts[1]).moments, whole.moments, rtol=1e-5)


def test_flat_noise_is_the_mean_power() -> None:
    """Before anything is known, the mean power of each shell and group is additive noise."""
    groups, ctf, power = simulate(60)
    flat = flat_noise(total(groups, ctf, power))
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
    noise = fit_noise(total(np.zeros(40, np.int32), constant, power))
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
    empty = PowerSums(np.zeros((1, 6, 4)))
    assert (flat_noise(empty).additive > 0).all()
    assert (fit_noise(empty).additive > 0).all()


def test_a_few_coefficients_do_not_make_a_group_certain() -> None:
    """A group of one image, near zero by chance, gets the spectrum of the others at its level."""
    groups, ctf, power = simulate(400)
    groups[:] = 0
    groups[-1] = 1
    power[-1, BAND.shells == 1] *= 1e-6
    noise = fit_noise(total(groups, ctf, power))
    variance = noise.additive + 0.5 * noise.transmitted
    assert (variance[1] > 0.2 * variance[0]).all()


def test_a_shell_that_a_group_does_not_hold_has_the_variance_of_the_others() -> None:
    """No variance is estimated where there are no data, and none of it is counted."""
    groups, ctf, power = simulate(400)
    held = np.where(groups == 1, 6, 10)
    is_held = BAND.shells < held[:, None]
    sums = total(groups, ctf * is_held, power * is_held, held=held)
    for found in (flat_noise(sums), fit_noise(sums)):
        assert (found.additive[1, 6:] > 0.1 * found.additive[0, 6:]).all()
    whole = fit_noise(total(groups, ctf, power))
    np.testing.assert_allclose(fit_noise(sums).additive[1, 2:6], whole.additive[1, 2:6], rtol=1e-6)


def test_filtered_images_have_no_weight_where_nothing_is_left() -> None:
    """A group whose power is next to nothing beside the others' is not certain of it."""
    groups, ctf, power = simulate(400)
    image = np.where((groups == 1)[:, None] & (BAND.shells >= 6), 1e-9 * power, power)
    found = fit_noise(total(groups, ctf, power, image=image.astype(np.float32)))
    assert (found.additive[1, 6:] > 1e6 * found.additive[0, 6:]).all()
    assert (found.additive[1, 1:6] < 10).all()

"""Noise with proper statistics, the requested signal-to-noise ratios, the order of the chain."""

from __future__ import annotations

import numpy as np
import pytest

from cryofocus.errors import SettingError
from cryofocus.maths.fourier import forward_2d, inverse_2d
from cryofocus.maths.grids import n_shells, shell_index_2d
from cryofocus.simulate.image_formation import (
    NoiseLevels,
    SignalPower,
    chunk_ctf,
    chunks,
    combine_parts,
    form_images,
    image_gains,
    measure_signal,
    noise_levels,
    project_chunk,
)
from cryofocus.simulate.phantom import Phantom
from cryofocus.simulate.settings import HumanoidSettings

BOX = 32
SETTINGS = HumanoidSettings(particles=150, box=BOX, pixel_size_angstrom=13.1, snr=0.05, seed=7)


def noise_images(ctf_value: float, levels: NoiseLevels, n: int = 400) -> np.ndarray:
    """Images without signal under a constant CTF."""
    ctf = np.full((n, BOX, BOX // 2 + 1), ctf_value, dtype=np.float32)
    signal = np.zeros(ctf.shape, dtype=np.complex64)
    return form_images(signal, ctf, levels, np.random.default_rng(11))


def test_noise_has_its_variance_and_a_flat_spectrum() -> None:
    """The pixel variance is b + C^2 a, and every shell has box^2 times that."""
    images = noise_images(0.5, NoiseLevels(before_ctf=2.0, after_ctf=1.0))
    assert images.mean() == pytest.approx(0.0, abs=0.01)
    assert images.var() == pytest.approx(1.0 + 0.25 * 2.0, rel=0.01)
    power = np.mean(np.abs(forward_2d(images)) ** 2, axis=0)
    for shell in range(1, n_shells(BOX)):
        mean = power[shell_index_2d(BOX) == shell].mean()
        assert mean == pytest.approx(1.5 * BOX**2, rel=0.12)


def test_noise_is_not_inversion_symmetric() -> None:
    """A pixel tells nothing about the one opposite: corr(n(r), n(-r)) is zero."""
    images = noise_images(0.9, NoiseLevels(before_ctf=1.0, after_ctf=0.5))[:, 1:, 1:]
    opposite = images[:, ::-1, ::-1]
    assert abs(np.corrcoef(images.ravel(), opposite.ravel())[0, 1]) < 0.01


def test_the_coefficient_variance_is_what_the_noise_has() -> None:
    """The variance that the oracle assumes is that of drawn noise, CTF zeros and all."""
    levels, n = NoiseLevels(before_ctf=3.0, after_ctf=0.5), 2000
    specimens = HumanoidSettings(particles=1, box=BOX, pixel_size_angstrom=6.0).draw_specimens()
    camera = HumanoidSettings(box=BOX, pixel_size_angstrom=6.0).camera()
    ctf = chunk_ctf(specimens, camera, slice(0, 1))
    signal = np.zeros((n, BOX, BOX // 2 + 1), dtype=np.complex64)
    many = np.repeat(ctf, n, axis=0)
    images = form_images(signal, many, levels, np.random.default_rng(12))
    seen = np.mean(np.abs(forward_2d(images)) ** 2, axis=0)
    # The Nyquist row and column of an astigmatic CTF are not Hermitian; the phantom has nothing
    # there, so they carry no information.
    inner = np.ones_like(seen, dtype=bool)
    inner[BOX // 2], inner[:, -1] = False, False
    ratio = (seen / levels.coefficient_variance(ctf, BOX)[0])[inner]
    assert ratio.mean() == pytest.approx(1.0, abs=0.005)
    assert ratio.std() < 1.4 / np.sqrt(n)


def test_the_set_has_the_requested_ratios(phantom: Phantom) -> None:
    """Signal and noise made apart have SNR 1.4 before the CTF and the requested one at the end."""
    specimens, camera = SETTINGS.draw_specimens(), SETTINGS.camera()
    levels = noise_levels(measure_signal(phantom, specimens, camera), SETTINGS.snr, 1.4)
    before, after, noise = [], [], []
    for rows in chunks(len(specimens), BOX):
        projection = combine_parts(
            project_chunk(phantom, specimens, camera, rows), specimens.states[rows]
        )
        ctf = chunk_ctf(specimens, camera, rows)
        before.append(inverse_2d(projection, BOX).var(axis=(1, 2)))
        after.append(inverse_2d(projection * ctf, BOX).var(axis=(1, 2)))
        empty = np.zeros_like(projection)
        noise.append(form_images(empty, ctf, levels, SETTINGS.noise_generator(rows.start)))
    assert np.concatenate(before).mean() / levels.before_ctf == pytest.approx(1.4, rel=1e-3)
    final = np.concatenate(after).mean() / np.concatenate(noise).var()
    assert final == pytest.approx(SETTINGS.snr, rel=0.01)


def test_each_image_can_have_the_requested_ratio(phantom: Phantom) -> None:
    """Scaled by its gain, every image's own signal has the ratio to its own noise."""
    specimens, camera = SETTINGS.draw_specimens(), SETTINGS.camera()
    rows, levels = slice(0, 20), NoiseLevels(before_ctf=0.7, after_ctf=0.6)
    ctf = chunk_ctf(specimens, camera, rows)
    parts = project_chunk(phantom, specimens, camera, rows)
    signal = combine_parts(parts, specimens.states[rows])
    gains = image_gains(signal, ctf, levels, 0.05)
    assert gains.std() > 0.1 * gains.mean()
    seen = inverse_2d(gains[:, None, None] * signal * ctf, BOX).var(axis=(1, 2))
    noise = levels.coefficient_variance(ctf, BOX) / BOX**2
    full = np.concatenate([noise, noise[:, :, 1 : BOX // 2]], axis=2)
    np.testing.assert_allclose(seen / full.mean(axis=(1, 2)), 0.05, rtol=1e-3)


def test_an_unreachable_ratio_is_refused() -> None:
    """Noise before the CTF alone may already be too much; the message names the limit."""
    power = SignalPower(before_ctf=1.0, after_ctf=0.3, ctf_square=0.5)
    with pytest.raises(SettingError, match=r"alone brings it down to 0\.84"):
        noise_levels(power, snr=1.0, first_snr=1.4)

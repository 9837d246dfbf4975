"""Consensus map, contrast sign, intensity scales and residuals of images whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cryofocus.consensus import images as images_module
from cryofocus.consensus.band import Band
from cryofocus.consensus.consensus import Consensus, estimate_consensus
from cryofocus.consensus.image_model import ScalePrior, estimate_scale_prior, fit_scales
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reconstruct import MapEstimate
from cryofocus.consensus.residuals import matched_residuals, whole_consensus
from cryofocus.data.optics import CtfShown
from cryofocus.data.particles import ParticleSet
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.fourier import forward_2d, inverse_2d
from samples import (
    MICROSCOPE,
    Beads,
    correlation,
    form_images,
    make_particles,
    multiply_by_ctf,
    wrap_images,
)

BOX, N = 20, 160
HALF_SET = (1 + np.arange(N) % 2).astype(np.int8)


def make_beads() -> Beads:
    """A lump of beads near the centre."""
    rng = np.random.default_rng(5)
    return Beads(rng.normal(0, 9, (12, 3)), 5.0, 100 + 200 * rng.random(12))


@cache
def make_images(noise_sd: float, *, premultiplied: bool = False) -> tuple[ParticleSet, np.ndarray]:
    """Images of the beads; half of them multiplied by their CTF if asked for."""
    rng = np.random.default_rng(6)
    particles = make_particles(
        N, BOX, rng, microscopes=[MICROSCOPE] * 2, premultiplied=[False, premultiplied]
    )
    images = form_images(particles, make_beads().slices(particles.rotation, BOX), noise_sd, rng)
    return particles, multiply_by_ctf(particles, images)


@pytest.mark.parametrize(("noise_sd", "bound"), [(0.02, 0.95), (2.0, 0.85)])
def test_consensus_is_the_true_map(noise_sd: float, bound: float) -> None:
    """The consensus of clean and of noisy images correlates with the density they show."""
    consensus = estimate_consensus(wrap_images(*make_images(noise_sd)), HALF_SET, CpuKernels(2))
    assert correlation(consensus.map.full, make_beads().volume(BOX)) > bound
    assert consensus.map.fsc[1:4].min() > bound - 0.1


def test_premultiplied_images_give_the_same_consensus() -> None:
    """Images written multiplied by their CTF give the map that plain images give."""
    maps = [
        estimate_consensus(wrap_images(*images), HALF_SET, CpuKernels(2)).map.full
        for images in (make_images(0.5), make_images(0.5, premultiplied=True))
    ]
    assert correlation(*maps) > 0.98


@pytest.mark.parametrize("shown", ["flipped", "none"])
def test_images_without_their_whole_ctf_give_the_same_consensus(shown: CtfShown) -> None:
    """Phase-flipped and CTF-corrected images give the density, once that is said of them."""
    particles, _ = make_images(0.5)
    half = forward_2d(make_images(0.5)[1])
    ctf = particles.optics[0].evaluate_ctf(particles.ctf, BOX, particles.pixel_size_angstrom)
    safe = np.where(np.abs(ctf) < 1e-2, 1e-2, ctf)
    images = inverse_2d(half * (np.sign(ctf) if shown == "flipped" else 1 / safe), BOX)
    optics = tuple(replace(group, ctf_shown=shown) for group in particles.optics)
    found = [
        correlation(
            estimate_consensus(wrap_images(one, images), HALF_SET, CpuKernels(2)).map.full,
            make_beads().volume(BOX),
        )
        for one in (replace(particles, optics=optics), particles)
    ]
    assert found[0] > 0.99
    assert found[0] > found[1] + 0.02


def test_particles_count_by_their_weight() -> None:
    """Without weight, a particle might as well not be there; of half the weight, two are one."""
    particles, images = make_images(0.5)
    chosen = np.arange(N // 2)
    pair = np.concatenate([chosen, chosen])
    weight = (np.arange(N) < N // 2).astype(np.float32)
    part, left_out, halved = (
        estimate_consensus(wrap_images(one, pixels), half_set, CpuKernels(2))
        for one, pixels, half_set in (
            (particles.take(chosen), images[chosen], HALF_SET[chosen]),
            (replace(particles, weight=weight), images, HALF_SET),
            (
                replace(particles.take(pair), weight=np.full(N, 0.5, np.float32)),
                images[pair],
                HALF_SET[pair],
            ),
        )
    )
    for found in (left_out, halved):
        np.testing.assert_allclose(found.noise.additive, part.noise.additive, rtol=1e-4)
        np.testing.assert_allclose(found.map.full, part.map.full, atol=1e-4 * part.map.full.max())
        assert abs(found.scale_prior.mean - part.scale_prior.mean) < 1e-4


@pytest.mark.parametrize("written", [1, -1])
def test_contrast_sign_is_found(written: int) -> None:
    """Bright and dark protein alike end as positive density, with the sign recorded."""
    particles, images = make_images(0.5)
    prepared = wrap_images(particles, images * np.float32(written))
    consensus = estimate_consensus(prepared, HALF_SET, CpuKernels(2))
    assert consensus.images.treatment.sign == written
    assert consensus.skewness > 0
    assert correlation(consensus.map.full, make_beads().volume(BOX)) > 0.8


def test_a_forced_sign_is_kept() -> None:
    """A sign that the user forces holds even against the density."""
    particles, images = make_images(0.5)
    prepared = wrap_images(particles, -images)
    consensus = estimate_consensus(prepared.settled(), HALF_SET, CpuKernels(2))
    assert consensus.images.treatment.sign == 1
    assert correlation(consensus.map.full, make_beads().volume(BOX)) < -0.8


def test_half_maps_are_independent() -> None:
    """The images of one half set leave the other half map as it is."""
    particles, images = make_images(0.5)
    changed = images.copy()
    changed[HALF_SET == 2] *= -1
    first, second = (
        estimate_consensus(wrap_images(particles, i).settled(), HALF_SET, CpuKernels(2)).map
        for i in (images, changed)
    )
    assert correlation(first.halves[0], second.halves[0]) > 0.9999
    assert correlation(first.halves[1], second.halves[1]) < -0.9999


def test_rechunking_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Map, noise and scales do not depend on how many images are read at a time."""
    prepared = wrap_images(*make_images(0.5))
    whole = estimate_consensus(prepared, HALF_SET, CpuKernels(2))
    monkeypatch.setattr(images_module, "CHUNK_PARTICLES", 37)
    parts = estimate_consensus(prepared, HALF_SET, CpuKernels(2))
    scale = np.abs(whole.map.full).max()
    np.testing.assert_allclose(parts.map.full, whole.map.full, atol=1e-4 * scale)
    np.testing.assert_allclose(parts.noise.additive, whole.noise.additive, rtol=1e-3)
    np.testing.assert_allclose(parts.scale_prior.mean, whole.scale_prior.mean, rtol=1e-4)


def test_noise_of_the_residuals_is_measured() -> None:
    """White noise of known strength is found as such in the shells with little signal."""
    noise_sd = 2.0
    consensus = estimate_consensus(wrap_images(*make_images(noise_sd)), HALF_SET, CpuKernels(2))
    total = consensus.noise.additive + 0.5 * consensus.noise.transmitted
    np.testing.assert_allclose(total[:, 5:].mean(), (noise_sd * BOX) ** 2, rtol=0.1)


def scale_data(spread: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true scales and the moments of estimates with their stated variance."""
    rng = np.random.default_rng(9)
    scale = 1 + spread * rng.normal(size=n)
    quadratic = rng.uniform(10, 60, n)
    return scale, scale * quadratic + np.sqrt(quadratic) * rng.normal(size=n), quadratic


def test_scales_without_spread_are_one() -> None:
    """Where estimates scatter as their noise says, every scale is 1 instead of noise."""
    _, linear, quadratic = scale_data(0.0)
    prior = estimate_scale_prior(linear, quadratic)
    assert prior.variance == 0
    assert (fit_scales(linear, quadratic, prior) == 1).all()


def test_a_real_spread_of_scales_is_recovered() -> None:
    """A spread is found within its error, and posterior means beat least squares."""
    truth, linear, quadratic = scale_data(0.15)
    prior = estimate_scale_prior(linear, quadratic)
    np.testing.assert_allclose(prior.mean, 1, atol=0.02)
    np.testing.assert_allclose(np.sqrt(prior.variance), 0.15, atol=0.02)
    fitted = fit_scales(linear, quadratic, prior)
    assert np.mean((fitted - truth) ** 2) < 0.6 * np.mean((linear / quadratic - truth) ** 2)


def test_no_signal_gives_no_scale() -> None:
    """A map that explains nothing leaves all scales at 1."""
    nothing = np.zeros(5)
    assert estimate_scale_prior(nothing, nothing) == ScalePrior(1.0, 0.0)


@pytest.mark.parametrize("premultiplied", [False, True])
def test_residuals_of_the_consensus_itself_vanish(*, premultiplied: bool) -> None:
    """Images of the consensus at other intensities leave no residual, and give the intensity."""
    particles, images = make_images(1e-4, premultiplied=premultiplied)
    intensity = np.linspace(0.7, 1.3, N)
    scaled = (images * intensity[:, None, None]).astype(np.float32)
    volume = make_beads().volume(BOX)
    estimate = MapEstimate(volume, (volume, volume), np.ones(BOX // 2 + 1))
    shape = (2, BOX // 2)
    noise = NoiseModel(np.full(shape, 1.0), np.full(shape, 0.5))
    band = Band.disc(BOX, 7)
    results = []
    for v in (estimate, MapEstimate(0 * volume, (0 * volume,) * 2, estimate.fsc)):
        consensus = Consensus(wrap_images(particles, scaled), v, noise, ScalePrior(1.0, 1.0), 1.0)
        background = whole_consensus(consensus, CpuKernels(2))
        (residual,) = matched_residuals(background, consensus.image_model, band)
        results.append(residual)
    with_map, without = results
    np.testing.assert_allclose(with_map.scale, intensity, atol=0.03)
    assert np.abs(with_map.data[0]).std() < 0.05 * np.abs(without.data[0]).std()

"""Density outside a mask taken out of images whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.images import ParticleImages
from cryofocus.consensus.residual_power import measure_residual_power
from cryofocus.consensus.sampling import sample_map
from cryofocus.consensus.subtraction import Subtraction, filter_half_maps, fit_subtraction
from cryofocus.consensus.treatment import ImageTreatment
from cryofocus.data.particles import ParticleSet
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.masks import sphere_mask
from samples import (
    PIXEL_SIZE,
    ArrayReader,
    Beads,
    correlation,
    form_images,
    make_particles,
    multiply_by_ctf,
    wrap_images,
)

BOX, N = 24, 96
HALF_SET = (1 + np.arange(N) % 2).astype(np.int8)
KEPT = Beads(np.array([[14.0, 6.0, -4.0], [10.0, 12.0, 0.0]]), 5.0, np.array([300.0, 250.0]))
REMOVED = Beads(np.array([[-14.0, -6.0, 8.0], [-8.0, -16.0, -6.0]]), 5.0, np.array([350.0, 300.0]))
EVERYTHING = np.arange(N)
NOTHING_KEPT = np.zeros((BOX,) * 3, np.float32)
# Aberrations that change phases, and a magnification that stretches one axis.
ABERRATED = Microscope(
    300.0,
    2.7,
    0.1,
    beam_tilt_mrad=(0.4, -0.3),
    magnification_matrix=((1.01, 0.004), (0.004, 0.99)),
)


def volume_of(*parts: Beads) -> np.ndarray:
    """Density of some beads."""
    return np.sum([part.volume(BOX) for part in parts], axis=0, dtype=np.float32)


def keep_mask() -> np.ndarray:
    """A mask around the kept beads that holds nothing of the others."""
    return sphere_mask(BOX, PIXEL_SIZE, (12.0, 9.0, -2.0), 20.0, 4.0)


def images_of(particles: ParticleSet, part: Beads, noise_sd: float = 0.0) -> np.ndarray:
    """Images of some beads, noise-free unless asked for."""
    slices = part.slices(particles.rotation, BOX)
    return form_images(particles, slices, noise_sd, np.random.default_rng(4))


def fit(
    images: ParticleImages, keep: np.ndarray, grey: float = 1.0, *, parts: int = 2
) -> Subtraction:
    """Fit the subtraction of the true density, in some grey scale."""
    volume = grey * volume_of(*(KEPT, REMOVED)[:parts])
    return fit_subtraction(images, HALF_SET, (volume, volume), keep, CpuKernels(2))


def pixels_of(subtraction: Subtraction) -> tuple[np.ndarray, np.ndarray]:
    """All images without the removed density, and all intensities."""
    pixels, scales = zip(*subtraction.pixels(), strict=True)
    return np.concatenate(pixels), np.concatenate(scales)


@pytest.fixture(scope="module")
def particles() -> ParticleSet:
    """Particles at random poses under a plain microscope."""
    return make_particles(N, BOX, np.random.default_rng(3))


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


@pytest.mark.parametrize("grey", [1.0, 250.0, -0.004])
def test_nothing_is_left_where_nothing_is_kept(particles: ParticleSet, grey: float) -> None:
    """A map in any grey scale, also inverted, takes away all that noise-free images show."""
    images = images_of(particles, KEPT) + images_of(particles, REMOVED)
    subtraction = fit(wrap_images(particles, images), NOTHING_KEPT, grey)
    left, _ = pixels_of(subtraction)
    assert rms(left) < 0.03 * rms(images)
    np.testing.assert_allclose(subtraction.grey_scale, 1 / grey, rtol=0.02)


@pytest.mark.parametrize("premultiplied", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_left_is_the_kept_density(*, premultiplied: bool, sign: int) -> None:
    """With aberrations, stretched, dark or premultiplied: what stays is the kept part's image."""
    particles = make_particles(
        N,
        BOX,
        np.random.default_rng(3),
        microscopes=[ABERRATED] * 2,
        premultiplied=[False, premultiplied],
    )
    kept, removed = (
        sign * multiply_by_ctf(particles, aberrated_images(particles, part))
        for part in (KEPT, REMOVED)
    )
    subtraction = fit(wrap_images(particles, kept + removed, sign), keep_mask())
    left, _ = pixels_of(subtraction)
    assert rms(left - kept) < 0.04 * rms(removed)


def aberrated_images(particles: ParticleSet, part: Beads) -> np.ndarray:
    """Images under odd aberrations and an anisotropic magnification, by direct sums."""
    microscope = particles.optics[0].microscope
    plain = ParticleImages(
        particles,
        ArrayReader(np.empty(0)),
        ImageTreatment(
            1, normalise=False, background_radius_pixels=BOX, background_edge_pixels=BOX
        ),
    )
    band = plain.largest_band()
    fx = band.grid_points(1) / (BOX * PIXEL_SIZE)
    f = fx @ np.asarray(microscope.magnification_matrix).T
    places = np.einsum("nij,bj->nbi", particles.rotation[:, :2], part.centres)
    phases = np.exp(-2j * np.pi * np.einsum("nbi,pi->nbp", places, f))
    envelope = np.exp(-2 * np.pi**2 * part.sigma**2 * (f**2).sum(axis=1))
    slices = (np.einsum("b,nbp->np", part.weights, phases) * envelope).astype(np.complex64)
    ctf = plain.prepare(band, EVERYTHING, np.zeros((N, BOX, BOX), np.float32)).ctf
    return plain.restore(band, EVERYTHING, (slices * ctf).astype(np.complex64))


def test_intensities_are_recovered(particles: ParticleSet) -> None:
    """Each particle's own intensity is found and subtracted, not the set's mean."""
    intensity = np.linspace(0.7, 1.3, N)
    images = images_of(particles, KEPT) + images_of(particles, REMOVED)
    images *= intensity[:, None, None].astype(np.float32)
    noise = np.random.default_rng(8).normal(0, 0.05 * rms(images), images.shape)
    noisy = (images + noise).astype(np.float32)
    left, scale = pixels_of(fit(wrap_images(particles, noisy), NOTHING_KEPT))
    np.testing.assert_allclose(scale, intensity, atol=0.03)
    assert rms(left) < 1.2 * rms(noise)


def test_sign_normalisation_and_place_stay(particles: ParticleSet) -> None:
    """Images with a grey level and offset of their own keep them; only density goes."""
    rng = np.random.default_rng(5)
    kept, removed = images_of(particles, KEPT), images_of(particles, REMOVED)
    gain = rng.uniform(5, 20, (N, 1, 1)).astype(np.float32)
    noise = rng.normal(0, 0.3 * rms(removed), kept.shape).astype(np.float32)
    raw = 100 - gain * (kept + removed + noise)
    prepared = wrap_images(particles, raw)
    treatment = ImageTreatment(
        -1, normalise=True, background_radius_pixels=0.45 * BOX, background_edge_pixels=BOX
    )
    left, _ = pixels_of(fit(replace(prepared, treatment=treatment), keep_mask()))
    # Background deviations, measured on a few pixels, are the images' units: exact to a tenth.
    assert rms((left - (100 - gain * (kept + noise))) / gain) < 0.2 * rms(removed)


def test_each_half_set_uses_its_own_map(particles: ParticleSet) -> None:
    """A half map that shows only the kept part removes nothing from its own half set alone."""
    images = images_of(particles, KEPT) + images_of(particles, REMOVED)
    maps = (volume_of(KEPT, REMOVED), volume_of(KEPT))
    subtraction = fit_subtraction(
        wrap_images(particles, images), HALF_SET, maps, keep_mask(), CpuKernels(2)
    )
    left, _ = pixels_of(subtraction)
    first, second = HALF_SET == 1, HALF_SET == 2
    assert rms((left - images_of(particles, KEPT))[first]) < 0.05 * rms(images)
    assert rms((left - images)[second]) < 0.01 * rms(images)


def test_transforms_and_pixels_tell_the_same(particles: ParticleSet) -> None:
    """Subtraction in memory equals subtraction of raw images that are then prepared."""
    images = images_of(particles, KEPT) + images_of(particles, REMOVED, noise_sd=2.0)
    subtraction = fit(wrap_images(particles, images), keep_mask())
    band = subtraction.band
    chunk, scale = subtraction.subtract(subtraction.images.load(band, EVERYTHING), band)
    left, same_scale = pixels_of(subtraction)
    prepared = wrap_images(particles, left).load(band, EVERYTHING)
    np.testing.assert_array_equal(scale, same_scale)
    assert rms(np.abs(prepared.transforms - chunk.transforms)) < 1e-4 * rms(np.abs(images)) * BOX


@pytest.mark.parametrize("threads", [1, 2])
def test_a_narrow_band_subtracts_the_same(
    monkeypatch: pytest.MonkeyPatch, particles: ParticleSet, threads: int
) -> None:
    """Where a map ends, images may be cropped: those of the files lose the same density."""
    monkeypatch.setattr("cryofocus.consensus.subtraction.CHUNK_PIXELS", 40 * BOX**2)
    ends = np.r_[np.ones(6), np.zeros(BOX)]
    volume = filter_half_maps((volume_of(KEPT, REMOVED),) * 2, ends)[0]
    images = images_of(particles, KEPT) + images_of(particles, REMOVED, noise_sd=1.0)
    whole = replace(wrap_images(particles, images), threads=threads)
    cropped = whole.cropped(9)
    assert cropped.particles.box < BOX
    coarse = sample_map(volume, cropped.particles.box)
    removed = [
        images
        - pixels_of(fit_subtraction(some, HALF_SET, (one, one), keep_mask(), CpuKernels(2)))[0]
        for some, one in ((whole, volume), (cropped, coarse))
    ]
    assert rms(removed[0]) > 0.5
    assert rms(removed[1] - removed[0]) < 0.02 * rms(removed[0])


def test_filter_keeps_what_half_maps_agree_on() -> None:
    """Shells without common signal are emptied, others weighted by their correlation."""
    rng = np.random.default_rng(2)
    truth = volume_of(KEPT, REMOVED)
    halves = tuple((truth + rng.normal(0, 1, truth.shape)).astype(np.float32) for _ in range(2))
    fsc = np.linspace(1, -0.2, BOX // 2 + 1)
    first, second = filter_half_maps((halves[0], halves[1]), fsc)
    assert rms(first - truth) < rms(halves[0] - truth)
    power = np.abs(np.fft.fftn(second))
    assert power[0, 0, BOX // 2] < 1e-3 * power[0, 0, 0]


def test_residual_power_meets_the_noise(particles: ParticleSet) -> None:
    """Outside the mask subtracted images show noise only, inside what is kept."""
    images = images_of(particles, KEPT) + images_of(particles, REMOVED, noise_sd=1.0)
    subtraction = fit(wrap_images(particles, images), keep_mask())
    power = measure_residual_power(subtraction, keep_mask(), (12.0, 9.0, -2.0), 9, EVERYTHING)
    before, after, expected = power.outside
    assert before > 1.3 * expected
    assert after == pytest.approx(expected, rel=0.05)
    assert power.inside[1] == pytest.approx(power.inside[2], rel=0.05)
    assert power.inside[1] > 1.5
    np.testing.assert_allclose(power.shells[1, 1:9], power.shells[2, 1:9], rtol=0.25)
    assert power.shells[0, 1:6].mean() > 1.2 * power.shells[1, 1:6].mean()
    assert correlation(power.pictures[1], power.pictures[2]) > 0.98

"""The likelihood inside a projected region against its published definition, and occupancies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import region_reference
import small_box_reference as reference
from cryofocus.consensus.consensus import Consensus
from cryofocus.consensus.image_model import ScalePrior
from cryofocus.consensus.noise.spectra import NoiseModel
from cryofocus.consensus.reconstruct import MapEstimate, map_to_grid
from cryofocus.data.mask import FocusMask
from cryofocus.data.particles import ParticleSet
from cryofocus.inference.mask2d import white_images
from cryofocus.inference.mask2d.projected_mask import Shadow, project_sphere
from cryofocus.inference.mask2d.region_likelihood import (
    Compared,
    compare,
    particle_weights,
    update_occupancies,
)
from cryofocus.inference.mask2d.white_images import WhiteImages, whiten_images
from cryofocus.kernels.cpu import CpuKernels
from cryofocus.maths.ctf import evaluate_ctf
from samples import MICROSCOPE, PIXEL_SIZE, make_particles, multiply_by_ctf, wrap_images

ADDITIVE, TRANSMITTED = 30.0, 20.0
CENTRE, RADIUS = (9.0, -7.0, 6.0), 17.0
N_PARTICLES, N_CLASSES = 3, 2
KERNELS = CpuKernels(2)
RUNNING_SIGMA = np.array([0.9, 1.1, 9.0])


@dataclass(frozen=True, eq=False)
class Sample:
    """A few noisy images, class maps and what the strategy makes of them."""

    particles: ParticleSet
    pixels: np.ndarray
    maps: list[np.ndarray]
    mask: FocusMask
    white: WhiteImages
    n_shells: int

    def compare(self, running_sigma: np.ndarray | None = None) -> Compared:
        """Compare all images with all maps inside the circle."""
        edge = self.white.geometry.edge
        grids = np.stack([map_to_grid(m, edge) for m in self.maps], axis=-1)
        circle = project_sphere(wrap_images(self.particles, self.pixels), self.mask, 0.0)
        return compare(self.white, circle, grids, KERNELS, running_sigma)


def make_sample(box: int, n_shells: int) -> Sample:
    """Images and maps of smooth random densities, signal and noise of similar strength."""
    rng = np.random.default_rng(box)
    particles = make_particles(N_PARTICLES, box, rng)
    pixels = gaussian_filter(rng.normal(size=(N_PARTICLES, box, box)), (0, 1, 1))
    pixels = (1.5 * pixels / pixels.std()).astype(np.float32)
    consensus = make_consensus(particles, pixels)
    white = whiten_images(consensus, n_shells)
    maps = []
    for _ in range(N_CLASSES):
        density = gaussian_filter(rng.normal(size=(white.reference_box,) * 3), 1.0)
        density *= (box / white.reference_box) ** 3 * 0.3 / density.std()
        maps.append(density.astype(np.float32))
    sphere = (*(c + box // 2 * PIXEL_SIZE for c in CENTRE), RADIUS)
    mask = FocusMask.from_sphere(sphere, box, PIXEL_SIZE, soft_edge_angstrom=0.0)
    return Sample(particles, pixels, maps, mask, white, n_shells)


def make_consensus(particles: ParticleSet, pixels: np.ndarray) -> Consensus:
    """Return a consensus of which only images and noise matter."""
    n_shells = particles.box // 2
    noise = NoiseModel(np.full((1, n_shells), ADDITIVE), np.full((1, n_shells), TRANSMITTED))
    nothing = np.zeros((particles.box,) * 3, np.float32)
    estimate = MapEstimate(nothing, (nothing, nothing), np.zeros(n_shells + 1))
    images = wrap_images(particles, pixels)
    return Consensus(images, estimate, noise, ScalePrior(1.0, 0.0), 1.0)


def pair_of(sample: Sample, i: int, k: int) -> region_reference.WhitePair:
    """Return image i and what class k predicts of it, from the definitions."""
    particles = sample.particles
    box = particles.box
    plane = reference.Plane.of(box, PIXEL_SIZE)
    ctf = reference.contrast(particles.ctf, i, MICROSCOPE, (plane.fx, plane.fy))
    variance = ADDITIVE + ctf**2 * TRANSMITTED
    x, y = particles.shift_angstrom[i]
    centring = np.exp(-2j * np.pi * (plane.fx * x + plane.fy * y))
    slices = region_reference.trilinear_slice(
        sample.maps[k], sample.white.geometry.edge, particles.rotation[i], plane
    )
    limit = (sample.n_shells - 1) / (box * PIXEL_SIZE)
    imaging = (ctf, variance, centring)
    return region_reference.whiten(sample.pixels[i], slices, imaging, plane, limit)


def pixels_of(sample: Sample, i: int) -> list[tuple[int, int]]:
    """Return the pixels of the circle in image i."""
    centre = sample.particles.rotation[i][:2] @ np.array(CENTRE) / PIXEL_SIZE
    return region_reference.circle_pixels(sample.particles.box, centre, RADIUS / PIXEL_SIZE)


@pytest.mark.parametrize(("box", "n_shells"), [(20, 7), (21, 7), (28, 6), (29, 6)])
def test_log_likelihood_is_cistems(box: int, n_shells: int) -> None:
    """Even and odd boxes, resampled or not: the formula, pixel by pixel, to 1e-4."""
    sample = make_sample(box, n_shells)
    found = sample.compare().log_likelihood
    expected = [
        [
            region_reference.cistem(
                pair_of(sample, i, k), pixels_of(sample, i), RADIUS / PIXEL_SIZE
            )
            for k in range(N_CLASSES)
        ]
        for i in range(N_PARTICLES)
    ]
    assert np.ptp(expected, axis=1).min() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("box", [20, 21])
def test_fitted_scale_is_frealigns(box: int) -> None:
    """Scale and means fitted inside the circle, a running sigma trusted only near the image's."""
    sample = make_sample(box, 7)
    found = sample.compare(RUNNING_SIGMA).log_likelihood
    row = np.argsort(sample.white.particles)
    expected = [
        [
            region_reference.frealign(
                pair_of(sample, i, k),
                pixels_of(sample, i),
                RUNNING_SIGMA[i],
                sample.white.full_variance[row[i]],
            )
            for k in range(N_CLASSES)
        ]
        for i in range(N_PARTICLES)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_whole_images_are_compared_by_parseval() -> None:
    """Without a region, all pixels count: as a projected region that holds them all."""
    sample = make_sample(20, 7)
    edge = sample.white.geometry.edge
    grids = np.stack([map_to_grid(m, edge) for m in sample.maps], axis=-1)
    everything = Shadow(np.ones((N_PARTICLES, 20, 20), np.float32))
    by_pixels, whole = (
        compare(sample.white, region, grids, KERNELS, None) for region in (everything, None)
    )
    np.testing.assert_allclose(whole.log_likelihood, by_pixels.log_likelihood, rtol=1e-5)
    np.testing.assert_array_equal(whole.sigma, by_pixels.sigma)


def test_a_fitted_scale_does_not_see_the_grey_scale() -> None:
    """Maps three times as strong change cisTEM's log-likelihood and not Frealign's."""
    sample = make_sample(20, 7)
    stronger = replace(sample, maps=[3 * m for m in sample.maps])
    ours, theirs = (s.compare(RUNNING_SIGMA).log_likelihood for s in (sample, stronger))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert np.abs(sample.compare().log_likelihood - stronger.compare().log_likelihood).min() > 1


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """One particle at a time or all at once: the same log-likelihoods."""
    sample = make_sample(20, 7)
    together = sample.compare()
    monkeypatch.setattr(white_images, "CHUNK_PARTICLES", 1)
    apart = sample.compare()
    np.testing.assert_allclose(apart.log_likelihood, together.log_likelihood, rtol=1e-5)
    np.testing.assert_allclose(apart.sigma, together.sigma, rtol=1e-4)


def test_whitened_noise_has_unit_variance() -> None:
    """White noise of any strength comes out with variance 1 a pixel."""
    box, n = 24, 200
    rng = np.random.default_rng(0)
    particles = make_particles(n, box, rng)
    deviation = np.sqrt(ADDITIVE) / box
    consensus = make_consensus(particles, rng.normal(0, deviation, (n, box, box)).astype("f4"))
    noise = NoiseModel(np.full((1, box // 2), ADDITIVE), np.zeros((1, box // 2)))
    white = whiten_images(replace(consensus, noise=noise), box // 2)
    assert white.full_variance.mean() == pytest.approx(1, abs=0.02)


def test_premultiplied_images_are_whitened_alike() -> None:
    """Written multiplied by its CTF or not, an image and its response are the same."""
    rng = np.random.default_rng(5)
    particles = make_particles(4, 20, rng)
    pixels = rng.normal(size=(4, 20, 20)).astype(np.float32)
    optics = (replace(particles.optics[0], ctf_premultiplied=True),)
    multiplied = replace(particles, optics=optics)
    plain = whiten_images(make_consensus(particles, pixels), 9)
    other = whiten_images(make_consensus(multiplied, multiply_by_ctf(multiplied, pixels)), 9)
    ctf = plain.band.pick(evaluate_ctf(particles.ctf, MICROSCOPE, 20, PIXEL_SIZE))
    visible = np.abs(ctf[plain.particles]) > 2 * white_images.LEAST_CTF
    for name in ("transforms", "response"):
        np.testing.assert_allclose(
            getattr(other, name)[visible], getattr(plain, name)[visible], atol=2e-3
        )


def test_occupancy_rule() -> None:
    """Old mean times likelihood; 10 below the best is nothing, just above it is something."""
    log_likelihood = np.array([[-500.0, -502.0], [-510.0, -500.0], [-509.9, -500.0]])
    found, evidence = update_occupancies(log_likelihood, np.array([0.25, 0.75]))
    first = 0.25 / (0.25 + 0.75 * np.exp(-2))
    last = 0.25 * np.exp(-9.9) / (0.25 * np.exp(-9.9) + 0.75)
    np.testing.assert_allclose(found[:, 0], [first, 0.0, last], rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(evidence[1], -500 + np.log(0.75))


def test_an_empty_class_stays_empty() -> None:
    """A class without occupancy gets none back, and its reconstruction weighs nothing."""
    found, _ = update_occupancies(np.array([[-3.0, -1.0], [-2.0, -9.0]]), np.array([1.0, 0.0]))
    assert found[:, 1].max() < 1e-200
    assert np.isfinite(particle_weights(found, np.ones(2))).all()


def test_reconstruction_weights() -> None:
    """(occ / <occ>) (<sigma> / sigma)^2, mean 1 a class where all particles are alike."""
    occupancy, sigma = np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1.0, 3.0])
    expected = [[0.5 * 4, 4 / 3 * 4], [1.5 * 4 / 9, 2 / 3 * 4 / 9]]
    np.testing.assert_allclose(particle_weights(occupancy, sigma), expected, rtol=1e-6)

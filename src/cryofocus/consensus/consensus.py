"""Consensus map, noise spectra and per-particle intensity scale: what all classes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float32, Float64, Int, Int8

from cryofocus.consensus.band import Band
from cryofocus.consensus.images import ImageChunk, ParticleImages
from cryofocus.consensus.noise import NoiseModel, PowerSums, fit_noise, flat_noise, sum_powers
from cryofocus.consensus.reconstruct import (
    PADDING,
    MapEstimate,
    MapSource,
    accumulate_halves,
    map_to_grid,
    matched_chunk,
    solve_maps,
)
from cryofocus.kernels.contract import SliceKernels
from cryofocus.placement import Array, beside, fetch, namespace

# Enough images for spectra that are good to a percent in every shell.
NOISE_PARTICLES = 4000


@dataclass(frozen=True)
class Consensus:
    """What is common to all classes.

    Attributes:
        images: The prepared images, with the contrast sign that makes density positive.
        map: Consensus map, half maps and FSC.
        noise: Noise spectra per optics group.
        scale_prior: Mean and variance of the particles' intensity scale.
        skewness: Of the consensus density after the sign was chosen; large means a sure sign.
    """

    images: ParticleImages
    map: MapEstimate
    noise: NoiseModel
    scale_prior: ScalePrior
    skewness: float

    @property
    def image_model(self) -> ImageModel:
        """What images hold besides density."""
        return ImageModel(self.noise, self.scale_prior)


@dataclass(frozen=True)
class ImageModel:
    """What it takes to compare an image with a projection.

    Attributes:
        noise: Noise spectra per optics group.
        scale_prior: Mean and variance of the particles' intensity scale.
    """

    noise: NoiseModel
    scale_prior: ScalePrior


@dataclass(frozen=True)
class ScalePrior:
    """Normal distribution of the particles' intensity scales, estimated over the set."""

    mean: float
    variance: float


def estimate_consensus(
    images: ParticleImages,
    half_set: Int8[np.ndarray, " particle"],
    kernels: SliceKernels,
    *,
    solvent: Float32[np.ndarray, "box box box"] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Consensus:
    """Reconstruct all particles together and measure noise and scale against that map.

    Args:
        images: Prepared images; the density decides their contrast sign unless it is settled.
        half_set: `(particle,)` 1 or 2.
        kernels: Slice kernels of the device.
        solvent: Mask that the map is multiplied by once it is solved, or None.
        advance: Called with the number of particles done.
    """
    band, sample = images.largest_band(), noise_sample(images)
    first_noise = flat_noise(power_of_images(images, band, sample))
    ones = np.ones((len(images), 1), np.float32)
    scale = np.ones(len(images), np.float32)
    source = MapSource(images, first_noise, scale, half_set)
    sums = accumulate_halves(source, ones, kernels, advance=advance)
    (estimate,) = solve_maps(sums, images.particles.box, threads=images.threads)
    skewness = density_skewness(estimate.full)
    if skewness < 0 and not images.treatment.is_sign_settled:
        images, estimate, skewness = images.flipped(), _negated(estimate), -skewness
    if solvent is not None:
        first, second = estimate.halves
        estimate = replace(
            estimate, full=estimate.full * solvent, halves=(first * solvent, second * solvent)
        )
    grid = map_to_grid(estimate.full, PADDING * images.particles.box, threads=images.threads)
    noise, scale_prior = fit_residuals(images, first_noise, grid, sample, kernels)
    return Consensus(images, estimate, noise, scale_prior, skewness)


def refit_noise(
    consensus: Consensus, volume: Float32[np.ndarray, "box box box"], kernels: SliceKernels
) -> Consensus:
    """Return the consensus with the noise that images show beyond another map."""
    images = consensus.images
    grid = map_to_grid(volume, PADDING * images.particles.box, threads=images.threads)
    noise, _ = fit_residuals(images, consensus.noise, grid, noise_sample(images), kernels)
    return replace(consensus, noise=noise)


def noise_sample(images: ParticleImages) -> Int[np.ndarray, " m"]:
    """Return the particles, evenly spread over the set, that noise is measured on."""
    n = min(NOISE_PARTICLES, len(images))
    return np.unique(np.linspace(0, len(images) - 1, n).astype(np.int64))


def density_skewness(volume: Float32[np.ndarray, "box box box"]) -> float:
    """Skewness of the density inside the inscribed sphere: positive where protein is white."""
    box = volume.shape[0]
    axis = np.arange(box) - box // 2
    inside = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < (box // 2) ** 2
    centred = volume[inside].astype(np.float64)
    centred -= centred.mean()
    variance = max(float((centred**2).mean()), float(np.finfo(np.float32).tiny))
    return float((centred**3).mean() / variance**1.5)


def fit_scales(
    linear: Float64[np.ndarray, " n"], quadratic: Float64[np.ndarray, " n"], prior: ScalePrior
) -> Float32[np.ndarray, " n"]:
    """Posterior mean of each particle's scale, relative to the set's mean.

    The least-squares scale linear/quadratic has variance 1/quadratic; where that exceeds the
    scales' real spread, the estimate stays near the mean instead of following the noise.
    """
    if prior.variance <= 0:
        return np.ones(len(linear), np.float32)
    scale = (linear + prior.mean / prior.variance) / (quadratic + 1 / prior.variance)
    return np.asarray(np.clip(scale / prior.mean, 0.1, 10.0), np.float32)


def scale_moments(
    band: Band,
    data: Complex64[Array, "n point"],
    precision: Float32[Array, "n point"],
    slices: Complex64[Array, "n point"],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return <Y, s C P V> and |s C P V|^2, both over the noise variance, at s = 1."""
    xp, hermitian = namespace(data), beside(band.hermitian, data)
    real, imaginary = xp.real(slices), xp.imag(slices)
    product = xp.real(data) * real + xp.imag(data) * imaginary
    power = precision * (real**2 + imaginary**2)
    linear, quadratic = (fetch(xp.matmul(one, hermitian)) for one in (product, power))
    return linear.astype(np.float64), quadratic.astype(np.float64)


def estimate_scale_prior(
    linear: Float64[np.ndarray, " n"], quadratic: Float64[np.ndarray, " n"]
) -> ScalePrior:
    """Fit mean and variance of the scales by moments, net of each estimate's own variance."""
    total = quadratic.sum()
    if total <= 0:
        return ScalePrior(1.0, 0.0)
    mean = linear.sum() / total
    excess = (quadratic * (linear / np.maximum(quadratic, 1e-12) - mean) ** 2).sum() - len(linear)
    spread = excess / total
    # A spread within three standard errors of nothing is nothing.
    error = np.sqrt(2.0 * len(linear)) / total
    # A mean far from 1 says that the map holds no signal the images could be scaled by.
    is_real = spread > 3 * error and 0.3 < mean < 3.0
    return ScalePrior(float(mean), float(spread) if is_real else 0.0)


def residuals(
    chunk: ImageChunk,
    slices: Complex64[np.ndarray, "n point"],
    scale: Float32[np.ndarray, " n"],
) -> Complex64[np.ndarray, "n point"]:
    """Return `Y - s C P V`; for an image written multiplied by its CTF, that times the CTF."""
    return np.asarray(chunk.transforms - predicted(chunk, slices, scale))


def predicted(
    chunk: ImageChunk,
    slices: Complex64[np.ndarray, "n point"],
    scale: Float32[np.ndarray, " n"],
) -> Complex64[np.ndarray, "n point"]:
    """Return `s C P V`; for an image written multiplied by its CTF, that times the CTF."""
    model = slices * (chunk.ctf * scale[:, None])
    model *= np.where(chunk.is_premultiplied[:, None], chunk.ctf, np.float32(1))
    return np.asarray(model)


def power_of_images(
    images: ParticleImages, band: Band, sample: Int[np.ndarray, " n"]
) -> PowerSums:
    """Sum the power of a sample of images, signal and noise together."""
    total = None
    for chunk in images.chunks(band, sample):
        part = power_of_chunk(chunk, band, chunk.transforms, len(images.particles.optics))
        total = part if total is None else total + part
    assert total is not None
    return total


def power_of_chunk(
    chunk: ImageChunk, band: Band, signal: Complex64[np.ndarray, "n point"], n_groups: int
) -> PowerSums:
    """Sum the power of what a chunk shows, or of what is left of it, as it left the camera."""
    power = (signal.real**2 + signal.imag**2).astype(np.float32)
    # C E of a premultiplied image becomes E; near the CTF's zeros nothing is left to tell.
    safe = np.where(chunk.is_premultiplied[:, None], np.maximum(chunk.ctf**2, 1e-3), 1)
    return sum_powers(band, chunk.groups, chunk.ctf, (power / safe).astype(np.float32), n_groups)


def fit_residuals(
    images: ParticleImages,
    first_noise: NoiseModel,
    grid: Complex64[np.ndarray, "edge edge half"],
    sample: Int[np.ndarray, " n"],
    kernels: SliceKernels,
) -> tuple[NoiseModel, ScalePrior]:
    """Fit noise spectra and the spread of scales to what a map leaves of a sample of images.

    Args:
        images: Prepared images, at poses that belong to the map.
        first_noise: Noise under which the scales are measured.
        grid: Padded transform of the map.
        sample: Particles to look at.
        kernels: Slice kernels of the device.
    """
    band = images.largest_band()
    linear, quadratic, total = [], [], None
    unit, columns = np.ones(len(images), np.float32), kernels.send(grid[..., None])
    for chunk in images.chunks(band, sample):
        geometry = images.geometry(band, PADDING, grid.shape[0], chunk.particles)
        slices = fetch(kernels.gather(columns, geometry))[..., 0]
        data, precision = matched_chunk(chunk, band, first_noise, unit[: len(chunk.particles)])
        moments = scale_moments(band, data, precision, slices)
        linear.append(moments[0])
        quadratic.append(moments[1])
        residual = residuals(chunk, slices, unit[: len(chunk.particles)])
        part = power_of_chunk(chunk, band, residual, len(images.particles.optics))
        total = part if total is None else total + part
    assert total is not None
    prior = estimate_scale_prior(np.concatenate(linear), np.concatenate(quadratic))
    return fit_noise(total), prior


def _negated(estimate: MapEstimate) -> MapEstimate:
    first, second = estimate.halves
    return replace(estimate, full=-estimate.full, halves=(-first, -second))
